"""Deterministic evaluation on an environment of its own: the same starts in every arm, not counted as steps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from recall.errors import NonFiniteError

FIRST_SEED = 1_000_000
"""Evaluation seeds begin here, far from those of training."""


class Evaluation(NamedTuple):
    """Of one episode, or the means over several."""

    episode_return: float
    """Undiscounted return."""
    episode_length: float
    """Steps."""


def evaluation_seeds(index: int, n_episodes: int) -> range:
    """Reset seeds of an evaluation, counted from 0: new starts each time, the same in every run and arm."""
    return range(FIRST_SEED + index * n_episodes, FIRST_SEED + (index + 1) * n_episodes)


def evaluate(env: gym.Env, act: Callable[[np.ndarray], np.ndarray], seeds: Sequence[int]) -> Evaluation:
    """Run one episode a seed to its end.

    Args:
        env: an environment that ends its episodes.
        act: the policy without noise, obs (obs_dim,) to action (action_dim,) in the environment's units.
        seeds: reset seeds.
    """
    episodes = [run_episode(env, act, seed) for seed in seeds]
    return Evaluation(*(float(np.mean(column)) for column in zip(*episodes, strict=True)))


def run_episode(env: gym.Env, act: Callable[[np.ndarray], np.ndarray], seed: int) -> Evaluation:
    """Run an episode to its end.

    Raises:
        NonFiniteError: an observation or a reward is NaN or infinite.
    """
    obs, _ = env.reset(seed=seed)
    episode_return, length, done = 0.0, 0, False
    while not done:
        obs, reward, terminated, truncated, _ = env.step(act(obs))
        episode_return += float(reward)
        length += 1
        if not (np.isfinite(obs).all() and np.isfinite(episode_return)):
            raise NonFiniteError(
                f"evaluation, step {length} of the episode of seed {seed}: observation or reward is NaN or infinite"
            )
        done = terminated or truncated
    return Evaluation(episode_return, length)
