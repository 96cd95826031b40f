"""What was learned, put to the test again: the stored policy of a record in a fresh environment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy import stats

from recall.agents import actor
from recall.agents.sac import SACConfig
from recall.agents.trpo import TRPOConfig
from recall.analysis.records import Record, load_record
from recall.control import ControlTraining
from recall.envs.gym_env import GymConfig, GymEnv, make
from recall.errors import RecordError
from recall.evaluation import evaluation_seeds, run_episode
from recall.kinds import KINDS
from recall.runs import POLICY, RunSpec, numerics
from recall.specs import spec_from_json

MEAN_ACTIONS: dict[type, Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]] = {
    SACConfig: actor.act,
    TRPOConfig: actor.mean_action,
}
"""How the stored layers of an agent act, without noise."""


@dataclass(frozen=True)
class Policy:
    """The policies of a record."""

    record: Record
    """The record."""
    spec: RunSpec
    """What was trained."""
    layers: list[np.ndarray]
    """What the actor acts by, (runs, ...) each."""

    @property
    def env(self) -> GymConfig:
        """Where it was trained.

        Raises:
            RecordError: that is no environment of Gymnasium's that can be run by itself.
        """
        if not isinstance(self.spec.env, GymConfig):
            raise RecordError(
                f"{self.record.path} is of {self.spec.env.env_id}, which has no pictures; see the maps of its page"
            )
        return self.spec.env

    @cached_property
    def _space(self) -> GymEnv:
        """An environment that knows the bounds of actions."""
        return GymEnv(self.env)

    def make_env(self) -> gym.Env:
        """A new environment such as it was trained in."""
        return make(self.env)

    def act(self, obs: np.ndarray, run: int = 0) -> np.ndarray:
        """The mean action of a run as `make_env()`'s `step` takes it, (action_dim,), for obs (obs_dim,)."""
        return self._space.rescale(np.clip(self.action(run, obs), -1, 1))

    @property
    def episodes(self) -> int:
        """Episodes of an evaluation of the training."""
        training = KINDS[self.spec.agent.name].training
        assert issubclass(training, ControlTraining)
        return training.episodes

    @property
    def last_seeds(self) -> range:
        """Reset seeds of the training's last evaluation."""
        return evaluation_seeds(-(-self.spec.n_updates // self.spec.eval_every) - 1, self.episodes)

    def action(self, run: int, obs: np.ndarray) -> np.ndarray:
        """The mean action of one run in [-1, 1], (action_dim,), for obs (obs_dim,)."""
        layers = [layer[run : run + 1] for layer in self.layers]
        act_without_noise = MEAN_ACTIONS[type(self.spec.agent)]
        return act_without_noise(layers, np.asarray(obs, np.float32)[None, None])[0, 0]


def load_policy(record: Record | Path | str) -> Policy:
    """The policies that a record keeps; given the record or its folder.

    Raises:
        RecordError: it keeps none, or those of another version of the package; or it is damaged, or no record.
    """
    if not isinstance(record, Record):
        record = load_record(Path(record))
    file = record.path / POLICY
    if POLICY not in record.provenance["sha256"]:
        raise RecordError(
            f"{record.path} keeps no policy (published records keep that of seed 0, those of the four rooms none); "
            "choose another run, or train one: recall run sac -p env_id=Hopper-v5 -p seeds=1"
        )
    try:
        stored = load_file(file)
        layers = [stored[f"actor.{index}"] for index in range(len(stored))]
        return Policy(record, spec_from_json(record.spec), layers)
    except (SafetensorError, KeyError) as error:
        raise RecordError(f"{file} holds no policy that this version of the package can read; train again") from error


def evaluate_policy(policy: Policy, episodes: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """A row an episode of the mean action: seed of the run, seed of the reset, return, length.

    Args:
        policy: who acts.
        episodes: how many, of every seed of the record; None is as many as the training's last evaluation had.
        seed: of the first reset, the others follow; None begins as the training's last evaluation did.
    """
    first = policy.last_seeds[0] if seed is None else seed
    resets = range(first, first + (policy.episodes if episodes is None else episodes))
    env, rows = policy.make_env(), []
    for run, trained in enumerate(policy.spec.seeds):
        act = partial(policy.act, run=run)
        rows += [(trained, reset, *run_episode(env, act, reset)) for reset in resets]
    return pd.DataFrame(rows, columns=["seed", "reset_seed", "return", "length"])


def summary(policy: Policy, episodes: pd.DataFrame) -> str:
    """The episodes of `evaluate_policy` for a terminal: each, their mean, and whether training saw the same."""
    record = policy.record
    lines = [
        f"{record.path.name}, page {record.labels['page']}: the mean action after {policy.spec.total_steps} steps. "
        f"{policy.env.observation}",
        episodes.to_string(index=False, float_format=lambda value: f"{value:.6g}"),
    ]
    for seed, of_seed in episodes.groupby("seed"):
        lines.append(f"seed {seed}: mean return {mean_and_interval(of_seed['return'].to_numpy())}")
        last = of_seed[of_seed["reset_seed"].isin(policy.last_seeds)]
        if len(last) == len(policy.last_seeds):
            lines.append(f"seed {seed}: {comparison(policy, int(seed), float(last['return'].mean()), len(last))}")
    return "\n".join(lines)


def mean_and_interval(returns: np.ndarray) -> str:
    """The mean with Student's interval."""
    mean, count = f"{returns.mean():.6g}", len(returns)
    if count == 1:
        return f"{mean} (1 episode)"
    half = stats.t.ppf(0.975, count - 1) * returns.std(ddof=1) / count**0.5
    low, high = returns.mean() - half, returns.mean() + half
    return f"{mean}, 95 % interval {low:.6g} to {high:.6g} ({count} episodes)"


def comparison(policy: Policy, seed: int, mean: float, episodes: int) -> str:
    """Whether the mean over the last evaluation's episodes, so many, is the one that training wrote down."""
    metrics = policy.record.table("metrics")
    stored = float(metrics.loc[metrics["seed"] == seed, "return"].iloc[-1])
    if f"{mean:.6g}" == f"{stored:.6g}":
        return f"equal to the last row of metrics.csv, {stored:.6g}, in the same {episodes} episodes"
    here, there = numerics(policy.spec), policy.record.numerics
    reason = "; the numerics differ: " + ", ".join(k for k in here if here[k] != there.get(k)) if here != there else ""
    return f"{mean:.6g} where the last row of metrics.csv has {stored:.6g}{reason}"
