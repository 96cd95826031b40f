"""The tuples of highest reward, or of another score, that a run has come across (Sec. 11.1)."""

import numpy as np

from recall.replay import Transitions


class BestTuples:
    """At most `capacity` tuples (state, action, reward, next state) of each run: those of the highest score, in order.

    Whatever has come since the beginning competes; of equals the younger stays and goes first. Tuples are held, and
    taken, by their rank from 0 on.
    """

    start = 0
    """The lowest rank."""

    def __init__(self, capacity: int, n_runs: int, obs_dim: int, action_dim: int) -> None:
        self.capacity = capacity
        self.seen = np.zeros(n_runs, np.int64)
        """Tuples that have come, (runs,)."""
        shapes = ((obs_dim,), (action_dim,), (), (obs_dim,), ())
        self.held = Transitions(*(np.zeros((n_runs, 0, *shape), np.float32) for shape in shapes))
        self.scores = np.zeros((n_runs, 0), np.float32)
        """Falling, (runs, n); minus infinity beyond a run's last tuple."""
        self.births = np.zeros((n_runs, 0), np.int64)
        """As how many-th of its run each has come, from 0, (runs, n)."""

    @property
    def counts(self) -> np.ndarray:
        """Tuples held, (runs,)."""
        return (self.scores > -np.inf).sum(1)

    def add(self, found: Transitions, scores: np.ndarray) -> None:
        """Let transitions (runs, n, ...) compete by their scores, (runs, n); one of minus infinity is none."""
        come = scores > -np.inf
        births = self.seen[:, None] + come.cumsum(1) - 1
        self.seen += come.sum(1)
        everything = [np.concatenate([new[:, ::-1], old], 1) for new, old in self._columns(found, scores, births)]
        order = np.argsort(-everything[0], 1, kind="stable")
        best = order[:, : min(self.capacity, (everything[0] > -np.inf).sum(1).max())]
        runs = np.arange(len(best))[:, None]
        self.scores, self.births, *rows = (column[runs, best] for column in everything)
        self.held = Transitions(*rows)

    def _columns(
        self, found: Transitions, scores: np.ndarray, births: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each column of what comes, beside that of what is held."""
        return list(zip((scores, births, *found), (self.scores, self.births, *self.held), strict=True))

    def clear(self) -> None:
        """Hold nothing; what has come stays counted."""
        self.held = Transitions(*(each[:, :0] for each in self.held))
        self.scores, self.births = self.scores[:, :0], self.births[:, :0]

    def take(self, numbers: np.ndarray) -> Transitions:
        """Tuples by rank, (runs, n)."""
        runs = np.arange(len(numbers))[:, None]
        return Transitions(*(each[runs, numbers] for each in self.held))

    def draw(self, run: int, generator: np.random.Generator, n: int) -> Transitions:
        """Random tuples of one run, (n, ...)."""
        drawn = generator.integers(0, self.counts[run], n)
        return Transitions(*(each[run, drawn] for each in self.held))

    def state(self) -> dict:
        """Everything held, for a checkpoint."""
        return {"seen": self.seen, "scores": self.scores, "births": self.births, "held": self.held._asdict()}

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        self.seen, self.scores, self.births = state["seen"], state["scores"], state["births"]
        self.held = Transitions(**state["held"])
