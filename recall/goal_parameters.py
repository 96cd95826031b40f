"""What the pages goal-gan and ant-maze may be re-executed with."""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from recall.control_parameters import MOST_EVALUATIONS, MOST_LENGTH, with_recall
from recall.envs.point_mass import DIMENSIONS, PointMassConfig
from recall.envs.u_maze import UMazeConfig
from recall.errors import ParameterError
from recall.goal_experiments import ANT_ARMS, ANT_U_MAZE, ARMS, TASKS, AntBudget, Budget, Task, goal_gan, point_mass
from recall.page_parameters import check_ranges, chosen_arms, listed
from recall.runs import RunSpec

ENV_IDS = (PointMassConfig.env_id, UMazeConfig.env_id)
"""Environments of the page."""

TRAINED_ARMS = "baseline,recall"
"""Arms of the page goal-gan whose runs are published; the other one is not trained yet."""

MOST_OUTER_STEPS = 10_000
"""The largest number of outer steps."""

RANGES = {
    "seeds": (1, 200),
    "first_seed": (0, 2**31),
    "outer_steps": (1, MOST_OUTER_STEPS),
    "eval_every": (1, MOST_OUTER_STEPS),
    "length": (1, MOST_LENGTH),
}
"""Of the parameters that both pages have."""


def check_evaluations(outer_steps: int, eval_every: int) -> None:
    """Refuse more measurements of coverage than a record has room for."""
    rows = 1 + ceil(outer_steps / eval_every)
    if rows > MOST_EVALUATIONS:
        raise ParameterError(
            f"outer_steps is {outer_steps} and eval_every {eval_every}, which gives {rows} evaluations; "
            f"at most {MOST_EVALUATIONS} fit a record, so make eval_every larger"
        )


@dataclass(frozen=True)
class GoalGanParameters:
    """What the page goal-gan may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "goal-gan"
    shows: ClassVar[tuple[str, ...]] = ("goal-gan",)

    env_id: str | None = None
    """recall/PointMassND-v0, recall/PointMassUMaze-v0, or both with a comma between them. None: both, or the first if a
    dimension is given."""
    dimension: int | None = None
    """Dimensions of recall/PointMassND-v0, 2 to 6. None: each of them."""
    seeds: int = 5
    """Seeds of every arm, 1 to 200, each a run of its own."""
    first_seed: int = 0
    """The first of them, 0 to 2147483648."""
    outer_steps: int = Budget.outer_steps
    """Outer steps of every seed, 1 to 10000, of 100000 environment steps of training each."""
    eval_every: int = Budget.eval_every
    """Outer steps between two measurements of coverage, 1 to 10000; there is one before the first and one at the end in
    any case, and at most 200 fit a record."""
    arms: str = TRAINED_ARMS
    """Names of arms with commas between them, or all: baseline, recall, as-written."""
    weight: float | None = None
    """Factor on the imitation step of every recall arm, 0 or more. None: each arm's own."""
    length: int | None = None
    """Steps of a trace, 1 to 10000. None: 20."""

    def __post_init__(self) -> None:
        check_ranges(self, RANGES | {"dimension": (DIMENSIONS[0], DIMENSIONS[-1])})
        check_evaluations(self.outer_steps, self.eval_every)
        self.specs()

    @property
    def env_ids(self) -> tuple[str, ...]:
        """The environments by name."""
        if self.env_id is None:
            return ENV_IDS if self.dimension is None else ENV_IDS[:1]
        names = tuple(dict.fromkeys(listed(self.env_id)))
        if unknown := [name for name in names if name not in ENV_IDS]:
            raise ParameterError(f"env_id has {unknown[0]!r}; known are {' and '.join(ENV_IDS)}")
        if self.dimension is not None and PointMassConfig.env_id not in names:
            raise ParameterError(
                f"dimension is {self.dimension}, and env_id {self.env_id}, which has two dimensions; leave one out"
            )
        return names

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Environments and their agents."""
        chosen = [task for task in TASKS if task.env.env_id in self.env_ids]
        if self.dimension is None:
            return tuple(chosen)
        others = [task for task in chosen if task.env.env_id != PointMassConfig.env_id]
        return (point_mass(self.dimension), *others)

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        arms = {name: ARMS[name] for name in chosen_arms(self.arms, ARMS)}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        specs = goal_gan(self.page, self.tasks, arms, seeds, Budget(self.outer_steps, self.eval_every))
        return with_recall(specs, weight=self.weight, length=self.length)


@dataclass(frozen=True)
class AntMazeParameters:
    """What the page ant-maze may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "ant-maze"
    shows: ClassVar[tuple[str, ...]] = ("ant-maze",)

    seeds: int = 3
    """Seeds of every arm, 1 to 200, each a run of its own."""
    first_seed: int = 0
    """The first of them, 0 to 2147483648."""
    outer_steps: int = AntBudget.outer_steps
    """Outer steps of every seed, 1 to 10000, of 500000 environment steps of training each."""
    eval_every: int = AntBudget.eval_every
    """Outer steps between two measurements of coverage, 1 to 10000; there is one before the first and one at the end in
    any case, and at most 200 fit a record."""
    arms: str = "all"
    """Names of arms with commas between them, or all: baseline, recall."""
    weight: float | None = None
    """Factor on the imitation step of the arm recall, 0 or more. None: its own, 1."""
    length: int | None = None
    """Steps of a trace, 1 to 10000. None: 50."""

    def __post_init__(self) -> None:
        check_ranges(self, RANGES)
        check_evaluations(self.outer_steps, self.eval_every)
        self.specs()

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        arms = {name: ANT_ARMS[name] for name in chosen_arms(self.arms, ANT_ARMS)}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        specs = goal_gan(self.page, (ANT_U_MAZE,), arms, seeds, AntBudget(self.outer_steps, self.eval_every))
        return with_recall(specs, weight=self.weight, length=self.length)
