"""The paper's figures as tables of run specifications."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from recall.agents.actor_critic import ActorCriticConfig
from recall.envs.four_rooms import FourRoomsConfig
from recall.recaller import RecallConfig
from recall.runs import RunSpec

EVALUATIONS = 40
"""Evaluations of a run, evenly spread."""


@dataclass(frozen=True)
class Arena:
    """An environment of the page four-rooms, and its budget."""

    label: str
    """Name on the page."""
    env: FourRoomsConfig
    """Its arguments."""
    total_steps: int
    """Environment steps of each seed. Not stated in the paper; what the baseline needs to settle."""


ARENAS = (
    Arena("side-11", FourRoomsConfig(side=11), 60_000),
    Arena("side-15", FourRoomsConfig(side=15), 120_000),
    Arena("side-19", FourRoomsConfig(side=19), 240_000),
    Arena("side-19-hard", FourRoomsConfig(side=19, horizon=200), 240_000),
)
"""Sizes of Fig. 2, and side 19 with a horizon in which a random walk hardly ever succeeds."""

TUNED = ActorCriticConfig(learning_rate=1e-2, entropy=0.01)
"""The actor-critic of every arm but one: the best of the tuning grid."""

UNTUNED = ActorCriticConfig(learning_rate=3e-3, entropy=0.01)
"""The actor-critic before the tuning, with the entropy bonus that was usual in the paper's time."""


@dataclass(frozen=True)
class Arm:
    """A line of the page four-rooms."""

    agent: ActorCriticConfig
    """Settings of the actor-critic."""
    recall: RecallConfig | None = None
    """Settings of the recaller, but for the length."""
    sides: float = 1.0
    """Length of a trace in sides of the grid, rounded."""

    def recall_at(self, side: int) -> RecallConfig | None:
        """The recaller's settings on a grid of a size."""
        return None if self.recall is None else replace(self.recall, length=round(self.sides * side))


ARMS: dict[str, Arm] = {
    "baseline": Arm(TUNED),
    "baseline-entropy": Arm(UNTUNED),
    "true": Arm(TUNED, RecallConfig("true", weight=1.0), sides=3.0),
    "true-uniform": Arm(TUNED, RecallConfig("true-uniform", weight=0.1), sides=0.5),
    "learned": Arm(TUNED, RecallConfig("learned", weight=0.3), sides=3.0),
    "learned-both": Arm(TUNED, RecallConfig("learned-both", weight=0.1), sides=0.5),
    "untrained": Arm(TUNED, RecallConfig("untrained", weight=0.3), sides=0.5),
    "untrained-network": Arm(TUNED, RecallConfig("untrained-network", weight=0.3), sides=0.5),
    "known-goal": Arm(TUNED, RecallConfig("true", weight=1.0, known_goal=True), sides=3.0),
}
"""Arms of the page four-rooms. Weight and length are the best of each one's grid; known-goal has those of true."""

TUNING_SEEDS = tuple(range(1000, 1010))
"""Seeds of the tuning grid, never reported elsewhere."""

TUNING_ARENA = ARENAS[1]
"""Where the grid is run."""


def evaluation_interval(agent: ActorCriticConfig, total_steps: int) -> int:
    """Updates between two evaluations."""
    return max(1, total_steps // (agent.n_envs * agent.n_steps) // EVALUATIONS)


def spec(page: str, name: str, arm: Arm, arena: Arena, seeds: Iterable[int]) -> RunSpec:
    """One arm in one environment."""
    recall = arm.recall_at(arena.env.side)
    every = evaluation_interval(arm.agent, arena.total_steps)
    return RunSpec(page, name, arena.label, arena.env, arm.agent, recall, tuple(seeds), arena.total_steps, every)


def four_rooms(
    arenas: Iterable[Arena] = ARENAS, arms: Mapping[str, Arm] = ARMS, seeds: Iterable[int] = range(20)
) -> list[RunSpec]:
    """Fig. 2, Fig. 10 and Sec. 6.1: every arm in every environment."""
    seeds = tuple(seeds)
    return [spec("four-rooms", name, arm, arena, seeds) for arena in arenas for name, arm in arms.items()]


def tuning_grid() -> dict[str, list[Arm]]:
    """Nine configurations for every arm that is tuned.

    A recall arm varies what is its own and keeps the actor-critic that was tuned for the baseline, without recall.
    """
    grid = {
        "baseline": [
            Arm(replace(TUNED, learning_rate=rate, entropy=bonus))
            for rate, bonus in product((3e-3, 1e-2, 3e-2), (0.003, 0.01, 0.03))
        ]
    }
    for name in ("true", "true-uniform", "learned", "learned-both", "untrained", "untrained-network"):
        grid[name] = [
            Arm(TUNED, RecallConfig(name, weight=weight), sides=sides)
            for weight, sides in product((0.1, 0.3, 1.0), (0.5, 1.5, 3.0))
        ]
    return grid
