"""Point masses as Gymnasium environments with goals, in the convention of Gymnasium-Robotics."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box, Dict, Space

from recall.envs.point_mass import PointMass, PointMassConfig
from recall.envs.point_vector import VectorPoints, World, reached
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.errors import ConfigError

Obs = dict[str, np.ndarray]


class PointEnv(gymnasium.Env[Any, np.ndarray]):
    """One point: observe position and velocity, where it is and where it should be; reaching the goal earns 1.

    The goal of an episode is drawn from all feasible ones, or is `options["goal"]` of `reset`. `truncated` marks the
    horizon alone: an episode whose last step reaches the goal is terminated instead.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, world: World) -> None:
        self.world = world
        self.points = VectorPoints(world, 1)
        speed, centre = np.full(world.dimension, world.max_velocity), world.goal_centre
        spaces: dict[str, Space] = {
            "observation": _box(np.concatenate([world.low, -speed]), np.concatenate([world.high, speed])),
            "achieved_goal": _box(world.low, world.high),
            "desired_goal": _box(centre - world.goal_range, centre + world.goal_range),
        }
        self.observation_space = Dict(spaces)
        self.action_space = Box(-1.0, 1.0, (world.dimension,), np.float32)
        self._running = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        """Start an episode; the one option is its goal."""
        super().reset(seed=seed, options=options)
        unknown = (options or {}).keys() - {"goal"}
        if unknown:
            raise ConfigError(f"options have {min(unknown)!r}; the only option is 'goal'")
        self.points.reset(self._goal(options))
        self._running = True
        return self._obs(), self._info()

    def _goal(self, options: dict[str, Any] | None) -> np.ndarray:
        """That of the options or a random feasible one, (1, dimension)."""
        if not options:
            return self.world.sample_goals(self.np_random, 1)
        goal = np.asarray(options["goal"], float)
        if not self.observation_space["desired_goal"].contains(goal):  # type: ignore[index]
            lowest, highest = (self.world.goal_centre + side * self.world.goal_range for side in (-1, 1))
            raise ConfigError(f"goal is {goal}; it must have {len(lowest)} numbers from {lowest} to {highest}")
        return goal[None]

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Move once; return obs, reward, terminated, truncated, info."""
        if not self._running:
            raise ResetNeeded("no episode is running; call reset() before step()")
        found = np.asarray(action, float)
        if found.shape != (self.world.dimension,) or not np.isfinite(found).all():
            raise InvalidAction(f"action is {action!r}; it must be {self.world.dimension} finite numbers")
        _, reward, terminated, truncated = self.points.step(found[None])
        self._running = not (terminated[0] or truncated[0])
        return self._obs(), float(reward[0]), bool(terminated[0]), bool(truncated[0]), self._info()

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> np.ndarray:
        """1 where a position reaches a goal, else 0, for any number of them: (..., dimension) each, (...)."""
        return reached(self.world, achieved_goal, desired_goal).astype(float)

    def compute_terminated(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> bool:
        """Whether a position reaches a goal, which ends the episode."""
        return bool(reached(self.world, achieved_goal, desired_goal))

    def compute_truncated(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> bool:
        """Whether the horizon cuts the episode after `info["elapsed"]` steps."""
        late = info["elapsed"] >= self.world.horizon
        return late and not self.compute_terminated(achieved_goal, desired_goal, info)

    def _obs(self) -> Obs:
        position, velocity, goal = self.points.position[0], self.points.velocity[0], self.points.goal[0]
        observation = np.concatenate([position, velocity])
        return {"observation": observation, "achieved_goal": position.copy(), "desired_goal": goal.copy()}

    def _info(self) -> dict[str, Any]:
        success = reached(self.world, self.points.position[0], self.points.goal[0])
        return {"is_success": bool(success), "elapsed": int(self.points.elapsed[0])}


def _box(low: np.ndarray, high: np.ndarray) -> Space:
    return Box(low, high, low.shape, np.float64)


class PointMassEnv(PointEnv):
    """`recall/PointMassND-v0`: a point in a box of some dimensions."""

    def __init__(self, dimension: int = PointMassConfig.dimension, horizon: int = PointMassConfig.horizon) -> None:
        super().__init__(PointMass(PointMassConfig(dimension, horizon)))


class UMazeEnv(PointEnv):
    """`recall/PointMassUMaze-v0`: a ball in a U."""

    def __init__(self, horizon: int = UMazeConfig.horizon) -> None:
        super().__init__(UMaze(UMazeConfig(horizon)))
