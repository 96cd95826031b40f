"""The ant in its maze as a Gymnasium environment with goals."""

from typing import Any

import mujoco
import numpy as np

from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.ant_vector import AntUMaze
from recall.envs.goal_env import GoalEnv, box


class AntUMazeEnv(GoalEnv):
    """`recall/AntUMaze-v0`: MuJoCo's ant in a U. Observe positions and velocities, those of the torso in x and y first.

    An ant whose torso is too low or too high has fallen, and its episode is terminated without a reward. The
    observation of Held et al. 2017 also has the torso's rotation and the centre of mass, which follow from these
    29 numbers; a backward model need not predict them.
    """

    def __init__(self, horizon: int = AntUMazeConfig.horizon) -> None:
        self.maze = AntUMaze(AntUMazeConfig(horizon))
        anything = np.full(self.maze.state_dim, mujoco.mjMAXVAL)  # beyond it MuJoCo takes a state for diverged
        low, high = (np.full(2, cells * self.maze.cell_size) for cells in (-0.5, 2.5))
        super().__init__(self.maze, box(-anything, anything), box(low, high))

    def compute_terminated(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> bool:
        """Whether a position reaches a goal or the ant has fallen, either of which ends the episode."""
        return super().compute_terminated(achieved_goal, desired_goal, info) or info["has_fallen"]

    def _info(self) -> dict[str, Any]:
        return super()._info() | {"has_fallen": bool(self.maze.fallen(self.bodies.obs[0]))}
