"""Recall traces from generated goals (Sec. 6.2, Algorithm 1 with gen_state): each ends at a goal that the GAN made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from recall.agents.trpo_learner import TRPO
from recall.best_tuples import BestTuples
from recall.buffers import TimedRollout, by_run
from recall.envs.goal_world import GoalWorld
from recall.errors import ConfigError
from recall.imitating_tracer import ImitatingConfig, ImitatingTracer
from recall.rewards_to_go import RewardsToGo, transitions
from recall.seeding import Streams
from recall.tracer import check_counts


@dataclass(frozen=True)
class GoalRecallConfig(ImitatingConfig):
    """How traces from goals are made and how they pull the policy. The defaults are the arm *repaired*.

    The arm *as written* has normalise=False, action_std=1.0, stay_in_range=False, velocity="rest", kl_share=None. In
    both the weight is 1, and the model learns from the tuples of episodes that reached their goals (Sec. 10).

    The model knows the state, not the goal: how a body moves does not depend on where it wants to go. What the policy
    imitates is told the goal that the trace ends at.
    """

    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""

    length: int = 20
    """Steps of a trace. Sec. 10 has 20 for the point mass in the U, 50 for the ant."""
    target_fraction: None = None
    """Not used: every generated goal may be the end of a trace. Ours."""
    stay_in_range: bool = True
    """End a trace where it leaves the range of the states seen, and let none end at a goal beyond it while there are
    others: most that are generated lie in walls. Ours."""
    capacity: int = 20_000
    """Tuples of successful episodes that the model learns from, the latest. Not stated in the paper; ours, as many as
    Sec. 11.2 has."""
    velocity: Literal["rest", "nearest"] = "nearest"
    """Of the state that a goal stands for: that of the nearest state held, or none. Sec. 2.2 has goal and state
    identical and is silent of velocities, which we read as rest; nearest is ours, since episodes end in motion. An
    ant's joints are in either case those of the nearest state; Sec. 2.2 has a valid random configuration."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "capacity")
        if self.target_fraction is not None:
            raise ConfigError(f"target_fraction is {self.target_fraction}; traces from generated goals allow only None")
        if self.velocity not in ("rest", "nearest"):
            raise ConfigError(f"velocity is {self.velocity!r}; it must be rest or nearest")


class GoalRecaller(ImitatingTracer):
    """Lines 8 to 13 of Algorithm 2 after each update of the policy, as around other trust regions (Sec. 6.3).

    Args:
        config: settings.
        agent: whose policies are pulled.
        world: where; what it says of feasible goals is measured, not used.
        streams: random numbers; those of the agent and of its goals are not touched.
    """

    config: GoalRecallConfig

    def __init__(self, config: GoalRecallConfig, agent: TRPO, world: GoalWorld, streams: Streams) -> None:
        state_dim, action_dim = world.state_dim, world.action_dim
        super().__init__(config, agent, state_dim, action_dim, streams)
        self.world = world
        self.successes = BestTuples(config.capacity, len(streams.seeds), state_dim, action_dim)
        self.begin([])

    @property
    def parts(self) -> dict[str, Any]:
        """The tuples, between two outer steps."""
        return {"successes": self.successes}

    @property
    def data(self) -> BestTuples:
        """Tuples of episodes that reached their goals, the latest first: all have the same return."""
        return self.successes

    def begin(self, goals: Sequence[np.ndarray]) -> None:
        """Start an outer step: episodes that were under way are forgotten, as the rollouts forget them.

        Args:
            goals: that the GAN made for each run, (n, dimension).
        """
        self._goals = goals
        self._returns = RewardsToGo(discount=1.0)

    def update(self, rollout: TimedRollout) -> dict[str, np.ndarray]:
        """One iteration after the agent's update: remember, learn, recall, imitate; returns metrics, (runs,) each.

        They are empty, and nothing is recalled, until an episode of every run has reached its goal: the runs of a
        group begin together, so the report's are groups of one.

        Raises:
            NonFiniteError: the model, its units, a trace or the imitation is NaN or infinite.
        """
        self._remember(rollout)
        if not self.successes.counts.all():
            return {}
        losses = self.learn(self.pools(self.successes, self.successes.counts))
        goals = self._targets()
        self.traces = self.unroll(self._decoded(goals))
        self.refuse_non_finite(self.units.obs.count, losses)
        obs, action, valid = self.traces.flat()
        told = np.concatenate([obs, goals.repeat(self.config.length, 1)], 2)
        imitated = self.imitation.step(told, action, valid, by_run(rollout.obs))
        return self.described(losses, self.world.feasible(goals).mean(1)) | imitated

    def _remember(self, rollout: TimedRollout) -> None:
        """Let the units follow a rollout, and keep what led to a goal; states are without their goals."""
        dims = self.world.state_dim
        states = replace(rollout, obs=rollout.obs[..., :dims], next_obs=rollout.next_obs[..., :dims])
        self.units.take_note(transitions(states))
        found, returns = self._returns.add(states)
        self.successes.add(found, np.where(returns > 0, returns, -np.inf).astype(np.float32))

    def _targets(self) -> np.ndarray:
        """Generated goals at which traces end, drawn uniformly, (runs, traces, dimension)."""
        goals = np.stack(self._goals).astype(np.float32)
        allowed = self.units.in_range(goals) | (not self.config.stay_in_range)
        uniform, drawn = self.streams.uniform("traces", self.config.n_traces), []
        for made, mask, u in zip(goals, allowed, uniform, strict=True):
            pool = made[mask] if mask.any() else made
            drawn.append(pool[(u * len(pool)).astype(int)])
        return np.stack(drawn)

    def _decoded(self, goals: np.ndarray) -> np.ndarray:
        """States that goals (runs, traces, dimension) stand for (Sec. 2.2's D), (runs, traces, state_dim).

        Each is the state held that is nearest to the goal, moved there, perhaps without its velocities. A point has no
        more to it than that; an ant so stands or goes as one of those did that reached their goals.
        """
        world, held, states = self.world, self.successes, []
        for run, count in enumerate(held.counts):
            known = held.held.next_obs[run, :count]
            states.append(known[nearest(goals[run], known[:, : world.dimension])])
        found = np.stack(states)
        found[..., : world.dimension] = goals
        if self.config.velocity == "rest":
            found[..., world.position_dim :] = 0
        return found


def nearest(goals: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Which of places (m, dimension) is nearest to each goal (n, dimension), (n,)."""
    return np.array([np.square(places - goal).sum(1).argmin() for goal in goals])
