"""The learner of trust region policy optimisation: its parameters, its update from a rollout, and how it acts."""

from functools import partial
from math import inf, log
from typing import Any

import numpy as np

from recall.agents.actor import act_normalised, normalised
from recall.agents.trpo import (
    Gaussian,
    TRPOConfig,
    conjugate_gradient,
    entropy,
    fisher_vector_product,
    improvement,
    kl_divergence,
    line_search,
    longest_step,
    policy_pass,
    surrogate_gradient,
)
from recall.agents.value_baselines import Baseline, LinearBaseline, NetworkBaseline
from recall.buffers import TimedRollout, by_run, of_finite_horizon
from recall.errors import NonFiniteError
from recall.functional import all_finite
from recall.normalization import RewardScale, RunningMoments
from recall.perceptron import Arrays, Pass, flattened, init_perceptron, views
from recall.returns import gae
from recall.seeding import Streams

OUT_GAIN = 0.01
"""Gain of the policy's last layer: the first means are near 0 (stable-baselines3)."""

OBS_RANGE = 10.0
"""Normalised observations are cut to plus and minus this (stable-baselines3's VecNormalize)."""


class TRPO:
    """A group of independent agents, one a run. Actions are unbounded; environments execute what lies in [-1, 1].

    What normalises observations stays as it is from the beginning of a rollout to the end of its update, so that the
    bound on the policy's change is one on what it does; then it takes the rollout in.
    """

    def __init__(self, config: TRPOConfig, obs_dim: int, action_dim: int, streams: Streams) -> None:
        self.config = config
        self._kl_unit = action_dim if config.kl_per_dimension else 1
        n_runs = len(streams.seeds)
        layers = init_perceptron((obs_dim, *config.hidden, action_dim), streams["init"], OUT_GAIN)
        log_std = np.full((n_runs, 1, action_dim), log(config.initial_std), np.float32)
        self._like = [*layers, log_std]
        self.parameters = flattened(self._like)
        """Of the policies, (runs, numbers)."""
        self.gradient = np.zeros_like(self.parameters)
        """The policy gradient of the last update."""
        self.baseline: Baseline
        if config.baseline == "network":
            self.baseline = NetworkBaseline(config, obs_dim, streams)
        else:
            self.baseline = LinearBaseline(config, obs_dim, n_runs)
        self.obs_moments = RunningMoments(n_runs, obs_dim)
        self.reward_scale = RewardScale(n_runs, config.n_envs, config.discount)
        self.updates = 0
        self._refresh()

    def _refresh(self) -> None:
        """Take up new parameters and moments."""
        mean, std, limit = self.obs_moments.mean[:, None], self.obs_moments.std[:, None], OBS_RANGE
        if not self.config.normalise_obs:
            mean, std, limit = np.zeros_like(mean), np.ones_like(std), inf
        units = (mean, 1 / std, np.full((len(mean), 1, 1), limit))
        self.actor: Arrays = [
            *(each.astype(np.float32) for each in units),
            *views(self.parameters, self._like),
        ]
        """What acting needs, in the order of `act_normalised`."""

    @property
    def target_kl(self) -> float:
        """Bound on the mean KL of an update, in nats."""
        return self.config.target_kl * self._kl_unit

    def act(self, obs: np.ndarray, noise: np.ndarray | float = 0.0, runs: slice = slice(None)) -> np.ndarray:
        """Actions (runs, n, action_dim) for obs (runs, n, obs_dim); the mean's without standard normal noise.

        `runs` chooses whose policies act.
        """
        return act_normalised([layer[runs] for layer in self.actor], obs, noise)

    def update(self, rollout: TimedRollout) -> dict[str, np.ndarray]:
        """A trust-region step from a rollout, then the baseline's; returns metrics, (runs,) each.

        Raises:
            NonFiniteError: one of them, or of the parameters they leave, is NaN or infinite.
        """
        self.updates += 1
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is named below
            x, time = normalised(self.actor, by_run(rollout.obs)), by_run(rollout.time)
            value, advantage = self._advantage(rollout, x, time)
            metrics = self._improve(x, by_run(rollout.action), standardised(advantage))
            returns = value + advantage
            metrics |= self.baseline.fit(x, time, returns)
            metrics["explained_variance"] = explained_variance(value, returns)
            self.obs_moments.update(by_run(rollout.obs))
        self._refresh()
        moments = {"observations": self.obs_moments, "rewards": self.reward_scale.moments}
        sums = {name: {"mean": each.mean, "squares": each.squares} for name, each in moments.items()}
        learned = {"policy": self.parameters, "baseline": self.baseline.state(), "normalisation": sums}
        refuse_non_finite(self.updates, metrics | learned)
        return metrics

    def _advantage(self, rollout: TimedRollout, x: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and advantages of a rollout, (runs, steps * envs) float32."""
        if self.config.baseline == "linear-finite":
            rollout = of_finite_horizon(rollout)
        reward = rollout.reward
        if self.config.normalise_reward:
            reward = self.reward_scale.scaled(rollout)
        value = self.baseline.value(x, time)
        next_value = self.baseline.value(normalised(self.actor, by_run(rollout.next_obs)), time + 1)
        advantage = gae(
            reward,
            by_step(value, rollout),
            by_step(next_value, rollout),
            rollout.terminated,
            rollout.truncated,
            self.config.discount,
            self.config.gae_lambda,
        )
        return value.astype(np.float32), by_run(advantage).astype(np.float32)

    def _improve(self, x: np.ndarray, action: np.ndarray, advantage: np.ndarray) -> dict[str, np.ndarray]:
        """The trust-region step (Schulman et al. 2015a, App. C)."""
        config = self.config
        found, old = policy_pass(self.parameters, self._like, x)
        gradient = surrogate_gradient(found, old, action, advantage)
        product = partial(fisher_vector_product, found, old, damping=config.cg_damping * self._kl_unit)
        direction, turned = conjugate_gradient(product, gradient, config.cg_iterations)
        step = longest_step(direction, turned, self.target_kl)

        def evaluate(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            _, new = policy_pass(parameters, self._like, x)
            return improvement(action, advantage, new, old), kl_divergence(old, new)

        searched = line_search(evaluate, self.parameters, step, self.target_kl, config)
        self.parameters, self.gradient = searched.parameters, gradient
        return {
            "kl": searched.kl,
            "improvement": searched.improvement,
            "line_search_steps": searched.tried,
            "accepted": searched.accepted.astype(np.float64),
            "entropy": entropy(views(self.parameters, self._like)[-1]),
            "policy_gradient": np.linalg.norm(gradient, axis=1),
            "policy_step": np.linalg.norm(step, axis=1),
        }

    def policy(self, obs: np.ndarray) -> Gaussian:
        """The policies in states (runs, n, obs_dim)."""
        return self.passed(self.parameters, self.seen(obs))[1]

    def seen(self, obs: np.ndarray) -> np.ndarray:
        """States (runs, n, obs_dim) as the policies see them now."""
        return normalised(self.actor, obs)

    def passed(self, parameters: np.ndarray, x: np.ndarray) -> tuple[Pass, Gaussian]:
        """The policies of flat parameters (runs, numbers) in states `x` as they see them."""
        return policy_pass(parameters, self._like, x)

    def become(self, parameters: np.ndarray) -> None:
        """Take other parameters of the policies, (runs, numbers)."""
        self.parameters = parameters
        self._refresh()

    def state(self) -> dict:
        """Everything that an update changes but `gradient`, which the next one finds anew; for a checkpoint."""
        return {
            "parameters": self.parameters,
            "baseline": self.baseline.state(),
            "obs_moments": self.obs_moments.state(),
            "reward_scale": self.reward_scale.state(),
            "updates": self.updates,
        }

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        self.parameters, self.updates = state["parameters"], state["updates"]
        for name in ("baseline", "obs_moments", "reward_scale"):
            getattr(self, name).load_state(state[name])
        self._refresh()


def standardised(advantage: np.ndarray) -> np.ndarray:
    """Of mean 0 and deviation 1 in each run, (runs, n) (rllab, sb3-contrib)."""
    return (advantage - advantage.mean(1, keepdims=True)) / (advantage.std(1, keepdims=True) + 1e-8)


def explained_variance(value: np.ndarray, returns: np.ndarray) -> np.ndarray:
    """Share of the returns' variance that the values explain, (runs, n) -> (runs,); 0 where returns do not vary."""
    left, whole = (returns - value).var(1), returns.var(1)
    return 1 - np.divide(left, whole, out=np.ones_like(whole), where=whole > 0)


def by_step(array: np.ndarray, rollout: TimedRollout) -> np.ndarray:
    """(runs, steps * envs) -> (steps, runs, envs): the inverse of `by_run`."""
    steps, runs, envs = rollout.reward.shape
    return array.reshape(runs, steps, envs).swapaxes(0, 1)


def refuse_non_finite(update: int, numbers: dict[str, Any]) -> None:
    """Raise NonFiniteError that names what is NaN or infinite among nested dictionaries of numbers."""
    wrong = [name for name, found in numbers.items() if not all_finite({name: found})]
    if wrong:
        raise NonFiniteError(f"update {update}: {', '.join(wrong)} is NaN or infinite")
