"""The true next observation from a Gymnasium vector environment, whichever way it resets itself.

For a backward model the state at an episode's end matters most, and it is the one auto-reset can lose.
"""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from recall.errors import RecallError


def true_next_obs(
    next_obs: np.ndarray,
    infos: dict[str, Any],
    terminated: np.ndarray,
    truncated: np.ndarray,
    mode: AutoresetMode,
) -> np.ndarray:
    """Where each step really led, terminal observations included.

    With `SAME_STEP`, a row of `next_obs` whose episode ended already belongs to the next episode, and the
    true one lies in `infos`. With `NEXT_STEP`, `next_obs` is true as it is, but the step after an episode's
    end only resets: its row is no transition (see `is_transition`).

    Args:
        next_obs: observations returned by `step`, (envs, ...).
        infos: its infos.
        terminated: which episodes ended by themselves, (envs,).
        truncated: which were cut, (envs,).
        mode: the vector environment's `metadata["autoreset_mode"]`.

    Returns:
        (envs, ...); `next_obs` itself is left as it is.
    """
    done = terminated | truncated
    if mode is not AutoresetMode.SAME_STEP or not done.any():
        return next_obs
    if "final_obs" not in infos or not np.all(infos["_final_obs"][done]):
        raise RecallError("infos['final_obs'] lacks the last observation of an ended episode")
    true = next_obs.copy()
    true[done] = np.stack(list(infos["final_obs"][done]))
    return true


def is_transition(previous_done: np.ndarray, mode: AutoresetMode) -> np.ndarray:
    """Which rows of a step are transitions, (envs,) bool, given whose episode ended in the step before."""
    return ~previous_done if mode is AutoresetMode.NEXT_STEP else np.ones_like(previous_done)
