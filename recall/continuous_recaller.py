"""Recall traces around an off-policy agent with a replay buffer (Algorithm 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

import numpy as np

from recall.gaussian_model import GaussianModel
from recall.replay import ReplayBuffer, Transitions
from recall.seeding import Streams
from recall.tracer import TraceConfig, Tracer, check_counts, check_share, check_sizes, split


@dataclass(frozen=True)
class ContinuousRecallConfig(TraceConfig):
    """How recall traces are made and how they pull the policy. The defaults are the arm *repaired*."""

    version: ClassVar[int] = 2
    """Raised by every change that moves numbers; part of the identity of a run."""
    numerics: ClassVar[dict[str, str]] = {}
    """The agent's engine tells the model's: it is compiled unless all is eager."""

    length: int = 20
    """Steps of a trace. Table 2: 20 for HalfCheetah, Walker and Hopper, 50 for Ant and Humanoid."""
    interval: int = 1000
    """Environment steps of an iteration of Algorithm 2. Not stated in the paper; ours."""
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
    pre_tanh: bool | None = True
    """Let the model see actions before tanh; False: as the environment does. Not stated in the paper; ours. None is for
    policies that do not squash theirs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "interval", "top_tuples", "candidates", "imitation_batch")
        check_sizes(self, "weight")
        check_share(self, "top_fraction")


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


class ContinuousRecaller(Tracer):
    """Lines 8 to 14 of Algorithm 2 on a replay buffer.

    Call `update` with the agent before each of the agent's own updates: once every `interval` steps the model learns
    and recalls, and in between the traces are imitated.
    """

    config: ContinuousRecallConfig

    def __init__(
        self,
        config: ContinuousRecallConfig,
        replay: ReplayBuffer,
        streams: Streams,
        model: GaussianModel | None = None,
    ) -> None:
        super().__init__(config, replay.widths[0], replay.widths[1], config.pre_tanh, streams, model)
        self.replay = replay
        self.known = 0
        self.metrics: dict[str, np.ndarray] = {}

    @property
    def data(self) -> ReplayBuffer:
        """The replay buffer."""
        return self.replay

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
        self.trace(partial(worth, agent.value))
        if not self.config.joint:
            assert self.traces is not None
            agent.imitate_now(*self.traces.flat(), self.config.weight)

    def trace(self, score: Callable[[Transitions], np.ndarray]) -> None:
        """Learn the model, and unroll it from the best states.

        Args:
            score: of transitions, (runs, n), by which they are ranked.

        Raises:
            NonFiniteError: the model, its units or a trace is NaN or infinite.
        """
        self._take_note()
        numbers, values = self._ranked(score)
        top = numbers[:, : self.top_count(numbers.shape[1])]
        pools, self.held_out = split(top, top)
        losses = self.learn(pools)
        self.traces = self.unroll(self._targets(numbers))
        self.refuse_non_finite(self.replay.end, losses)
        self.metrics = self.described(losses, values[:, 0])

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

    def _ranked(self, score: Callable[[Transitions], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of transitions and their scores, the highest first, (runs, candidates) each."""
        runs, start, end = len(self.streams.seeds), self.replay.start, self.replay.end
        if end - start <= self.config.candidates:
            numbers = np.arange(start, end)[None].repeat(runs, 0)
        else:
            numbers = self.streams.integers("model", start, end, self.config.candidates)
        values = score(self.replay.take(numbers))
        order = np.argsort(-values, 1, kind="stable")
        return np.take_along_axis(numbers, order, 1), np.take_along_axis(values, order, 1)

    def _targets(self, ranked: np.ndarray) -> np.ndarray:
        """States to trace back from, (runs, traces, obs_dim)."""
        candidates = np.full(len(ranked), ranked.shape[1])
        chosen = np.take_along_axis(ranked, self.target_ranks(candidates, candidates), 1)
        return self.replay.take(chosen).next_obs

    def state(self) -> dict:
        """Model, units and the traces at hand, for a checkpoint."""
        return {"known": self.known, **super().state(), "metrics": self.metrics}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        super().load_state(state)
        self.known, self.metrics = state["known"], state["metrics"]


def worth(value: Callable[[np.ndarray], np.ndarray], found: Transitions) -> np.ndarray:
    """The values of where transitions lead, (runs, n); a terminal state has no future: ending is worth its reward."""
    return np.where(found.terminated > 0, found.reward, value(found.next_obs))
