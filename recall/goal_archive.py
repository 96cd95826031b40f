"""Good goals of the past, none of them near another (Held et al. 2017)."""

import numpy as np


class GoalArchive:
    """Goals of one run that lie more than `distance` apart; training on them again keeps them from being forgotten."""

    def __init__(self, dimension: int, distance: float) -> None:
        self.distance = distance
        self.goals = np.empty((0, dimension))
        """In the order in which they came, (n, dimension)."""

    def __len__(self) -> int:
        """Goals held."""
        return len(self.goals)

    def add(self, goals: np.ndarray) -> int:
        """Take in goals (n, dimension), one after the other, each if it is far enough from all held; returns how many.

        Goals that were not taken keep none away, so the result is that of comparing one by one.
        """
        before = len(self)
        for held in self.goals:
            goals = self._beyond(goals, held)
        found = []
        while len(goals):
            found.append(goals[0])
            goals = self._beyond(goals[1:], found[-1])
        self.goals = np.concatenate([self.goals, np.array(found).reshape(-1, self.goals.shape[1])])
        return len(self) - before

    def _beyond(self, goals: np.ndarray, held: np.ndarray) -> np.ndarray:
        away = goals - held
        return goals[np.einsum("nd,nd->n", away, away) > self.distance**2]

    def sample(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Random goals without repetition, (n, dimension); all of them if there are fewer."""
        if n >= len(self):
            return self.goals.copy()
        return self.goals[generator.choice(len(self), n, replace=False)]

    def state(self) -> dict:
        """The goals, for a checkpoint."""
        return {"goals": self.goals}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.goals = state["goals"]
