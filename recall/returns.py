"""Returns and advantages. The only place that decides where a value is bootstrapped."""

import numpy as np


def gae(
    reward: np.ndarray,
    value: np.ndarray,
    next_value: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    discount: float,
    gae_lambda: float,
) -> np.ndarray:
    """Generalised advantage estimation (Schulman et al. 2015b, Eq. 16).

    All arrays are (steps, ...). `next_value` is the value of the true next state: at an episode's end that state, not
    the first of the next episode. A terminated episode is worth nothing afterwards; a truncated one goes on unseen, so
    its last state is bootstrapped and only the sum of later errors is cut.

    Returns:
        Advantages, same shape; add `value` for the returns a critic learns.
    """
    error = reward + discount * next_value * ~terminated - value
    carry = discount * gae_lambda * ~(terminated | truncated)
    advantage = np.empty_like(error)
    following = np.zeros_like(error[0])
    for t in range(len(error) - 1, -1, -1):
        following = error[t] + carry[t] * following
        advantage[t] = following
    return advantage
