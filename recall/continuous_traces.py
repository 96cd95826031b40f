"""Recall traces of continuous states and actions, as arrays."""

from typing import NamedTuple

import numpy as np


class ContinuousTraces(NamedTuple):
    """Recall traces in the environment's units; the first step back is at index 0."""

    obs: np.ndarray
    """(runs, traces, length, obs_dim)."""
    x: np.ndarray
    """Actions as the policy's Gaussian draws them, before tanh where it has one, (runs, traces, length, action_dim)."""
    next_obs: np.ndarray
    """What obs and action are meant to lead to, (runs, traces, length, obs_dim)."""
    valid: np.ndarray
    """Whether the trace had not ended, (runs, traces, length)."""

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """obs, x and valid as pairs, (runs, traces * length, ...)."""
        n_runs, n_traces, length = self.valid.shape
        obs, x, valid = (
            each.reshape(n_runs, n_traces * length, *each.shape[3:]) for each in (self.obs, self.x, self.valid)
        )
        return obs, x, valid

    def pairs(self, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Valid pairs drawn by uniform numbers (runs, batch); a run that has none gets invalid ones."""
        obs, x, valid = self.flat()
        index = np.zeros(uniform.shape, int)
        for run, (good, u) in enumerate(zip(valid, uniform, strict=True)):
            pool = np.flatnonzero(good)
            if len(pool):
                index[run] = pool[(u * len(pool)).astype(int)]
        runs = np.arange(len(index))[:, None]
        return obs[runs, index], x[runs, index], valid[runs, index]
