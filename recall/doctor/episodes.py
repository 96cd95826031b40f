"""Checks of random episodes: that they go without an error, how they end, and what is seen last."""

from collections.abc import Sequence

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import Autoreset

from recall.doctor.finding import Finding
from recall.doctor.play import Episode, Patient
from recall.envs.registration import time_limit
from recall.errors import ConfigError

FEWEST = 3
"""Episodes from which something is concluded."""

SLOW = 300
"""Steps a second below which the environment is most of the training."""


def steps(patient: Patient) -> Finding:
    """Whether random actions can be taken at all, and how fast."""
    play = patient.play
    if play.error:
        return Finding(
            "steps", "problem", f"after {play.steps:,} random steps the environment raised {play.error}", "mend that"
        )
    digits = 0 if play.rate >= 10 else 2
    what = f"{play.steps:,} random steps in {len(play.episodes):,} episodes, {play.rate:,.{digits}f} a second"
    if play.rate < SLOW:
        hours = 1e6 / play.rate / 3600
        return Finding("steps", "warning", what, f"make it faster: a million steps alone take {hours:.1f} hours")
    return Finding("steps", "ok", what)


def ends(patient: Patient) -> Finding:
    """Whether terminated and truncated are told apart."""
    ended = patient.play.ended
    most = _limit(patient)
    if not ended:
        return Finding(
            "ends",
            "warning",
            f"no episode ended within {patient.play.steps:,} random steps; the time limit is {most:,}",
            "look whether episodes end when they should; a shorter max_episode_steps makes evaluations cheaper",
        )
    terminated = sum(episode.terminated for episode in ended)
    what = f"of {len(ended):,} episodes {terminated:,} terminated and {len(ended) - terminated:,} were truncated"
    if _own_clock(ended, most):
        return Finding(
            "ends",
            "warning",
            f"{what}, every one after {len(ended[0].rewards)} steps: that looks like a time limit told as an end",
            "return terminated=False there, and truncated=True or a max_episode_steps: the value goes on after a limit",
        )
    early = [episode for episode in ended if episode.truncated and len(episode.rewards) < most < np.inf]
    if early:
        return Finding(
            "ends",
            "warning",
            f"{what}, {len(early):,} by the environment before its time limit of {most:,}",
            "nothing if that is another time limit; a failure or a goal is terminated=True",
        )
    return Finding("ends", "ok", what)


def _own_clock(ended: Sequence[Episode], most: float) -> bool:
    """Whether all episodes terminated after the same number of steps, as none would by chance."""
    lengths = {len(episode.rewards) for episode in ended}
    always = all(episode.terminated for episode in ended)
    return always and len(ended) >= FEWEST and len(lengths) == 1 and 1 < lengths.pop() <= most


def _limit(patient: Patient) -> float:
    try:
        return time_limit(patient.env)
    except ConfigError:
        return np.inf


def terminal(patient: Patient) -> Finding | None:
    """Whether an episode's last observation is its own, and not the first of the next."""
    if any(isinstance(wrapper, Autoreset) for wrapper in _wrappers(patient.env)):
        return Finding(
            "terminal obs",
            "problem",
            "the environment is wrapped in gymnasium.wrappers.Autoreset, and recall resets it too",
            "register it without Autoreset",
        )
    ended = [episode for episode in patient.play.ended if len(episode.rewards) > 2]
    if not patient.is_vector or len(ended) < FEWEST:
        return None
    starts = np.array([episode.obs[0] for episode in patient.play.episodes], np.float64)
    if sum(_restarted(episode, starts) for episode in ended) > len(ended) / 2:
        return Finding(
            "terminal obs",
            "problem",
            "the last observation of an episode is where the next one begins: the step that ends it resets it",
            "return the observation that the last action led to, and reset in reset() alone; it is the one that recall "
            "traces begin from",
        )
    return Finding("terminal obs", "ok", "an episode's last observation is its own")


def _wrappers(env: gym.Env) -> list[gym.Env]:
    found = [env]
    while isinstance(found[-1], gym.Wrapper):
        found.append(found[-1].env)
    return found


def _restarted(episode: Episode, starts: np.ndarray) -> bool:
    """Whether the last step is the farthest of all, and leads from elsewhere to where episodes begin."""
    obs = np.array(episode.obs, np.float64)
    scale = obs.std(0) + np.finfo(np.float32).eps
    changes = np.linalg.norm(np.diff(obs, axis=0) / scale, axis=1)
    slack = 0.1 * np.ptp(starts, 0) + 1e-6 * scale
    inside = ((starts.min(0) - slack <= obs) & (obs <= starts.max(0) + slack)).all(1)
    return bool(inside[-1] and not inside[-2] and changes[-1] > changes[:-1].max())


def in_place(patient: Patient) -> Finding:
    """Whether what was returned, or given, stays as it was."""
    if patient.play.acted_on:
        return Finding(
            "copies", "warning", "step() changes the action that it is given", "work on a copy: action = action.copy()"
        )
    if patient.play.reused:
        return Finding(
            "copies",
            "warning",
            "a step changes the observation that was returned before it: both are the same array",
            "return self.state.copy(); recall copies what it keeps, but other code may not",
        )
    return Finding("copies", "ok", "every step returns an array of its own")
