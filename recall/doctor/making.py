"""Checks of what an environment declares: its id, its spaces, its time limit, Gymnasium's own rules."""

import re
import warnings
from collections.abc import Callable

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.env_checker import check_env

from recall.doctor.finding import Finding
from recall.doctor.play import Patient
from recall.envs.registration import check_action, check_observation, in_words, time_limit
from recall.errors import ConfigError

AGENTS = "sac and trpo"
"""Agents that `recall train` has."""

WIDEST = 1e6
"""A bound of actions beyond which it is no bound: uniform actions are then all enormous."""

HARMLESS = (
    "minimum value is -infinity",
    "maximum value is infinity",
    "symmetric and normalized",
    "should be capped at",
    "different from the unwrapped version",
)
"""Of Gymnasium's warnings, those about what recall does itself, such as to rescale actions, or says elsewhere."""


def identity(patient: Patient) -> Finding:
    """Whether it can be made; the examination ends where it cannot."""
    kind = type(patient.env.unwrapped)
    where = f"{kind.__module__}.{kind.__name__}"
    given = f", with {', '.join(patient.config.kwargs)} set" if patient.config.kwargs else ""
    return Finding("id", "ok", f"{patient.config.env_id} is {where}{given}; Gymnasium {gym.__version__}")


def observations(patient: Patient) -> Finding:
    """Whether the agents can use what is observed."""
    space = patient.env.observation_space
    if refused := _refusal(lambda: check_observation(patient.config.env_id, patient.env)):
        return Finding("observations", "problem", refused, _of_observations(space))
    assert isinstance(space, Box)
    return Finding("observations", "ok", f"a vector of {space.shape[0]}, {space.dtype}: fit for {AGENTS}")


def actions(patient: Patient) -> Finding:
    """Whether the agents can act, and how their actions are scaled."""
    space = patient.env.action_space
    if refused := _refusal(lambda: check_action(patient.config.env_id, patient.env)):
        return Finding("actions", "problem", refused, _of_actions(space))
    assert isinstance(space, Box)
    what = f"a vector of {space.shape[0]}, {bounds(space)}: fit for {AGENTS}"
    if max(np.abs(space.low).max(), np.abs(space.high).max()) > WIDEST:
        return Finding("actions", "warning", what, "give the Box the bounds that actions have in truth")
    if np.array_equal(space.low, -np.ones_like(space.low)) and np.array_equal(space.high, np.ones_like(space.high)):
        return Finding("actions", "ok", what)
    what += ", which act in [-1, 1] and are rescaled to these bounds"
    if np.allclose(space.low, -space.high):
        return Finding("actions", "ok", what)
    return Finding(
        "actions",
        "warning",
        f"{what}; those are not symmetric, so an agent that knows nothing yet acts around their middle, not around 0",
        "nothing if the middle is as good a beginning as 0; otherwise shift the actions in the environment",
    )


def bounds(space: Box) -> str:
    """The bounds of a space in words: those of all dimensions, or the widest."""
    if np.ptp(space.low) == 0 and np.ptp(space.high) == 0:
        return f"from {space.low.flat[0]:g} to {space.high.flat[0]:g}"
    return f"from {space.low.min():g} at the least to {space.high.max():g} at the most"


def limit(patient: Patient) -> Finding:
    """Whether every episode ends some day."""
    if refused := _refusal(lambda: time_limit(patient.env)):
        return Finding(
            "time limit", "problem", refused, "gymnasium.register(id=..., entry_point=..., max_episode_steps=1000)"
        )
    return Finding("time limit", "ok", f"an episode is truncated after {time_limit(patient.env):,} steps")


def rules(patient: Patient) -> Finding:
    """What Gymnasium's checker says."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        refused = _refusal(lambda: check_env(patient.make().unwrapped, skip_render_check=True))
    if refused:
        return Finding(
            "Gymnasium's rules", "problem", refused, "what gymnasium.utils.env_checker.check_env(env) asks for"
        )
    told = list(dict.fromkeys(plain(str(each.message)) for each in caught))
    told = [words for words in told if not any(harmless in words for harmless in HARMLESS)]
    if told:
        return Finding("Gymnasium's rules", "warning", "; ".join(told), "what Gymnasium recommends here")
    return Finding("Gymnasium's rules", "ok", "its checker finds nothing that matters here")


def plain(words: str) -> str:
    """A warning of Gymnasium's without colours and shouting, as a phrase."""
    words = re.sub(r"\x1b\[[0-9;]*m", "", words)
    return " ".join(words.removeprefix("WARN: ").split()).rstrip(".")


def _refusal(check: Callable[[], object]) -> str:
    """What a check says against the environment; empty if nothing."""
    try:
        check()
    except ConfigError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (the environment's own code runs inside)
        return plain(str(error)) if isinstance(error, AssertionError) and str(error) else in_words(error)
    return ""


def _of_observations(space: gym.Space) -> str:
    """What would make them usable."""
    flat = "register it in gymnasium.wrappers.FlattenObservation, where its numbers are observed as one float vector"
    return _of_box(space) or flat


def _of_actions(space: gym.Space) -> str:
    """What would make them usable, or who can use them as they are."""
    if isinstance(space, Discrete):
        return (
            f"recall train has no agent for a choice among {space.n}; recall.recall_traces.RecallTraces("
            f"n_actions={space.n}) serves an agent of your own"
        )
    return _of_box(space) or "register it in a wrapper whose action is one float vector with finite bounds"


def _of_box(space: gym.Space) -> str:
    """What a vector lacks; empty for what is none."""
    if not isinstance(space, Box) or len(space.shape) != 1:
        return ""
    real = np.issubdtype(space.dtype, np.floating)
    return "give the Box a finite low and high" if real else "give the Box dtype=np.float32"
