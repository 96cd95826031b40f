"""Episodes towards given goals, beside the training: for labels, for coverage, for states that a policy visits."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from recall.envs.goal_world import GoalWorld

Act = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Actions (runs, n, action_dim) of each run's policy for obs (runs, n, obs_dim) and standard normal noise."""


class Attempts(NamedTuple):
    """What became of one episode a goal."""

    success: np.ndarray
    """Whether it was reached, (runs, goals)."""
    positions: np.ndarray
    """After each step, (runs, goals, steps, dimension)."""
    under_way: np.ndarray
    """Which steps belong to an episode, its last one included, (runs, goals, steps)."""

    @property
    def steps(self) -> np.ndarray:
        """Environment steps that were made, (runs,)."""
        return self.under_way.sum((1, 2))


def attempt(
    world: GoalWorld, act: Act, goals: np.ndarray, noise: Sequence[np.random.Generator], horizon: int | None = None
) -> Attempts:
    """Run one episode towards each goal.

    Args:
        world: where.
        act: the policies.
        goals: of each run, (runs, goals, dimension).
        noise: generators of the policies' noise, one a run; each draws as many numbers however soon episodes end.
        horizon: steps of an episode at most; None is the world's.
    """
    n_runs, n_goals, dimension = goals.shape
    horizon = horizon or world.horizon
    draws = np.stack([each.standard_normal((horizon, n_goals, world.action_dim), np.float32) for each in noise])
    bodies = world.stepper(n_runs * n_goals)
    obs = bodies.reset(goals.reshape(-1, dimension))
    running, success = np.ones(len(obs), bool), np.zeros(len(obs), bool)
    positions, under_way = np.zeros((horizon, *bodies.position.shape)), np.zeros((horizon, len(obs)), bool)
    for step in range(horizon):
        action = act(obs.astype(np.float32).reshape(n_runs, n_goals, -1), draws[:, step])
        obs, reward, terminated, _ = bodies.step(action.reshape(-1, world.action_dim))
        positions[step], under_way[step] = bodies.position, running
        success |= running & (reward > 0)
        running = running & ~terminated
        if not running.any():
            break
    shape = (n_runs, n_goals, horizon)
    moved = positions.swapaxes(0, 1).reshape(*shape, dimension)
    return Attempts(success.reshape(shape[:2]), moved, under_way.T.reshape(shape))


def visited(attempts: Attempts) -> list[np.ndarray]:
    """Where each run's episodes have been, (n, dimension) each: goals that are feasible for certain."""
    return [places[mask] for places, mask in zip(attempts.positions, attempts.under_way, strict=True)]
