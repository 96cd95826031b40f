"""Means, deviations and ranges of numbers that keep coming."""

import numpy as np


class RunningMoments:
    """Mean, standard deviation and range of every dimension of every run, over all rows so far (Chan et al. 1979)."""

    def __init__(self, n_runs: int, dim: int) -> None:
        self.count = 0
        self.mean = np.zeros((n_runs, dim))
        self.squares = np.zeros((n_runs, dim))
        self.low = np.full((n_runs, dim), np.inf, np.float32)
        self.high = np.full((n_runs, dim), -np.inf, np.float32)

    def update(self, rows: np.ndarray) -> None:
        """Take in rows, (runs, n, dim)."""
        n = rows.shape[1]
        if n == 0:
            return
        mean = rows.mean(1, dtype=np.float64)
        shift = mean - self.mean
        total = self.count + n
        self.squares += np.square(rows - mean[:, None]).sum(1) + np.square(shift) * self.count * n / total
        self.mean += shift * n / total
        self.count = total
        self.low = np.minimum(self.low, rows.min(1))
        self.high = np.maximum(self.high, rows.max(1))

    @property
    def std(self) -> np.ndarray:
        """Standard deviations (runs, dim); 1 where a dimension never moved."""
        std = np.sqrt(self.squares / max(1, self.count))
        return np.where(std > 1e-8, std, 1.0)

    def state(self) -> dict:
        """Sums so far, for a checkpoint."""
        return {name: getattr(self, name) for name in ("count", "mean", "squares", "low", "high")}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        vars(self).update(state)
