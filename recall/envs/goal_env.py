"""Worlds with goals as Gymnasium environments, in the convention of Gymnasium-Robotics."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.spaces import Box, Dict, Space

from recall.envs.goal_world import GoalWorld, reached
from recall.errors import ConfigError

Obs = dict[str, np.ndarray]


class GoalEnv(gymnasium.Env[Any, np.ndarray]):
    """One body: observe its state, where it is and where it should be; reaching the goal earns 1.

    The goal of an episode is drawn from all feasible ones, or is `options["goal"]` of `reset`. `truncated` marks the
    horizon alone: an episode whose last step reaches the goal is terminated instead.

    Args:
        world: where.
        observation, achieved: spaces of the body's state and of its place.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's)

    def __init__(self, world: GoalWorld, observation: Box, achieved: Box) -> None:
        self.world = world
        self.bodies = world.stepper(1)
        centre = world.goal_centre
        desired = box(centre - world.goal_range, centre + world.goal_range)
        spaces: dict[str, Space] = {"observation": observation, "achieved_goal": achieved, "desired_goal": desired}
        self.observation_space = Dict(spaces)
        self.action_space = Box(-1.0, 1.0, (world.action_dim,), np.float32)
        self._running = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        """Start an episode; the one option is its goal."""
        super().reset(seed=seed, options=options)
        unknown = (options or {}).keys() - {"goal"}
        if unknown:
            raise ConfigError(f"options have {min(unknown)!r}; the only option is 'goal'")
        self.bodies.reset(self._goal(options))
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
        if found.shape != (self.world.action_dim,) or not np.isfinite(found).all():
            raise InvalidAction(f"action is {action!r}; it must be {self.world.action_dim} finite numbers")
        _, reward, terminated, truncated = self.bodies.step(found[None])
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
        state, goal = np.split(self.bodies.obs[0], [self.world.state_dim])
        return {"observation": state, "achieved_goal": state[: self.world.dimension].copy(), "desired_goal": goal}

    def _info(self) -> dict[str, Any]:
        state, goal = np.split(self.bodies.obs[0], [self.world.state_dim])
        success = reached(self.world, state[: self.world.dimension], goal)
        return {"is_success": bool(success), "elapsed": int(self.bodies.elapsed[0])}


def box(low: np.ndarray, high: np.ndarray) -> Box:
    """Vectors of float64 between bounds."""
    return Box(low, high, low.shape, np.float64)
