"""Point masses with goals, thousands at a time: the one stepper of every point mass."""

from typing import Protocol

import numpy as np

from recall.envs.goal_world import GoalWorld, near


class World(GoalWorld, Protocol):
    """Where points move: the dynamics, and which goals there are."""

    threads: int = 1
    max_velocity: float
    low: np.ndarray
    high: np.ndarray

    @property
    def state_dim(self) -> int:
        """Position and velocity."""
        return 2 * self.dimension

    @property
    def position_dim(self) -> int:
        """A point is where its position is."""
        return self.dimension

    @property
    def action_dim(self) -> int:
        """A push along each coordinate."""
        return self.dimension

    def stepper(self, n_envs: int) -> "VectorPoints":
        """So many points in this world."""
        return VectorPoints(self, n_envs)

    def move(self, position: np.ndarray, velocity: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity after a step of actions in [-1, 1], all (n, dimension)."""


class VectorPoints:
    """`n_envs` points in one world, each on its way to a goal of its own.

    It draws no numbers and resets nothing by itself: whoever steps it hands in goals where an episode ended. All arrays
    are (envs, ...), new in each call, so a caller may keep them. `position`, `velocity`, `goal` and `elapsed` (steps
    since the reset) are the whole state.
    """

    def __init__(self, world: World, n_envs: int) -> None:
        self.world = world
        self.position = np.zeros((n_envs, world.dimension))
        self.velocity = np.zeros_like(self.position)
        self.goal = np.zeros_like(self.position)
        self.elapsed = np.zeros(n_envs, np.int64)
        self._feasible = world.feasible(self.goal)

    @property
    def obs(self) -> np.ndarray:
        """Position, velocity and goal, (envs, 3 * dimension)."""
        return np.concatenate([self.position, self.velocity, self.goal], 1)

    def reset(self, goal: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """Begin episodes at rest in the origin (Held et al. 2017).

        Args:
            goal: of each new episode, (episodes, dimension).
            where: which environments begin one, (envs,) bool; None means all.

        Returns:
            The observations of all environments.
        """
        chosen = np.ones(len(self.goal), bool) if where is None else where
        self.goal, self.position, self.velocity = self.goal.copy(), self.position.copy(), self.velocity.copy()
        self.goal[chosen] = goal
        self.position[chosen] = self.velocity[chosen] = 0.0
        self.elapsed = np.where(chosen, 0, self.elapsed)
        self._feasible = self.world.feasible(self.goal)
        return self.obs

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Move everywhere.

        Args:
            action: (envs, dimension); what is beyond [-1, 1] is cut.

        Returns:
            next_obs: the true next state, the terminal one included.
            reward: 1 where the goal was reached, else 0.
            terminated, truncated: bool, never both.
        """
        cut = np.clip(action, -1.0, 1.0)
        self.position, self.velocity = self.world.move(self.position, self.velocity, cut)
        self.elapsed = self.elapsed + 1
        terminated = near(self.position, self.goal, self.world.success_radius) & self._feasible
        truncated = (self.elapsed >= self.world.horizon) & ~terminated
        return self.obs, terminated.astype(np.float64), terminated, truncated

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the whole state, for a checkpoint."""
        return {name: getattr(self, name).copy() for name in ("position", "velocity", "goal", "elapsed")}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put it back where `state()` found it."""
        for name in ("position", "velocity", "goal", "elapsed"):
            setattr(self, name, state[name].copy())
        self._feasible = self.world.feasible(self.goal)
