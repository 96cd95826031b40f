"""Checks of the numbers in random episodes: finite, of a size that networks can take, and different from each other."""

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import ArrayLike

from recall.doctor.finding import Finding
from recall.doctor.play import Patient

APART = 1e3
"""Standard deviations of dimensions further apart than this do not go into one network well."""

FAR = 1e4
"""A mean so many standard deviations from 0 leaves float32 three digits of what changes."""

LARGE, SMALL = 100.0, 1e-3
"""Rewards of a step on which the temperature and the critics of soft actor-critic, as they are set, do badly."""

MOST_NAMED = 5


def finite(patient: Patient) -> Finding | None:
    """Whether all observations and rewards are numbers."""
    parts = {"reward": patient.rewards}
    if patient.is_vector:
        parts["observation"] = patient.obs
    for what, values in parts.items():
        with np.errstate(over="ignore"):
            bad = ~np.isfinite(values.astype(np.float32))
        if bad.any():
            where = f", number {_named(_indices(bad.any(0)))}," if values.ndim > 1 else ""
            return Finding(
                "finite",
                "problem",
                f"{bad.reshape(len(bad), -1).any(1).sum():,} of {len(bad):,} {what}s{where} are NaN, infinite, or too "
                "large for float32",
                "find where they come from: training stops at the first",
            )
    return Finding("finite", "ok", "all observations and rewards are finite")


def declared(patient: Patient) -> Finding | None:
    """Whether observations are as the space says."""
    space = patient.env.observation_space
    if not patient.is_vector or not isinstance(space, Box):
        return None
    obs = [each for episode in patient.play.episodes for each in episode.obs]
    kinds = {str(getattr(each, "dtype", type(each).__name__)) for each in obs}
    if outside := _outside(patient.obs, space):
        return Finding(
            "declared",
            "warning",
            f"observations leave the declared bounds in number {_named(outside)}",
            "widen the Box; recall takes no notice of the bounds, but wrappers that normalise by them do",
        )
    if kinds != {str(space.dtype)}:
        return Finding(
            "declared",
            "warning",
            f"observations are {', '.join(sorted(kinds))} and the space says {space.dtype}",
            f"return obs.astype(np.{space.dtype}); recall converts to float32",
        )
    return Finding("declared", "ok", f"observations are {space.dtype} and within the space's bounds")


def _outside(obs: np.ndarray, space: Box) -> list[int]:
    """Dimensions that leave the bounds by more than rounding."""
    slack = 1e-6 * np.maximum(1, np.abs(obs).max(0))
    return _indices(((obs < space.low - slack) | (obs > space.high + slack)).any(0))


def constant(patient: Patient) -> Finding | None:
    """Whether every dimension says something."""
    if not patient.is_vector or not np.isfinite(patient.obs).all():
        return None
    still = _indices(np.ptp(patient.obs, 0) == 0)
    if not still:
        return Finding("constant numbers", "ok", "every number of the observation changes")
    return Finding(
        "constant numbers",
        "warning",
        f"{len(still)} of {patient.obs.shape[1]} numbers of the observation never changed in random play: "
        f"number {_named(still)}",
        "leave out what cannot change: a backtracking model has nothing to learn from it",
    )


def scales(patient: Patient) -> Finding | None:
    """Whether the dimensions are of a size."""
    if not patient.is_vector or not np.isfinite(patient.obs).all():
        return None
    std, mean = patient.obs.std(0), patient.obs.mean(0)
    moving = std > 0
    if not moving.any():
        return None
    ratio = float(std[moving].max() / std[moving].min())
    what = f"standard deviations of the observation's numbers go from {std[moving].min():.2g} to {std.max():.2g}"
    if far := _indices(moving & (np.abs(mean) > FAR * std)):
        return Finding(
            "scales",
            "warning",
            f"number {_named(far)} of the observation lies far from 0 and hardly changes",
            "subtract a constant: float32 has seven digits",
        )
    if ratio > APART:
        return Finding(
            "scales", "warning", what, "divide the large ones: sac does not normalise observations, trpo does"
        )
    return Finding("scales", "ok", what)


def reward_scale(patient: Patient) -> Finding | None:
    """Whether rewards are of a size, and whether there are any."""
    rewards = patient.rewards
    if not len(rewards) or not np.isfinite(rewards).all():
        return None
    lasting = any(episode.terminated for episode in patient.play.episodes)
    if np.ptp(rewards) == 0 and rewards[0] and lasting:
        return Finding("rewards", "ok", f"every step is worth {rewards[0]:g}: returns tell how long episodes last")
    if np.ptp(rewards) == 0:
        return Finding(
            "rewards",
            "warning",
            f"every random step was worth {rewards[0]:g}",
            "if random actions never meet another reward, neither will the agent, and there is nothing to recall: "
            "start closer to the goal, or reward progress",
        )
    size = float(np.abs(rewards[rewards != 0]).mean())
    what = f"from {rewards.min():.3g} to {rewards.max():.3g} a step; their size, where there is one, is {size:.2g}"
    if not SMALL <= size <= LARGE:
        word = "divide" if size > LARGE else "multiply"
        return Finding(
            "rewards", "warning", what, f"{word} them by about {max(size, 1 / size):.0g}; sac minds, trpo less"
        )
    return Finding("rewards", "ok", what)


def _indices(where: ArrayLike) -> list[int]:
    return [int(index) for index in np.flatnonzero(where)]


def _named(indices: list[int]) -> str:
    """Dimensions, counted from 0, not too many of them."""
    words = list(map(str, indices[:MOST_NAMED]))
    return ", ".join(words) + (f" and {len(indices) - MOST_NAMED} more" if len(indices) > MOST_NAMED else "")
