"""Rollouts of policies towards goals that were handed in, and what became of their episodes."""

from collections.abc import Sequence

import numpy as np

from recall.attempts import Act
from recall.buffers import TimedRollout
from recall.envs.goal_world import GoalWorld
from recall.goal_labels import success_rates


class GoalRollouts:
    """`n_envs` bodies of each run, whose every episode has a goal drawn uniformly from the run's list.

    What a policy sees is state and goal in one vector. From one `begin` to the next, episodes go on from a
    rollout to the following one.
    """

    def __init__(self, world: GoalWorld, n_runs: int, n_envs: int) -> None:
        self._shape = (n_runs, n_envs)
        self._bodies = world.stepper(n_runs * n_envs)
        self._goals: Sequence[np.ndarray] = []
        self._numbers = np.zeros(self._shape, np.int64)
        self._ended: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def begin(self, goals: Sequence[np.ndarray], uniform: np.ndarray) -> None:
        """Start new episodes everywhere and forget what became of the old ones.

        Args:
            goals: of each run, (n, dimension).
            uniform: numbers in [0, 1) that choose the first goals, (runs, envs).
        """
        self._goals, self._ended = goals, []
        self._restart(np.ones(self._shape, bool), uniform)

    def collect(self, act: Act, noise: np.ndarray, uniform: np.ndarray) -> TimedRollout:
        """Act for some steps in every environment; actions beyond [-1, 1] are remembered, but executed cut.

        Args:
            act: the policies.
            noise: of each action, (runs, steps, envs, action_dim).
            uniform: numbers in [0, 1) that choose the goal of an episode that begins, (runs, steps, envs).
        """
        columns: list[tuple[np.ndarray, ...]] = []
        for step in range(noise.shape[1]):
            obs, time = self._seen(self._bodies.obs), self._bodies.elapsed.reshape(self._shape).copy()
            action = act(obs, noise[:, step])
            next_obs, *outcome = self._bodies.step(action.reshape(-1, action.shape[-1]))
            reward, terminated, truncated = (each.reshape(self._shape) for each in outcome)
            columns.append((obs, action, reward, self._seen(next_obs), terminated, truncated, time))
            done = terminated | truncated
            if done.any():
                self._ended.append((np.nonzero(done)[0], self._numbers[done], reward[done] > 0))
                self._restart(done, uniform[:, step])
        return TimedRollout(*(np.stack(column) for column in zip(*columns, strict=True)))

    def outcomes(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Success rate of every goal, and in how many ended episodes it was tried, (n,) for each run."""
        columns = zip(*self._ended, strict=True) if self._ended else ([np.empty(0, np.int64)] for _ in range(3))
        run, number, success = (np.concatenate(column) for column in columns)
        found = [
            success_rates(number[run == index], success[run == index], len(goals))
            for index, goals in enumerate(self._goals)
        ]
        return [rates for rates, _ in found], [episodes for _, episodes in found]

    def _restart(self, where: np.ndarray, uniform: np.ndarray) -> None:
        """Begin episodes in some environments, both (runs, envs)."""
        counts = np.array([len(each) for each in self._goals])[:, None]
        self._numbers = np.where(where, (uniform.astype(np.float64) * counts).astype(np.int64), self._numbers)
        chosen = [goals[row[mask]] for goals, row, mask in zip(self._goals, self._numbers, where, strict=True)]
        self._bodies.reset(np.concatenate(chosen), where.ravel())

    def _seen(self, obs: np.ndarray) -> np.ndarray:
        return obs.astype(np.float32).reshape(*self._shape, -1)
