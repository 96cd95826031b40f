"""Recall traces for continuous states and actions (Algorithm 2 around an off-policy agent)."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from recall.errors import ConfigError, NonFiniteError
from recall.functional import all_finite
from recall.gaussian_model import GaussianModel
from recall.replay import ReplayBuffer
from recall.seeding import Streams
from recall.units import Units

HELD_OUT = 20
"""One transition in so many is never learned from, unless there is no other."""


@dataclass(frozen=True)
class ContinuousRecallConfig:
    """How recall traces are made and how they pull the policy. The defaults are the arm *repaired*."""

    version: ClassVar[int] = 2
    """Raised by every change that moves numbers; part of the identity of a run."""

    length: int = 20
    """Steps of a trace. Table 2: 20 for HalfCheetah, Walker and Hopper, 50 for Ant and Humanoid."""
    n_traces: int = 32
    """Traces an iteration, N of Algorithm 2. Not stated in the paper; ours."""
    interval: int = 1000
    """Environment steps of an iteration of Algorithm 2. Not stated in the paper; ours."""
    model_updates: int = 50
    """Gradient steps of the model an iteration. Not stated in the paper; ours."""
    model_batch: int = 256
    """Transitions a gradient step of the model. Not stated in the paper; ours."""
    model_learning_rate: float = 1e-3
    """Adam's step size of the model, beta of Algorithm 2. Not stated in the paper; ours."""
    top_tuples: int = 20_000
    """Most valuable transitions of the replay buffer that the model learns from. Sec. 11.2."""
    top_fraction: float = 0.1
    """At most this share of them, k of Algorithm 2: 20,000 of a small buffer would be nearly all. Ours."""
    candidates: int = 50_000
    """Transitions, drawn at random, whose value is computed an iteration; all while there are no more. Ours."""
    joint: bool = True
    """Imitate in every update of the actor; ours. False is Algorithm 2, line 13: in a step of its own an iteration."""
    weight: float = 0.01
    """Factor on Eq. 6. Algorithm 2 has 1; 0.01 in every update is ours, so that the policy's own gradient leads."""
    imitation_batch: int = 64
    """Traced pairs imitated in an update where `joint`; all of them in a step of its own. Ours."""
    target_fraction: float | None = 0.01
    """Traces start from random states among this share of the most valuable. None is Algorithm 1, line 6: from the
    single best. Ours."""
    normalise: bool = True
    """Let the model see states and changes of state in standard deviations; False: in raw units. Not stated in the
    paper; ours."""
    pre_tanh: bool = True
    """Let the model see actions before tanh; False: as the environment does. Not stated in the paper; ours."""
    predict_change: bool = True
    """Let the model predict how the state before differs from the state after (Sec. 2.2); False: the state itself."""
    action_std: float = 0.5
    """Standard deviation of the traced actions around the predicted ones. Sec. 9 fixes the variance, at 1 as we
    read it; 0.5 is ours."""
    stay_in_range: bool = True
    """End a trace where it leaves the range of the states seen. Ours."""

    def __post_init__(self) -> None:
        names = ("length", "n_traces", "interval", "model_updates", "model_batch", "top_tuples", "candidates")
        for name in (*names, "imitation_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not (0 <= self.weight < inf and 0 <= self.action_std < inf and 0 < self.model_learning_rate < inf):
            raise ConfigError(
                f"weight is {self.weight}, action_std {self.action_std}, model_learning_rate "
                f"{self.model_learning_rate}; they must be finite, 0 or more, the last above 0"
            )
        shares = (self.top_fraction, 1.0 if self.target_fraction is None else self.target_fraction)
        if not all(0 < share <= 1 for share in shares):
            raise ConfigError(
                f"top_fraction is {self.top_fraction}, target_fraction {self.target_fraction}; both lie in (0, 1]"
            )


class Imitator(Protocol):
    """What the recaller needs of an agent."""

    def value(self, obs: np.ndarray) -> np.ndarray:
        """Values (runs, n) of states (runs, n, obs_dim)."""

    def imitate(self, obs: np.ndarray, x: np.ndarray, valid: np.ndarray, weight: float) -> None:
        """Let the next update also descend weight times Eq. 6.

        Pairs are states (runs, n, obs_dim) and actions before tanh (runs, n, action_dim); valid is (runs, n).
        """

    def imitate_now(self, obs: np.ndarray, x: np.ndarray, valid: np.ndarray, weight: float) -> None:
        """Descend it at once, in a step of its own."""


class ContinuousTraces(NamedTuple):
    """Recall traces in the environment's units; the first step back is at index 0."""

    obs: np.ndarray
    """(runs, traces, length, obs_dim)."""
    x: np.ndarray
    """Actions before tanh, (runs, traces, length, action_dim)."""
    next_obs: np.ndarray
    """What obs and action are meant to lead to, (runs, traces, length, obs_dim)."""
    valid: np.ndarray
    """Whether the trace had not ended, (runs, traces, length)."""

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """obs, x and valid as pairs, (runs, traces * length, ...)."""
        n_runs, n_traces, length = self.valid.shape
        obs, x, valid = (
            each.reshape(n_runs, n_traces * length, *each.shape[3:]) for each in (self.obs, self.x, self.valid)
        )
        return obs, x, valid

    def pairs(self, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Valid pairs drawn by uniform numbers (runs, batch); a run that has none gets invalid ones."""
        obs, x, valid = self.flat()
        index = np.zeros(uniform.shape, int)
        for run, (good, u) in enumerate(zip(valid, uniform, strict=True)):
            pool = np.flatnonzero(good)
            if len(pool):
                index[run] = pool[(u * len(pool)).astype(int)]
        runs = np.arange(len(index))[:, None]
        return obs[runs, index], x[runs, index], valid[runs, index]


class ContinuousRecaller:
    """Lines 8 to 14 of Algorithm 2 on a replay buffer.

    Call `update` with the agent before each of the agent's own updates: once every `interval` steps the model learns
    and recalls, and in between the traces are imitated.
    """

    def __init__(self, config: ContinuousRecallConfig, replay: ReplayBuffer, streams: Streams) -> None:
        self.config, self.replay, self.streams = config, replay, streams
        n_runs, obs_dim = len(streams.seeds), replay.widths[0]
        self.model = GaussianModel(obs_dim, replay.widths[1], config.model_learning_rate, streams)
        self.units = Units(n_runs, obs_dim, config.normalise, config.pre_tanh, config.predict_change)
        self.known = 0
        self.traces: ContinuousTraces | None = None
        self.held_out: list[np.ndarray] = []
        self.metrics: dict[str, np.ndarray] = {}

    def update(self, agent: Imitator) -> None:
        """What recall does before an update of the agent."""
        if self.replay.end - self.known >= self.config.interval:
            self.recall(agent)
        if self.config.joint and self.traces is not None:
            uniform = self.streams.uniform("imitation", self.config.imitation_batch)
            agent.imitate(*self.traces.pairs(uniform), self.config.weight)

    def recall(self, agent: Imitator) -> None:
        """One iteration: learn the model, make traces and, unless they are imitated in every update, imitate them.

        Raises:
            NonFiniteError: the model, its units or a trace is NaN or infinite.
        """
        self._take_note()
        numbers, values = self._ranked(agent)
        pools, self.held_out = split(numbers[:, : self.top_count(numbers.shape[1])])
        losses = self._train_model(pools)
        self.traces = self._generate(self._targets(numbers))
        self._refuse_non_finite(losses)
        self.metrics = {
            "action_nll": losses[0],
            "state_nll": losses[1],
            "state_unit": self.units.nats,
            "target_value": values[:, 0],
            "trace_length": self.traces.valid.sum((1, 2)) / self.config.n_traces,
        }
        if not self.config.joint:
            agent.imitate_now(*self.traces.flat(), self.config.weight)

    def top_count(self, candidates: int) -> int:
        """How many of the ranked candidates are high-value tuples."""
        share = min(self.config.top_fraction, self.config.top_tuples / len(self.replay))
        return max(1, int(share * candidates))

    def _take_note(self) -> None:
        """Bring the units of the model up to date with the replay buffer."""
        runs = len(self.streams.seeds)
        numbers = np.arange(max(self.known, self.replay.start), self.replay.end)[None].repeat(runs, 0)
        self.units.take_note(self.replay.take(numbers))
        self.known = self.replay.end

    def _ranked(self, agent: Imitator) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of transitions and the values of where they lead, the highest first, (runs, candidates) each.

        A terminal state has no future: ending there is worth its reward.
        """
        runs, start, end = len(self.streams.seeds), self.replay.start, self.replay.end
        if end - start <= self.config.candidates:
            numbers = np.arange(start, end)[None].repeat(runs, 0)
        else:
            numbers = self.streams.integers("model", start, end, self.config.candidates)
        found = self.replay.take(numbers)
        values = np.where(found.terminated > 0, found.reward, agent.value(found.next_obs))
        order = np.argsort(-values, 1, kind="stable")
        return np.take_along_axis(numbers, order, 1), np.take_along_axis(values, order, 1)

    def _train_model(self, pools: list[np.ndarray]) -> np.ndarray:
        """Learn from each run's transitions, by number; returns the mean losses over the iteration, (2, runs)."""
        losses = []
        for _ in range(self.config.model_updates):
            uniform = self.streams.uniform("model", self.config.model_batch)
            drawn = [pool[(u * len(pool)).astype(int)] for pool, u in zip(pools, uniform, strict=True)]
            losses.append(self.model.learn(self.units.pairs(self.replay.take(np.stack(drawn)))))
        return np.mean(losses, 0)

    def _targets(self, ranked: np.ndarray) -> np.ndarray:
        """States to trace back from, (runs, traces, obs_dim)."""
        uniform = self.streams.uniform("traces", self.config.n_traces)
        share = self.config.target_fraction
        count = 1 if share is None else max(1, int(share * ranked.shape[1]))
        chosen = np.take_along_axis(ranked, (uniform * count).astype(int), 1)
        return self.replay.take(chosen).next_obs

    def _generate(self, targets: np.ndarray) -> ContinuousTraces:
        """Unroll the model from the targets (Eq. 2), step by step."""
        runs, n_traces, obs_dim = targets.shape
        width = self.replay.widths[1] + obs_dim
        steps: list[tuple[np.ndarray, ...]] = []
        next_obs, alive = targets, np.ones((runs, n_traces), bool)
        for _ in range(self.config.length):
            noise = self.streams.normal("traces", n_traces, width)
            action, predicted = self.model.step_back(self.units.state(next_obs), self.config.action_std, noise)
            obs = self.units.before(predicted, next_obs)
            alive = alive & (self.units.in_range(obs) if self.config.stay_in_range else True)
            steps.append((obs, self.units.before_tanh(action), next_obs, alive))
            next_obs = np.where(alive[..., None], obs, next_obs)
        return ContinuousTraces(*(np.stack(column, 2) for column in zip(*steps, strict=True)))

    def _refuse_non_finite(self, losses: np.ndarray) -> None:
        """Name what is NaN or infinite, which `stay_in_range` would take for the end of a trace."""
        assert self.traces is not None
        found = {
            "normalisation": self.units.state_dict(),
            "backtracking model": {"losses": losses, "parameters": self.model.state()},
            "traces": self.traces._asdict(),
        }
        wrong = [name for name, numbers in found.items() if not all_finite(numbers)]
        if wrong:
            raise NonFiniteError(f"recall after {self.replay.end} steps: {', '.join(wrong)} is NaN or infinite")

    def state(self) -> dict:
        """Model, units and the traces at hand, for a checkpoint."""
        traces = {} if self.traces is None else self.traces._asdict()
        return {
            "known": self.known,
            "model": self.model.state(),
            "units": self.units.state_dict(),
            "traces": traces,
            "held_out": {str(run): numbers for run, numbers in enumerate(self.held_out)},
            "metrics": self.metrics,
        }

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.known, self.metrics = state["known"], state["metrics"]
        self.model.load_state(state["model"])
        self.units.load_state(state["units"])
        self.traces = ContinuousTraces(**state["traces"]) if state["traces"] else None
        self.held_out = list(state["held_out"].values())


def split(numbers: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each run's transitions to learn from, and those held out; where only such are there, none is held out."""
    held = [row % HELD_OUT == 0 for row in numbers]
    held = [each & ~each.all() for each in held]
    pairs = list(zip(numbers, held, strict=True))
    return [row[~each] for row, each in pairs], [row[each] for row, each in pairs]
