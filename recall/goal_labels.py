"""Which goals are of intermediate difficulty (Held et al. 2017, Sec. 4.1): neither too hard nor already mastered."""

import numpy as np


def success_rates(goal: np.ndarray, success: np.ndarray, n_goals: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of the episodes towards each goal that reached it, and how many there were, (n_goals,) each.

    Args:
        goal: number of each episode's goal, (episodes,).
        success: whether it was reached, (episodes,).
        n_goals: how many goals there are; one without an episode has the rate 0.
    """
    episodes = np.bincount(goal, minlength=n_goals)
    successes = np.bincount(goal, weights=success, minlength=n_goals)
    return successes / np.maximum(episodes, 1), episodes


def intermediate(rates: np.ndarray, low: float, high: float) -> np.ndarray:
    """Which success rates lie between both bounds, bounds excluded: R_min < R(g) < R_max."""
    return (low < rates) & (rates < high)
