"""The recall half of Algorithm 2 as one object that a trainer may hold."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from recall.backtracking import Batch, make_model, posterior, total_variation
from recall.buffers import Rollout, TrajectoryBuffer
from recall.errors import ConfigError
from recall.imitation import annealed, imitation_loss
from recall.seeding import Streams
from recall.targets import HighValueStates
from recall.traces import Traces, generate_traces


@dataclass(frozen=True)
class RecallConfig:
    """How recall traces are made and how they pull the policy."""

    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    numerics: ClassVar[dict[str, str]] = {}
    """The agent's engine is the model's too."""

    model: str = "learned"
    """Backtracking model: true, true-uniform, learned, learned-both, untrained or untrained-network (Sec. 6.1, 12)."""
    length: int = 30
    """Steps of a trace. Not stated in the paper for grids; by the tuning grid, in sides of the grid."""
    n_traces: int = 10
    """Traces an update, N of Algorithm 2. Not stated in the paper; ours."""
    n_targets: int = 1
    """High-value states the traces start from. Algorithm 1 line 6 takes the best one."""
    weight: float = 0.3
    """Factor on Eq. 6 beside the policy gradient. Not stated in the paper (1 in Algorithm 2); by the tuning grid."""
    anneal: float = 0.5
    """Share of the training after which the weight has fallen linearly to 0; 0 keeps it. Ours: takes away the bias to
    the paths of the past."""
    top_fraction: float = 1.0
    """Share of the rewarded trajectories the model learns from, k of Algorithm 2. Not stated in the paper; ours."""
    buffer_steps: int = 1024
    """Time steps of every environment that are kept to learn from. Not stated in the paper; ours."""
    model_updates: int = 2
    """Gradient steps of the model between two policy updates. Not stated in the paper; ours."""
    model_batch: int = 256
    """Transitions a gradient step of the model. Not stated in the paper; ours."""
    model_learning_rate: float = 3e-3
    """Adam's step size of the model, beta of Algorithm 2. Not stated in the paper; ours."""
    known_goal: bool = False
    """Hand the goal over before it was reached. Sec. 4 allows it; a separate arm, never mixed with the others."""

    def __post_init__(self) -> None:
        counts = {
            name: getattr(self, name) for name in ("length", "n_traces", "n_targets", "buffer_steps", "model_batch")
        }
        for name, count in counts.items():
            if count < 1:
                raise ConfigError(f"{name} is {count}; it must be 1 or more")
        if not (0 <= self.weight < inf and self.model_updates >= 0):
            raise ConfigError(f"weight is {self.weight}, model_updates {self.model_updates}; both must be 0 or more")
        if not 0 < self.model_learning_rate < inf:
            raise ConfigError(f"model_learning_rate is {self.model_learning_rate}; it must be positive")
        if not (0 < self.top_fraction <= 1 and 0 <= self.anneal <= 1):
            raise ConfigError(
                f"top_fraction is {self.top_fraction}, anneal {self.anneal}; both lie in [0, 1], top_fraction above 0"
            )


class Imitator(Protocol):
    """What the recaller needs of an agent."""

    probs: np.ndarray
    """Its policies, (runs, states, actions)."""
    state_values: np.ndarray
    """Its critics' values, (runs, states)."""

    def log_prob(self, obs: np.ndarray, action: np.ndarray) -> Tensor:
        """Differentiable log pi(a|s), (runs, n)."""

    def add_loss(self, loss: Tensor) -> None:
        """Let the next update also descend `loss`, (runs,)."""


class Recaller:
    """Lines 8 to 14 of Algorithm 2.

    Call `observe` with every rollout, then `update` with the agent before the agent's own update: imitation becomes
    part of that update, so lines 7 and 13 are one step of one optimiser from the same parameters.
    """

    def __init__(
        self,
        config: RecallConfig,
        predecessor: np.ndarray,
        n_envs: int,
        discount: float,
        total_steps: int,
        streams: Streams,
    ) -> None:
        self.config, self.streams, self.total_steps = config, streams, total_steps
        n_runs, n_states = len(streams.seeds), len(predecessor)
        if config.n_targets > n_states:
            raise ConfigError(f"n_targets is {config.n_targets}; at most the environment's {n_states} states")
        self.predecessor = predecessor
        self.model = make_model(config.model, predecessor, config.model_learning_rate, streams)
        self.buffer = TrajectoryBuffer(config.buffer_steps, n_runs, n_envs, discount)
        self.targets = HighValueStates(n_runs, n_states)
        self.visits = np.zeros((n_runs, n_states), np.float32)
        self.arrivals = np.zeros_like(self.visits)
        self.steps = 0
        self.gradient_steps = 0
        self.traces = Traces.none(n_runs)

    def hand_over_goal(self, goal: int, reward: float = 1.0) -> None:
        """Tell every run where the goal is (arm known-goal)."""
        runs = np.arange(len(self.visits))
        self.targets.hand_over(runs, np.full_like(runs, goal), reward)
        self.targets.rewarded[:] = True

    def distance(self, agent: Imitator) -> np.ndarray:
        """Total variation distance of the model to the posterior of the agent's behaviour, (runs,)."""
        self.model.follow(self.visits, agent.probs)
        true = posterior(self.predecessor, self.visits, agent.probs)
        return total_variation(self.model, self.predecessor, true, self.arrivals)

    def observe(self, rollout: Rollout) -> None:
        """Store experience (lines 5 and 14)."""
        self.buffer.add(rollout)
        self.targets.observe(rollout)
        runs = np.arange(len(self.visits))[None, :, None]
        np.add.at(self.visits, (runs, rollout.obs), 1)
        np.add.at(self.arrivals, (runs, rollout.next_obs), 1)
        self.steps += rollout.n_steps

    def update(self, agent: Imitator) -> dict[str, np.ndarray]:
        """Train the model (lines 8, 9), recall (10, 11), hand the imitation loss over (12, 13); metrics, (runs,) each.

        Before a run's first reward there is no high-value state, so it recalls nothing.
        """
        metrics = self._train_model()
        self.model.follow(self.visits, agent.probs)
        targets = self.targets.top(agent.state_values, self.config.n_targets)
        start = np.resize(np.arange(self.config.n_targets), self.config.n_traces)
        uniform = self.streams.uniform("traces", self.config.length, self.config.n_traces, 2).swapaxes(0, 1)
        self.traces = generate_traces(self.model, targets[:, start], uniform)
        obs, action, valid = self.traces.flat()
        valid = valid & self.targets.rewarded[:, None]
        loss = imitation_loss(agent.log_prob(obs, action), torch.from_numpy(valid))
        weight = annealed(self.config.weight, self.steps / self.total_steps, self.config.anneal)
        agent.add_loss(weight * loss)
        knows = self.targets.rewarded
        return metrics | {
            "imitation_loss": np.where(knows, loss.detach().numpy(), np.nan),
            "trace_length": np.where(knows, valid.sum(1) / self.config.n_traces, np.nan),
        }

    def _train_model(self) -> dict[str, np.ndarray]:
        metrics: dict[str, np.ndarray] = {}
        for _ in range(self.config.model_updates if self.model.learns else 0):
            uniform = self.streams.uniform("model", self.config.model_batch)
            metrics = self.model.learn(Batch(**self.buffer.sample_top(self.config.top_fraction, uniform)))
            self.gradient_steps += 1
        return metrics

    def state(self) -> dict:
        """Model and memory, for a checkpoint."""
        return {
            "steps": self.steps,
            "gradient_steps": self.gradient_steps,
            "visits": self.visits,
            "arrivals": self.arrivals,
            "model": self.model.state(),
            "buffer": self.buffer.state(),
            "targets": self.targets.state(),
        }

    def load_state(self, state: dict) -> None:
        """Put both back where `state()` found them."""
        self.steps, self.gradient_steps = state["steps"], state["gradient_steps"]
        self.visits, self.arrivals = state["visits"], state["arrivals"]
        self.model.load_state(state["model"])
        self.buffer.load_state(state["buffer"])
        self.targets.load_state(state["targets"])
