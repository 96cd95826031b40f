"""Sec. 6.2 as tables of run specifications: points and an ant, Goal GAN alone and with recall traces from its goals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recall import goal_curriculum, goal_training
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.point_mass import DIMENSIONS, PointMassConfig
from recall.envs.u_maze import UMazeConfig
from recall.goal_agent import GoalAgentConfig
from recall.goal_recaller import GoalRecallConfig
from recall.runs import RunSpec

ARMS: dict[str, GoalRecallConfig | None] = {
    "baseline": None,
    "recall": GoalRecallConfig(),
    "as-written": GoalRecallConfig(
        normalise=False, action_std=1.0, stay_in_range=False, velocity="rest", kl_share=None
    ),
}
"""Lines of the page goal-gan: Goal GAN alone, with repaired recall traces, and with those of Algorithm 2 to the letter.
Traces are of 20 steps in all tasks (Sec. 10)."""

ANT_ARMS: dict[str, GoalRecallConfig | None] = {"baseline": None, "recall": GoalRecallConfig(length=50)}
"""Lines of the page ant-maze. Traces are of 50 steps (Sec. 10)."""


@dataclass(frozen=True)
class Task:
    """Where goals are, and the agent for it."""

    label: str
    """Short name on the page."""
    env: PointMassConfig | UMazeConfig | AntUMazeConfig
    """Size and rules."""
    agent: GoalAgentConfig
    """Settings of Held et al. 2017."""


@dataclass(frozen=True)
class Budget:
    """How long a run of Goal GAN is."""

    outer_steps: int = 100
    """Outer steps, of 100,000 environment steps of training each. Fig. 8 has up to 60; ours, for curves that end."""
    eval_every: int = 1
    """Outer steps between two measurements of coverage. Not stated in the paper; ours."""


@dataclass(frozen=True)
class AntBudget(Budget):
    """How long a run is in the ant's maze."""

    outer_steps: int = 60
    """Outer steps, of 500,000 environment steps of training each. Fig. 9 has up to 155 with recall traces and 275
    without; fewer are ours."""
    eval_every: int = 5
    """Outer steps between two measurements of coverage. Not stated in the paper; ours."""


def point_mass(dimension: int) -> Task:
    """The point mass of so many dimensions; the claims' is the one that Fig. 8 can draw whole, of two."""
    agent = GoalAgentConfig(goal_training.POINT_MASS, goal_curriculum.POINT_MASS)
    label = "point-mass" if dimension == PointMassConfig.dimension else f"point-mass-{dimension}"
    return Task(label, PointMassConfig(dimension), agent)


U_MAZE = Task("point-u-maze", UMazeConfig(), GoalAgentConfig(goal_training.U_MAZE, goal_curriculum.U_MAZE))
"""The point mass in the U."""

ANT_U_MAZE = Task("ant-u-maze", AntUMazeConfig(), GoalAgentConfig(goal_training.ANT, goal_curriculum.ANT_MAZE))
"""The ant in the U, of Fig. 3, 4b and 9."""

TASKS = (*map(point_mass, DIMENSIONS), U_MAZE)
"""Those of Fig. 8 and Fig. 4a."""


def goal_gan(
    page: str, tasks: Iterable[Task], arms: Mapping[str, GoalRecallConfig | None], seeds: Iterable[int], budget: Budget
) -> list[RunSpec]:
    """Every arm of a page in every task with every seed, each a run of its own."""
    seeds = tuple(seeds)
    return [
        RunSpec(
            page=page,
            arm=name,
            env_label=task.label,
            env=task.env,
            agent=task.agent,
            recall=recall,
            seeds=(seed,),
            total_steps=budget.outer_steps * task.agent.steps_per_update,
            eval_every=min(budget.eval_every, budget.outer_steps),
        )
        for task in tasks
        for name, recall in arms.items()
        for seed in seeds
    ]
