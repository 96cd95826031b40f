"""What a run has seen of its environment, before and after its first reward (Sec. 3.2)."""

import numpy as np
import pandas as pd

from recall.buffers import Rollout
from recall.envs.four_rooms import FourRooms


class Exploration:
    """Where each run has been, before and after its first reward."""

    def __init__(self, n_runs: int, grid: FourRooms) -> None:
        self.grid = grid
        self.visits = np.zeros((2, n_runs, grid.n_states))
        self.steps = 0
        self.first_reward = np.full(n_runs, np.nan)
        self.states_before = np.full(n_runs, np.nan)

    def observe(self, rollout: Rollout) -> None:
        """Count visits; a rollout that holds a run's first reward counts as before it."""
        n_runs = self.visits.shape[1]
        rewarded = ~np.isnan(self.first_reward)
        runs = np.arange(n_runs)[None, :, None]
        phase = rewarded.astype(int)[None, :, None]
        np.add.at(self.visits, (phase, runs, rollout.next_obs), 1)
        hits = np.greater(rollout.reward, 0).any(2)
        for run in np.flatnonzero(~rewarded & hits.any(0)):
            self.first_reward[run] = self.steps + (hits[:, run].argmax() + 1) * rollout.obs.shape[2]
            self.states_before[run] = (self.visits[0, run] > 0).sum()
        self.steps += rollout.n_steps

    def metrics(self) -> dict[str, np.ndarray]:
        """(runs,) each."""
        return {
            "states_visited": (self.visits.sum(0) > 0).sum(1),
            "states_before_reward": self.states_before,
            "first_reward_step": self.first_reward,
        }

    def table(self) -> pd.DataFrame:
        """Share of the visits each cell got, averaged over the runs that have the phase."""
        frames = []
        for phase, visits in zip(("before", "after"), self.visits, strict=True):
            total = visits.sum(1, keepdims=True)
            share = (visits / np.maximum(total, 1))[total[:, 0] > 0].mean(0) if total.any() else visits[0]
            row, col = self.grid.cells.T
            frames.append(pd.DataFrame({"phase": phase, "row": row, "col": col, "visits": share}))
        return pd.concat(frames, ignore_index=True)

    def state(self) -> dict:
        """Counts, for a checkpoint."""
        return {name: getattr(self, name) for name in ("visits", "steps", "first_reward", "states_before")}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        vars(self).update(state)
