"""What worlds with goals have in common, whatever moves in them: points or ants."""

from typing import Protocol

import numpy as np


class GoalStepper(Protocol):
    """Many bodies in one world, each on its way to a goal of its own; all arrays are (envs, ...)."""

    @property
    def obs(self) -> np.ndarray:
        """State and goal, (envs, state_dim + dimension)."""

    @property
    def position(self) -> np.ndarray:
        """Where the bodies are, (envs, dimension)."""

    @property
    def elapsed(self) -> np.ndarray:
        """Steps since the reset, (envs,)."""

    def reset(self, goal: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """Begin episodes with goals (episodes, dimension) where a mask (envs,) says, or everywhere; returns `obs`."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Move by actions (envs, action_dim), cut to [-1, 1].

        Returns:
            next_obs: the true next state, the terminal one included.
            reward: 1 where the goal was reached, else 0.
            terminated: reached, or the body fell where bodies can fall.
            truncated: the horizon has come; never both.
        """


class GoalWorld(Protocol):
    """Where goals are. A state is positions and then velocities, and begins with the coordinates that goals have."""

    dimension: int
    """Coordinates of a goal."""
    horizon: int
    """Steps of an episode at most."""
    success_radius: float
    """Distance below which a goal is reached."""
    goal_centre: np.ndarray
    """Middle of the box of all goals, feasible or not, (dimension,)."""
    goal_range: float
    """How far it goes from there in each coordinate."""
    threads: int
    """With how many its bodies are stepped."""

    @property
    def state_dim(self) -> int:
        """Numbers of a state."""

    @property
    def position_dim(self) -> int:
        """How many of these are positions."""

    @property
    def action_dim(self) -> int:
        """Numbers of an action."""

    def feasible(self, goals: np.ndarray) -> np.ndarray:
        """Which goals (..., dimension) could be reached, (...)."""

    def sample_goals(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Feasible goals, drawn uniformly, (n, dimension)."""

    def stepper(self, n_envs: int) -> GoalStepper:
        """So many bodies in this world."""


def near(achieved: np.ndarray, goal: np.ndarray, radius: float) -> np.ndarray:
    """Which positions (..., dimension) are within the radius of their goals (Held et al. 2017), (...)."""
    away = achieved - goal
    return np.einsum("...d,...d->...", away, away) < radius**2


def reached(world: GoalWorld, achieved: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Which positions (..., dimension) reach their goals: near them, and the goals are feasible, (...)."""
    return near(achieved, goal, world.success_radius) & world.feasible(goal)
