"""What transitions were followed by: the rewards to the end of the episode, known once that has come."""

import numpy as np

from recall.buffers import Rollout, by_run
from recall.replay import Transitions

FIELDS = ("obs", "action", "reward", "next_obs", "terminated")


def flat(columns: dict[str, np.ndarray]) -> Transitions:
    """Transitions (steps, runs, envs, ...) by the names of their fields, as (runs, steps * envs, ...)."""
    found = {name: by_run(columns[name]) for name in FIELDS}
    return Transitions(**found | {"terminated": found["terminated"].astype(np.float32)})


def transitions(rollout: Rollout) -> Transitions:
    """Those of a rollout, (runs, steps * envs, ...), step by step."""
    return flat(vars(rollout))


def rewards_to_go(reward: np.ndarray, ended: np.ndarray, discount: float) -> tuple[np.ndarray, np.ndarray]:
    """Discounted rewards from each step to the end of its episode, and whether that end is there.

    Args:
        reward: of consecutive steps, (steps, ...).
        ended: whether the episode did with it, (steps, ...).
        discount: of the following step's.

    Returns:
        Sums, float32, and bool, in the same shape.
    """
    sums, known = np.empty(reward.shape, np.float32), np.logical_or.accumulate(ended[::-1])[::-1]
    following = np.zeros(reward.shape[1:])
    for t in range(len(reward) - 1, -1, -1):
        following = reward[t] + discount * np.where(ended[t], 0, following)
        sums[t] = following
    return sums, known


class RewardsToGo:
    """Gives out transitions with their rewards-to-go as soon as their episodes have ended; the others wait.

    A time limit is an end as any other: Sec. 11.1 has no value of what would have come. Transitions of an environment
    whose episodes never end would wait for ever.
    """

    def __init__(self, discount: float) -> None:
        self.discount = discount
        self.waiting: dict[str, np.ndarray] = {}
        """Consecutive transitions (steps, runs, envs, ...), whether each `ended` its episode, and was `given` out."""

    def add(self, rollout: Rollout) -> tuple[Transitions, np.ndarray]:
        """Take a rollout in; returns transitions, and their rewards-to-go (runs, n), minus infinity where not due."""
        columns = {name: getattr(rollout, name) for name in FIELDS}
        columns |= {"ended": rollout.terminated | rollout.truncated, "given": np.zeros(rollout.terminated.shape, bool)}
        if self.waiting:
            columns = {name: np.concatenate([self.waiting[name], new]) for name, new in columns.items()}
        sums, known = rewards_to_go(columns["reward"], columns["ended"], self.discount)
        scores = np.where(known & ~columns["given"], sums, np.float32(-np.inf))
        over = known.all((1, 2)).sum()  # what is over in every environment comes first
        self.waiting = {name: each[over:].copy() for name, each in (columns | {"given": known}).items()}
        return flat(columns), by_run(scores)

    def state(self) -> dict:
        """What waits, for a checkpoint."""
        return {"waiting": self.waiting}

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        self.waiting = state["waiting"]
