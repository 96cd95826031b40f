"""Small runs of soft actor-critics, trained in about a second, and an environment whose past is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box

import recall.engine
from recall.agents.sac import SACConfig
from recall.continuous_recaller import ContinuousRecallConfig, ContinuousRecaller
from recall.envs.gym_env import GymConfig
from recall.errors import TrainingStoppedError
from recall.loop import Training
from recall.off_policy import OffPolicyTraining
from recall.replay import ReplayBuffer
from recall.runs import RunSpec
from recall.seeding import Streams

AGENT = SACConfig(batch_size=32, hidden=(16, 16), buffer_size=150, random_steps=60, precision="float32")
REPAIRED = ContinuousRecallConfig(
    length=5, n_traces=4, interval=40, model_updates=3, model_batch=32, imitation_batch=16, top_fraction=0.4
)
AS_WRITTEN = replace(
    REPAIRED,
    joint=False,
    weight=1.0,
    target_fraction=None,
    normalise=False,
    pre_tanh=False,
    action_std=1.0,
    stay_in_range=False,
)
ARMS = {"baseline": None, "repaired": REPAIRED, "as-written": AS_WRITTEN}
CART = "small_control:Cart-v0"
"""The environment below."""


def run_eagerly(patch: pytest.MonkeyPatch) -> None:
    """Let nothing be compiled, and use the product with the least overhead: the networks are tiny."""
    patch.setattr(recall.engine, "engine", lambda: "eager")
    patch.setattr(recall.engine, "ONEDNN", False)


def sac_spec(
    arm: str = "baseline",
    seeds: tuple[int, ...] = (0,),
    steps: int = 200,
    env_id: str = "InvertedPendulum-v5",
    agent: SACConfig = AGENT,
    eval_every: int = 60,
    **recall: Any,
) -> RunSpec:
    """A run in which the replay buffer overflows and recall happens four times."""
    config = ARMS[arm]
    if config is not None:
        config = replace(config, **recall)
    return RunSpec("small", arm, env_id, GymConfig(env_id), agent, config, seeds, steps, eval_every)


SHORT = 130


def short_spec(arm: str, env_id: str = CART) -> RunSpec:
    """A run that recalls after 61, 91 and 121 steps, whose buffer holds the last 100."""
    settings = {"interval": 30} if arm != "baseline" else {}
    return sac_spec(arm, (0,), SHORT, env_id, replace(AGENT, buffer_size=100), 45, **settings)


def stop_at(update: int) -> Callable[[Training], None]:
    """What asks a training to stop after an update."""

    def stop(training: Training) -> None:
        if training.update == update:
            raise TrainingStoppedError

    return stop


def trained(spec: RunSpec, steps: int) -> OffPolicyTraining:
    """A training after some steps."""
    training = OffPolicyTraining(spec)
    while training.update < steps:
        training.step()
    return training


class Cart(gym.Env[np.ndarray, np.ndarray]):
    """A double integrator: position and velocity, pushed by the action, each step worth minus the distance to 0."""

    TIME = 0.2
    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1, 1, 2)
        return self.state, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.state = self.forward(self.state, action)
        return self.state, -float(np.abs(self.state[0])), bool(np.abs(self.state[0]) > 2), False, {}

    @classmethod
    def forward(cls, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Where states (..., 2) and actions (..., 1) lead."""
        velocity = state[..., 1:] + cls.TIME * action
        return np.concatenate([state[..., :1] + cls.TIME * velocity, velocity], -1)


gym.register(id="Cart-v0", entry_point=Cart, max_episode_steps=20)


def filled(n_runs: int = 2, n: int = 200, capacity: int = 10**6, seed: int = 0) -> ReplayBuffer:
    """The carts' transitions under a policy that steers to 0 with noise; every tenth is terminal."""
    rng = np.random.default_rng(seed)
    replay, obs = ReplayBuffer(capacity, n_runs, 2, 1), rng.uniform(-1, 1, (n_runs, 2))
    for step in range(n):
        action = np.tanh(-0.5 * obs.sum(1, keepdims=True) + 0.5 * rng.standard_normal((n_runs, 1)))
        next_obs = Cart.forward(obs, action)
        replay.add(obs, action, -np.abs(next_obs[:, 0]), next_obs, np.full(n_runs, step % 10 == 9))
        obs = rng.uniform(-1, 1, (n_runs, 2)) if step % 10 == 9 else next_obs
    return replay


class Pupil:
    """An agent to whom the middle is dearest, and who keeps what it is handed."""

    def __init__(self) -> None:
        self.joint: list[tuple] = []
        self.own: list[tuple] = []

    def value(self, obs: np.ndarray) -> np.ndarray:
        return -np.square(obs).sum(2)

    def imitate(self, *pairs: Any) -> None:
        self.joint.append(pairs)

    def imitate_now(self, *pairs: Any) -> None:
        self.own.append(pairs)


def recaller(replay: ReplayBuffer | None = None, **settings: Any) -> ContinuousRecaller:
    """A recaller beside the carts' experience."""
    replay = replay or filled()
    return ContinuousRecaller(replace(REPAIRED, **settings), replay, Streams(range(len(replay.rows))))
