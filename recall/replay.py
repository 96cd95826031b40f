"""A replay buffer: the last transitions of every run, one contiguous row each."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from recall.checkpoints import Growing


class Transitions(NamedTuple):
    """Arrays (runs, n, dims), float32; reward and terminated (runs, n), of which rewards may be float64.

    `next_obs` is the true next state, the terminal one included. A truncated episode is not terminated: whether an
    episode was cut there does not matter to a learner from single transitions.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_obs: np.ndarray
    terminated: np.ndarray


def _named(parts: Iterable[np.ndarray]) -> Transitions:
    """Transitions of parts (runs, n, dims) in the order of the fields."""
    obs, action, reward, next_obs, terminated = parts
    return Transitions(obs, action, reward[..., 0], next_obs, terminated[..., 0])


class ReplayBuffer:
    """A ring of transitions. Rows are numbered from 0 as they come; the oldest are overwritten.

    A transition lies in one row of memory, so that drawing a batch reads each once.
    """

    def __init__(self, capacity: int, n_runs: int, obs_dim: int, action_dim: int) -> None:
        self.capacity, self.end = capacity, 0
        self.widths = (obs_dim, action_dim, 1, obs_dim, 1)
        self.rows = np.zeros((n_runs, capacity, sum(self.widths)), np.float32)  # the system provides it as it fills
        self._edges = (0, *np.cumsum(self.widths))
        self._runs = np.arange(n_runs)[:, None]

    def __len__(self) -> int:
        """Transitions held by each run."""
        return min(self.end, self.capacity)

    @property
    def start(self) -> int:
        """Number of the oldest row held."""
        return max(0, self.end - self.capacity)

    def add(
        self, obs: np.ndarray, action: np.ndarray, reward: np.ndarray, next_obs: np.ndarray, terminated: np.ndarray
    ) -> None:
        """Append one transition of every run: (runs, dims) each, reward and terminated (runs,)."""
        columns = (obs, action, reward[:, None], next_obs, terminated[:, None])
        self.rows[:, self.end % self.capacity] = np.concatenate(columns, 1)
        self.end += 1

    def take(self, numbers: np.ndarray) -> Transitions:
        """Rows by number, (runs, n). Each part is gathered by itself: copies of them all would be read once more."""
        where = (self._runs, numbers % self.capacity)
        return _named(self.rows[*where, begin:end] for begin, end in pairwise(self._edges))

    def draw(self, run: int, generator: np.random.Generator, n: int) -> Transitions:
        """Random transitions of one run, (n, ...)."""
        drawn = generator.integers(self.start, self.end, n)
        return Transitions(*(each[0] for each in self.split(self.rows[None, run, drawn % self.capacity])))

    def split(self, rows: np.ndarray) -> Transitions:
        """The parts of rows (runs, n, width), as views."""
        return _named(rows[..., begin:end] for begin, end in pairwise(self._edges))

    def state(self) -> dict:
        """Everything held, for a checkpoint that grows with it."""
        return {"rows": Growing(self.start, self.end, self._between)}

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        saved = state["rows"]
        self.end = saved.end
        self.rows[:, np.arange(saved.start, saved.end) % self.capacity] = saved.rows.swapaxes(0, 1)

    def _between(self, start: int, end: int) -> np.ndarray:
        """Rows from one number to before another, (n, runs, width)."""
        return self.rows[:, np.arange(start, end) % self.capacity].swapaxes(0, 1)
