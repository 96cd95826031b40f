"""High-value states, where recall traces start (Algorithm 1, the branch that generates none)."""

import numpy as np

from recall.buffers import Rollout


class HighValueStates:
    """The states each run has reached so far: those that paid first, then by value.

    A terminal state has no future for a critic to value: its value is the best reward received on reaching it. Without
    this rule argmax V never returns the goal, the state most worth going back from. That states which received reward
    come first (Sec. 2.2, on-policy) keeps a critic's overestimates from hiding it.
    """

    def __init__(self, n_runs: int, n_states: int) -> None:
        self.reached = np.zeros((n_runs, n_states), bool)
        self.terminal_value = np.full((n_runs, n_states), np.nan, np.float32)
        self.rewarded = np.zeros(n_runs, bool)

    def observe(self, rollout: Rollout) -> None:
        """Remember where the agents have been and what ending there paid."""
        runs = np.arange(len(self.reached))[:, None]
        for t in range(len(rollout.obs)):
            self.reached[runs, rollout.next_obs[t]] = True
            run, env = np.nonzero(rollout.terminated[t])
            self.hand_over(run, rollout.next_obs[t, run, env], rollout.reward[t, run, env])
        self.rewarded |= (rollout.reward > 0).any((0, 2))

    def hand_over(self, run: np.ndarray, state: np.ndarray, reward: np.ndarray | float) -> None:
        """Make terminal states known together with their reward."""
        self.reached[run, state] = True
        np.fmax.at(self.terminal_value, (run, state), reward)

    def top(self, state_values: np.ndarray, n_states: int) -> np.ndarray:
        """The `n_states` most valuable reached states of each run, best first, (runs, n_states); line 6 for one.

        Args:
            state_values: the critic's values of all states, (runs, states).
            n_states: how many; a run that reached fewer repeats its best.
        """
        value = np.where(np.isnan(self.terminal_value), state_values, self.terminal_value)
        value = np.where(self.reached, value, -np.inf)
        unpaid = ~(self.terminal_value > 0)
        order = np.lexsort((-value, unpaid), axis=1)[:, :n_states]
        exists = np.take_along_axis(self.reached, order, 1)
        return np.where(exists, order, order[:, :1])

    def state(self) -> dict:
        """What is known, for a checkpoint."""
        return {"reached": self.reached, "terminal_value": self.terminal_value, "rewarded": self.rewarded}

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        vars(self).update(state)
