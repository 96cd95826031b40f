"""What recall of continuous states and actions is whatever the agent: a model that learns, and is unrolled."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import numpy as np

from recall.continuous_traces import ContinuousTraces
from recall.errors import ConfigError, NonFiniteError
from recall.functional import all_finite
from recall.gaussian_model import GaussianModel
from recall.replay import Transitions
from recall.seeding import Streams
from recall.units import Units

HELD_OUT = 20
"""One transition in so many is never learned from, unless there is no other."""


@dataclass(frozen=True)
class TraceConfig:
    """How a backtracking model learns and is unrolled, whatever the agent."""

    length: int = 20
    """Steps of a trace. Tables 1 and 2."""
    n_traces: int = 32
    """Traces an iteration, N of Algorithm 2. Not stated in the paper; ours."""
    model_updates: int = 50
    """Gradient steps of the model an iteration. Not stated in the paper; ours."""
    model_batch: int = 256
    """Transitions a gradient step of the model. Not stated in the paper; ours."""
    model_learning_rate: float = 1e-3
    """Adam's step size of the model, beta of Algorithm 2. Not stated in the paper; ours."""
    target_fraction: float | None = 0.01
    """Traces start from random states among this share of the most valuable. None is Algorithm 1, line 6: from the
    single best. Ours."""
    normalise: bool = True
    """Let the model see states and changes of state in standard deviations; False: in raw units. Not stated in the
    paper; ours."""
    predict_change: bool = True
    """Let the model predict how the state before differs from the state after (Sec. 2.2); False: the state itself."""
    action_std: float = 0.5
    """Standard deviation of the traced actions around the predicted ones. Sec. 9 fixes the variance, at 1 as we
    read it; 0.5 is ours."""
    stay_in_range: bool = True
    """End a trace where it leaves the range of the states seen. Ours."""

    def __post_init__(self) -> None:
        check_counts(self, "length", "n_traces", "model_updates", "model_batch")
        check_sizes(self, "action_std", "model_learning_rate")
        check_share(self, "target_fraction", or_none=True)
        if self.model_learning_rate == 0:
            raise ConfigError("model_learning_rate is 0; it must be positive")


def check_counts(config: TraceConfig, *names: str) -> None:
    """Raise ConfigError where a setting is below 1."""
    for name in names:
        if getattr(config, name) < 1:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be 1 or more")


def check_sizes(config: TraceConfig, *names: str) -> None:
    """Raise ConfigError where a setting is negative or not finite."""
    for name in names:
        if not 0 <= getattr(config, name) < inf:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be finite, 0 or more")


def check_share(config: TraceConfig, name: str, or_none: bool = False) -> None:
    """Raise ConfigError where a setting is not in (0, 1], unless it is None and may be."""
    share = getattr(config, name)
    if share is None and or_none:
        return
    if share is None or not 0 < share <= 1:
        raise ConfigError(f"{name} is {share}; it must lie in (0, 1]{' or be None' * or_none}")


class Buffer(Protocol):
    """Transitions of every run, by number."""

    @property
    def start(self) -> int:
        """The lowest number held."""

    def take(self, numbers: np.ndarray) -> Transitions:
        """Transitions by number, (runs, n)."""

    def draw(self, run: int, generator: np.random.Generator, n: int) -> Transitions:
        """Random transitions of one run, (n, ...)."""


class Tracer(ABC):
    """A backtracking model for each run, its units, and the traces it was last unrolled into.

    Who inherits from it says which transitions the model learns from, and where traces start.

    Args:
        config: settings.
        obs_dim, action_dim: sizes.
        pre_tanh: how `Units` has actions.
        streams: random numbers; "model_init", "model" and "traces" are read.
        model: None is a Gaussian one.
    """

    def __init__(
        self,
        config: TraceConfig,
        obs_dim: int,
        action_dim: int,
        pre_tanh: bool | None,
        streams: Streams,
        model: GaussianModel | None = None,
    ) -> None:
        self.config, self.streams = config, streams
        self.model = model or GaussianModel(obs_dim, action_dim, config.model_learning_rate, streams)
        self.units = Units(len(streams.seeds), obs_dim, config.normalise, pre_tanh, config.predict_change)
        self.traces: ContinuousTraces | None = None
        self.held_out: list[np.ndarray] = []

    @property
    @abstractmethod
    def data(self) -> Buffer:
        """What the model learns from."""

    def learn(self, pools: Sequence[np.ndarray]) -> np.ndarray:
        """Learn from each run's transitions, by number; returns the mean losses over the iteration, (2, runs)."""
        losses = []
        for _ in range(self.config.model_updates):
            uniform = self.streams.uniform("model", self.config.model_batch)
            drawn = [pool[(u * len(pool)).astype(int)] for pool, u in zip(pools, uniform, strict=True)]
            losses.append(self.model.learn(self.units.pairs(self.data.take(np.stack(drawn)))))
        return np.mean(losses, 0)

    def target_ranks(self, seen: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Ranks, from 0, of the states to trace back from, (runs, traces): of the best share of `seen`, (runs,).

        So many of these are `held`, (runs,).
        """
        uniform = self.streams.uniform("traces", self.config.n_traces)
        share = self.config.target_fraction
        among = np.ones(len(seen)) if share is None else np.clip((share * seen).astype(int), 1, held)
        return (uniform * among.astype(np.float32)[:, None]).astype(int)

    def unroll(self, targets: np.ndarray) -> ContinuousTraces:
        """Unroll the model from states (runs, traces, obs_dim), step by step (Eq. 2)."""
        runs, n_traces, _ = targets.shape
        steps: list[tuple[np.ndarray, ...]] = []
        next_obs, alive = targets, np.ones((runs, n_traces), bool)
        for _ in range(self.config.length):
            noise = self.streams.normal("traces", n_traces, self.model.width)
            action, predicted = self.model.step_back(self.units.state(next_obs), self.config.action_std, noise)
            obs = self.units.before(predicted, next_obs)
            alive = alive & (self.units.in_range(obs) if self.config.stay_in_range else True)
            steps.append((obs, self.units.drawn(action), next_obs, alive))
            next_obs = np.where(alive[..., None], obs, next_obs)
        return ContinuousTraces(*(np.stack(column, 2) for column in zip(*steps, strict=True)))

    def described(self, losses: np.ndarray, target_value: np.ndarray) -> dict[str, np.ndarray]:
        """What an iteration is known by, (runs,) each; `target_value` tells of the states that traces start from."""
        assert self.traces is not None
        return {
            "action_nll": losses[0],
            "state_nll": losses[1],
            "state_unit": self.units.nats,
            "target_value": target_value,
            "trace_length": self.traces.valid.sum((1, 2)) / self.config.n_traces,
        }

    def refuse_non_finite(self, steps: int, losses: np.ndarray) -> None:
        """Name what is NaN or infinite, which `stay_in_range` would take for the end of a trace."""
        assert self.traces is not None
        found: dict[str, dict[str, Any]] = {
            "normalisation": self.units.state_dict(),
            "backtracking model": {"losses": losses, "parameters": self.model.state()},
            "traces": self.traces._asdict(),
        }
        wrong = [name for name, numbers in found.items() if not all_finite(numbers)]
        if wrong:
            raise NonFiniteError(f"recall after {steps} steps: {', '.join(wrong)} is NaN or infinite")

    def state(self) -> dict:
        """Model, units and the traces at hand, for a checkpoint."""
        return {
            "model": self.model.state(),
            "units": self.units.state_dict(),
            "traces": {} if self.traces is None else self.traces._asdict(),
            "held_out": {str(run): numbers for run, numbers in enumerate(self.held_out)},
        }

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.model.load_state(state["model"])
        self.units.load_state(state["units"])
        self.traces = ContinuousTraces(**state["traces"]) if state["traces"] else None
        self.held_out = list(state["held_out"].values())


def split(numbers: Iterable[np.ndarray], births: Iterable[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each run's transitions to learn from, and those held out by when they came; where only such are, none is."""
    held = [row % HELD_OUT == 0 for row in births]
    held = [each & ~each.all() for each in held]
    pairs = list(zip(numbers, held, strict=True))
    return [row[~each] for row, each in pairs], [row[each] for row, each in pairs]
