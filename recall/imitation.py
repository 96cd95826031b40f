"""Imitation of recall traces (Sec. 3.2)."""

from torch import Tensor


def imitation_loss(log_prob: Tensor, valid: Tensor) -> Tensor:
    """Negative mean log-likelihood of traced actions, Eq. 6.

    Args:
        log_prob: log pi(a_t | s_t) of every traced pair, (runs, pairs).
        valid: which pairs the backtracking model vouches for, (runs, pairs), bool.

    Returns:
        One loss a run, (runs,). A run without a valid pair contributes 0.
    """
    return -(log_prob * valid).sum(1) / valid.sum(1).clamp(min=1)


def annealed(weight: float, progress: float, anneal: float) -> float:
    """Imitation weight after the share `progress` of the training: linear to 0 at the share `anneal`; 0 keeps it."""
    return weight if anneal == 0 else weight * max(0.0, 1.0 - progress / anneal)
