"""What the agents saw: one rollout, and the trajectories of the recent past."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Rollout:
    """Consecutive transitions of every run and environment; all arrays (steps, runs, envs).

    `next_obs` is the true next state, the terminal one included; after an episode's end the next row's `obs` is the
    first state of a new episode.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_obs: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def n_steps(self) -> int:
        """Environment steps taken by each run."""
        return self.obs.shape[0] * self.obs.shape[2]


@dataclass(frozen=True)
class TimedRollout(Rollout):
    """A rollout among vectors: `obs` and `next_obs` (steps, runs, envs, obs_dim), `action` likewise."""

    time: np.ndarray
    """Steps since the episode began, (steps, runs, envs)."""


def of_finite_horizon(rollout: TimedRollout) -> TimedRollout:
    """The rollout as that of a task in which the horizon is an end like any other, beyond which there is no value.

    It is what rllab learns from, and values that see the time, as the linear baseline's do, can tell. With values
    beyond the horizon instead, those of a linear baseline feed on themselves where success is rare: they outgrow the
    reward of 1, and policies learn to keep away from their goals (seen in two-dimensional point masses).
    """
    ended = rollout.terminated | rollout.truncated
    return replace(rollout, terminated=ended, truncated=np.zeros_like(ended))


def by_run(array: np.ndarray) -> np.ndarray:
    """(steps, runs, envs, ...) -> (runs, steps * envs, ...), contiguous."""
    return np.ascontiguousarray(array.swapaxes(0, 1)).reshape(array.shape[1], -1, *array.shape[3:])


class TrajectoryBuffer:
    """The last `capacity` time steps of every environment, ranked by the return of the trajectory they belong to.

    A transition takes part once its episode has ended: only then is the trajectory's discounted return known.
    """

    FIELDS = ("obs", "action", "next_obs")
    ARRAYS = ("trajectory_return", "is_last", "_return_so_far", "_discounting", "_length")

    def __init__(self, capacity: int, n_runs: int, n_envs: int, discount: float) -> None:
        self.capacity, self.discount = capacity, discount
        self.time = 0
        shape = (n_runs, capacity, n_envs)
        self.data = {name: np.zeros(shape, np.int64) for name in self.FIELDS}
        self.trajectory_return = np.full(shape, -np.inf, np.float32)
        self.is_last = np.zeros(shape, bool)
        self._return_so_far = np.zeros((n_runs, n_envs))
        self._discounting = np.ones((n_runs, n_envs))
        self._length = np.zeros((n_runs, n_envs), np.int64)

    def add(self, rollout: Rollout) -> None:
        """Append every transition; trajectories that end in the rollout become available."""
        for t in range(len(rollout.obs)):
            done = rollout.terminated[t] | rollout.truncated[t]
            row = self.time % self.capacity
            for name in self.FIELDS:
                self.data[name][:, row] = getattr(rollout, name)[t]
            self.trajectory_return[:, row] = -np.inf
            self.is_last[:, row] = done
            self._return_so_far += self._discounting * rollout.reward[t]
            self._discounting *= self.discount
            self._length += 1
            self.time += 1
            if done.any():
                self._close(done)

    def _close(self, done: np.ndarray) -> None:
        """Give every transition of the ended trajectories their return."""
        for run, env in np.argwhere(done):
            length = min(self._length[run, env], self.capacity)
            rows = np.arange(self.time - length, self.time) % self.capacity
            self.trajectory_return[run, rows, env] = self._return_so_far[run, env]
        self._return_so_far[done] = 0.0
        self._discounting[done] = 1.0
        self._length[done] = 0

    def state(self) -> dict:
        """Everything stored, for a checkpoint."""
        return {
            "time": self.time,
            **{name: getattr(self, name) for name in self.ARRAYS},
            "data": dict(self.data),
        }

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        self.time, self.data = state["time"], state["data"]
        for name in self.ARRAYS:
            setattr(self, name, state[name])

    def threshold(self, fraction: float) -> np.ndarray:
        """Return (runs,) that the best `fraction` of the rewarded trajectories reach; infinite where there is none.

        The threshold L of Sec. 4, which rises with the agent. A trajectory without reward never counts as good.
        """
        levels = np.zeros(len(self.is_last))
        for run in range(len(levels)):
            ended = self.trajectory_return[run][self.is_last[run]]
            rewarded = ended[ended > 0]
            levels[run] = np.quantile(rewarded, 1.0 - fraction) if len(rewarded) else np.inf
        return levels

    def sample_top(self, fraction: float, uniform: np.ndarray) -> dict[str, np.ndarray]:
        """Transitions drawn uniformly from the best `fraction` of the rewarded trajectories (Sec. 3.1).

        Args:
            fraction: k of Algorithm 2, in (0, 1].
            uniform: (runs, batch) numbers in [0, 1).

        Returns:
            obs, action, next_obs, (runs, batch) each, and which runs have such a trajectory, `found` (runs,) bool; the
            rows of a run without are arbitrary.
        """
        chosen = self.trajectory_return >= self.threshold(fraction)[:, None, None]
        index = np.zeros(uniform.shape, np.int64)
        found = np.zeros(len(uniform), bool)
        for run in range(len(uniform)):
            rows = np.flatnonzero(chosen[run])
            found[run] = len(rows) > 0
            if found[run]:
                index[run] = rows[(uniform[run] * len(rows)).astype(np.int64)]
        row, env = np.divmod(index, self.is_last.shape[2])
        runs = np.arange(len(uniform))[:, None]
        return {name: array[runs, row, env] for name, array in self.data.items()} | {"found": found}
