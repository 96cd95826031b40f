"""Means, deviations and ranges of numbers that keep coming."""

import numpy as np

from recall.buffers import Rollout

REWARD_RANGE = 10.0
"""Scaled rewards are cut to plus and minus this (stable-baselines3's VecNormalize)."""


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


class RewardScale:
    """Rewards in standard deviations of the discounted return so far (stable-baselines3's VecNormalize).

    Args:
        n_runs, n_envs: sizes.
        discount: of the return.
    """

    def __init__(self, n_runs: int, n_envs: int, discount: float) -> None:
        self.discount = discount
        self.moments = RunningMoments(n_runs, 1)
        self.returns = np.zeros((n_runs, n_envs))

    def scaled(self, rollout: Rollout) -> np.ndarray:
        """Take a rollout in; its rewards, (steps, runs, envs), in the unit that then holds."""
        ended, returns = rollout.terminated | rollout.truncated, np.empty(rollout.reward.shape)
        for t, reward in enumerate(rollout.reward):
            self.returns *= self.discount
            self.returns += reward
            returns[t] = self.returns
            self.returns[ended[t]] = 0
        self.moments.update(returns.swapaxes(0, 1).reshape(len(self.returns), -1, 1))
        return np.clip(rollout.reward / self.moments.std, -REWARD_RANGE, REWARD_RANGE)

    def state(self) -> dict:
        """Sums so far and the returns of unfinished episodes, for a checkpoint."""
        return {"moments": self.moments.state(), "returns": self.returns}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.moments.load_state(state["moments"])
        self.returns = state["returns"]
