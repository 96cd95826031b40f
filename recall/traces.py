"""Recall traces: states and actions that may have led to a high-value state (Sec. 2.2, Algorithm 2 line 11)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class StepsBack(Protocol):
    """What a trace needs of a backtracking model."""

    def step_back(self, next_obs: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sample (obs, action, valid) that lead to next_obs, all (runs, traces); uniform is (runs, traces, 2)."""


@dataclass(frozen=True)
class Traces:
    """Traces of every run, (runs, traces, length); position 0 is the step that reaches the target.

    `valid` is False where the model knows no predecessor: there the state stays and nothing is to be imitated.
    """

    obs: np.ndarray
    action: np.ndarray
    valid: np.ndarray

    @classmethod
    def none(cls, n_runs: int) -> "Traces":
        """What has been recalled before the first recall."""
        empty = np.zeros((n_runs, 0, 0), np.int64)
        return cls(empty, empty, empty.astype(bool))

    def flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """obs, action and valid as (runs, pairs)."""
        n_runs = len(self.obs)
        return self.obs.reshape(n_runs, -1), self.action.reshape(n_runs, -1), self.valid.reshape(n_runs, -1)


def generate_traces(model: StepsBack, targets: np.ndarray, uniform: np.ndarray) -> Traces:
    """Unroll a backtracking model from target states, Eq. 2 step by step.

    Args:
        model: samples one step back.
        targets: states to start from, (runs, traces).
        uniform: random numbers (length, runs, traces, 2); their first axis sets the length.
    """
    steps = []
    next_obs = targets
    for row in uniform:
        obs, action, valid = model.step_back(next_obs, row)
        steps.append((obs, action, valid))
        next_obs = obs
    return Traces(*(np.stack(column, 2) for column in zip(*steps, strict=True)))
