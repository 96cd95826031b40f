"""Coverage (Held et al. 2017): the mean success over all feasible goals, measured beside the training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recall.attempts import Act, attempt
from recall.envs.ant_vector import AntUMaze
from recall.envs.goal_world import GoalWorld
from recall.envs.point_mass import PointMass
from recall.envs.u_shape import UShape

GOAL_SEED = 1_000_000
"""Of the uniform goals in N dimensions, the same in every run and evaluation. Ours; Held et al. 2017 redraw them."""

UNIFORM_GOALS = 50
"""Goals in N dimensions (Held et al. 2017)."""


@dataclass(frozen=True)
class CoverageConfig:
    """How coverage is measured, with the policy's noise (Held et al. 2017)."""

    attempts: int
    """Episodes towards each goal. Held et al. 2017: 2 in the point maze, 3 in N dimensions and for the ant."""
    horizon: int
    """Steps of each at most. Held et al. 2017: 400 in the mazes, 200 in N dimensions."""


U_MAZE = CoverageConfig(attempts=2, horizon=400)
POINT_MASS = CoverageConfig(attempts=3, horizon=200)
ANT = CoverageConfig(attempts=3, horizon=400)


def coverage_goals(world: GoalWorld) -> np.ndarray:
    """The feasible goals over which coverage is the mean, (goals, dimension): 112 in the U, 50 in N dimensions."""
    if isinstance(world, UShape):
        return world.goal_grid()
    return world.sample_goals(np.random.default_rng(GOAL_SEED), UNIFORM_GOALS)


def coverage_config(world: GoalWorld) -> CoverageConfig:
    """How coverage of a world is measured."""
    if isinstance(world, AntUMaze):
        return ANT
    return POINT_MASS if isinstance(world, PointMass) else U_MAZE


def success_map(
    world: GoalWorld, act: Act, config: CoverageConfig, noise: Sequence[np.random.Generator]
) -> tuple[np.ndarray, np.ndarray]:
    """Success rate at each goal of `coverage_goals`, (runs, goals), whose mean is the coverage; and steps, (runs,).

    Args:
        world: where.
        act: the policies.
        config: how often and how long each goal is tried.
        noise: generators of the policies' noise, one a run, used for nothing else.
    """
    goals = coverage_goals(world)
    tries = np.broadcast_to(
        goals.repeat(config.attempts, 0), (len(noise), len(goals) * config.attempts, world.dimension)
    )
    found = attempt(world, act, tries, noise, config.horizon)
    return found.success.reshape(len(noise), len(goals), config.attempts).mean(2), found.steps
