"""Point masses as Gymnasium environments with goals."""

import numpy as np

from recall.envs.goal_env import GoalEnv, box
from recall.envs.point_mass import PointMass, PointMassConfig
from recall.envs.point_vector import World
from recall.envs.u_maze import UMaze, UMazeConfig


class PointEnv(GoalEnv):
    """One point: observe position and velocity."""

    def __init__(self, world: World) -> None:
        speed = np.full(world.dimension, world.max_velocity)
        state = box(np.concatenate([world.low, -speed]), np.concatenate([world.high, speed]))
        super().__init__(world, state, box(world.low, world.high))


class PointMassEnv(PointEnv):
    """`recall/PointMassND-v0`: a point in a box of some dimensions."""

    def __init__(self, dimension: int = PointMassConfig.dimension, horizon: int = PointMassConfig.horizon) -> None:
        super().__init__(PointMass(PointMassConfig(dimension, horizon)))


class UMazeEnv(PointEnv):
    """`recall/PointMassUMaze-v0`: a ball in a U."""

    def __init__(self, horizon: int = UMazeConfig.horizon) -> None:
        super().__init__(UMaze(UMazeConfig(horizon)))
