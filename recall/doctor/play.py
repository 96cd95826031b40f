"""An environment under examination: random episodes of it, and everything that it gave in them."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box

from recall.envs.gym_env import GymConfig
from recall.envs.registration import in_words, made

STEPS = 3000
SECONDS = 5.0
"""How much is played: whichever comes first."""

ACTION_SEED = 0
FIRST_SEED = 100
"""Of the random actions, and of the first reset; each reset has the next."""


@dataclass
class Episode:
    """One episode of random actions."""

    obs: list[Any]
    """Observations, the terminal one included; copies, so that nothing changes them later."""
    rewards: list[float] = field(default_factory=list)
    """Of each step."""
    terminated: bool = False
    """Whether its last step ended it."""
    truncated: bool = False
    """Whether its last step cut it short."""

    @property
    def ended(self) -> bool:
        """Whether it came to an end."""
        return self.terminated or self.truncated


@dataclass
class Play:
    """Random episodes."""

    episodes: list[Episode] = field(default_factory=list)
    """One after the other; the last may be unfinished."""
    seconds: float = 0.0
    """What they took."""
    error: str = ""
    """What the environment's code raised, which ended them; empty if nothing."""
    reused: bool = False
    """Whether a later step changed an observation that was returned before."""
    acted_on: bool = False
    """Whether a step changed the action that it was given."""

    @property
    def steps(self) -> int:
        """How many."""
        return sum(len(episode.rewards) for episode in self.episodes)

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.steps / self.seconds

    @property
    def ended(self) -> list[Episode]:
        """Episodes that came to an end."""
        return [episode for episode in self.episodes if episode.ended]


@dataclass(frozen=True)
class Patient:
    """An environment under examination."""

    config: GymConfig
    """Which."""

    def make(self) -> gym.Env:
        """The environment as training has it, without Gymnasium's own checks in every step."""
        return made(self.config.env_id, disable_env_checker=True, **self.config.kwargs)

    @cached_property
    def env(self) -> gym.Env:
        """One to look at."""
        return self.make()

    @cached_property
    def play(self) -> Play:
        """Random episodes in one of its own."""
        return play(self.make())

    @property
    def is_vector(self) -> bool:
        """Whether observations are vectors of real numbers."""
        space = self.env.observation_space
        return isinstance(space, Box) and len(space.shape) == 1 and np.issubdtype(space.dtype, np.floating)

    @cached_property
    def obs(self) -> np.ndarray:
        """All observations of the random episodes, (n, obs_dim) float64; only of a vector."""
        return np.array([obs for episode in self.play.episodes for obs in episode.obs], np.float64)

    @cached_property
    def rewards(self) -> np.ndarray:
        """All rewards, (n,)."""
        return np.array([reward for episode in self.play.episodes for reward in episode.rewards])


def play(env: gym.Env) -> Play:
    """Random episodes until `STEPS` or `SECONDS` are over, or the environment's code fails."""
    found, begun = Play(), time.monotonic()
    try:
        actions = random_actions(env)
        while found.steps < STEPS and time.monotonic() - begun < SECONDS:
            _episode(env, actions, found, lambda: found.steps < STEPS and time.monotonic() - begun < SECONDS)
    except Exception as error:  # noqa: BLE001 (whatever the environment raises is what is looked for)
        found.error = in_words(error)
    found.seconds = time.monotonic() - begun
    return found


def random_actions(env: gym.Env) -> gym.Space:
    """What draws actions, the same ones each time; a copy, since environments of a class may share one space."""
    space = deepcopy(env.action_space)
    space.seed(ACTION_SEED)
    return space


def _episode(env: gym.Env, actions: gym.Space, found: Play, goes_on: Callable[[], bool]) -> None:
    obs, _ = env.reset(seed=FIRST_SEED + len(found.episodes))
    episode = Episode([copied(obs)])
    found.episodes.append(episode)
    while not episode.ended and goes_on():
        before, action = obs, actions.sample()
        given = copied(action)
        obs, reward, terminated, truncated, _ = env.step(action)
        episode.terminated, episode.truncated = bool(terminated), bool(truncated)
        found.reused |= not same(before, episode.obs[-1])
        found.acted_on |= not same(action, given)
        episode.obs.append(copied(obs))
        episode.rewards.append(float(reward))


def copied(value: Any) -> Any:
    """An observation or action that nobody else can change."""
    if isinstance(value, dict):
        return {name: copied(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(copied, value))
    return np.array(value) if isinstance(value, np.ndarray) else value


def same(a: Any, b: Any) -> bool:
    """Whether two observations or actions are equal to the bit."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
