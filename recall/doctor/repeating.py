"""Checks of what has to repeat: the same seed and actions, and an episode that goes on from a checkpoint."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from recall.doctor.finding import Finding
from recall.doctor.play import ACTION_SEED, Patient, copied, random_actions, same
from recall.envs.gym_env import GymEnv
from recall.errors import CheckpointError, ConfigError

MOST_STEPS = 200
"""Of two environments that are held against each other; fewer where they take longer than a second."""

SEED, OTHERS = 7, (8, 9, 10)
"""Of the reset that is repeated, and of those that should begin otherwise."""

DRAW = "draw every random number from self.np_random, and call super().reset(seed=seed) first in reset()"


def determinism(patient: Patient) -> Finding:
    """Whether the same seed and actions give the same."""
    count = _count(patient)
    for number, (a, b) in enumerate(zip(_steps(patient, SEED, count), _steps(patient, SEED, count), strict=True)):
        for what, one, other in zip(("observation", "reward", "end of an episode"), a, b, strict=True):
            if not same(one, other):
                return Finding(
                    "determinism",
                    "problem",
                    f"with the same seed and actions, step {number} gave another {what} the second time",
                    DRAW,
                )
    return Finding("determinism", "ok", f"the same seed and actions gave the same {count} steps twice")


def seeds(patient: Patient) -> Finding:
    """Whether other seeds give something else."""
    count = _count(patient)
    first = list(_steps(patient, SEED, count))
    alike = [all(map(same, first, _steps(patient, seed, count))) for seed in OTHERS]
    if all(alike):
        return Finding(
            "seeds",
            "warning",
            f"seeds {SEED}, {', '.join(map(str, OTHERS))} all gave the same {count} steps of the same actions",
            f"nothing if episodes are meant to be all alike; otherwise {DRAW}",
        )
    return Finding("seeds", "ok", "other seeds give other episodes")


def resuming(patient: Patient) -> Finding | None:
    """Whether a training that was stopped in the middle of an episode could go on."""
    try:
        env = GymEnv(patient.config)
    except ConfigError:
        return None
    try:
        with warnings.catch_warnings(record=True):  # what Gymnasium has to say is told by its own check
            _into_a_later_episode(env, _count(patient))
            GymEnv(patient.config).load_state(env.state())
    except CheckpointError:
        return Finding(
            "resuming",
            "problem",
            "an episode that was played again after a restart became another one",
            "let reset() set everything that steps depend on, and " + DRAW,
        )
    return Finding("resuming", "ok", "a training can be stopped and go on in the middle of an episode")


def _into_a_later_episode(env: GymEnv, most: int) -> None:
    """Play until the third episode, or so many steps."""
    rng, episodes = np.random.default_rng(ACTION_SEED), 0
    env.reset(SEED)
    for _ in range(most):
        _, _, terminated, truncated = env.step(rng.uniform(-1, 1, env.action_dim))
        if terminated or truncated:
            env.reset()
            episodes += 1
        elif episodes >= 2 and env.elapsed >= 2:
            return
    if not episodes:
        env.reset()
        env.step(rng.uniform(-1, 1, env.action_dim))


def _count(patient: Patient) -> int:
    """Steps that are compared: what a second is enough for."""
    return int(np.clip(patient.play.rate, 2, MOST_STEPS))


def _steps(patient: Patient, seed: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Observation, reward and how it ended, of the first reset and of every step of a new environment."""
    env = patient.make()
    actions = random_actions(env)
    yield copied(env.reset(seed=seed)[0]), 0.0, (False, False)
    for _ in range(count):
        obs, reward, terminated, truncated, _ = env.step(actions.sample())
        yield copied(obs), float(reward), (bool(terminated), bool(truncated))
        if terminated or truncated:
            env.reset()
