"""Recall traces beside the agents of stable-baselines3, as they are installed."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import TRPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from recall.continuous_recaller import ContinuousRecallConfig
from recall.errors import ConfigError
from recall.sb3 import CallbackConfig, RecallCallback

TRACES = ContinuousRecallConfig(length=5, n_traces=8, model_updates=5, model_batch=32)
ON_POLICY = {"n_steps": 64, "seed": 0}
AGENTS = {
    "PPO": (PPO, "CartPole-v1", ON_POLICY | {"batch_size": 32, "n_epochs": 2}),
    "A2C": (A2C, "CartPole-v1", ON_POLICY),
    "TRPO": (TRPO, "Pendulum-v1", ON_POLICY | {"batch_size": 32}),
    "SAC": (SAC, "Pendulum-v1", {"learning_starts": 50, "buffer_size": 500, "batch_size": 32, "seed": 0}),
}


def agent(name: str) -> BaseAlgorithm:
    """A small one."""
    kind, env_id, settings = AGENTS[name]
    return kind("MlpPolicy", env_id, device="cpu", policy_kwargs={"net_arch": [16]}, **settings)


def callback(**settings: float) -> RecallCallback:
    """One that recalls every 100 steps."""
    return RecallCallback(CallbackConfig(**{"interval": 100, "batch": 32} | settings), TRACES)


def parameters(model: BaseAlgorithm) -> torch.Tensor:
    """All that is learned, in one row."""
    return torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach().clone()


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_learns_recalls_and_imitates(name: str) -> None:
    recalling = callback()
    agent(name).learn(300, recalling)
    assert len(recalling.recall.replay) >= 300
    assert {"action_nll", "state_nll", "trace_length", "imitation_loss"} <= recalling.metrics.keys()
    assert all(np.isfinite(list(recalling.metrics.values())))


@pytest.mark.parametrize("name", AGENTS)
def test_without_imitation_the_agent_is_the_same_to_the_bit(name: str) -> None:
    """Recalling touches neither its random numbers nor its networks."""
    alone, watched, moved = (
        parameters(agent(name).learn(200, recalling))
        for recalling in (None, callback(steps=0), callback(learning_rate=1e-2))
    )
    assert torch.equal(alone, watched)
    assert not torch.equal(alone, moved)


@pytest.mark.parametrize("name", AGENTS)
def test_imitation_makes_what_was_recalled_more_likely(name: str) -> None:
    recalling = callback(learning_rate=1e-3, batch=2000)
    model = agent(name)
    model.learn(150, recalling)
    recalling.imitate()
    first = recalling.metrics["imitation_loss"]
    for _ in range(30):
        recalling.imitate()
    assert recalling.metrics["imitation_loss"] < first


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("name", ["PPO", "SAC"])
def test_an_agent_that_goes_on_goes_on_recalling(name: str, reset: bool) -> None:
    """With the callback that it had, whose memory stays, or with another, which begins anew."""
    model, recalling = agent(name), callback()
    model.learn(200, recalling)
    held = recalling.recall.replay.end
    for another in (recalling, callback()):
        another.metrics = {}
        model.learn(200, another, reset_num_timesteps=reset)
        assert "imitation_loss" in another.metrics
    assert recalling.recall.replay.end >= held + 200
    assert another.recall.replay.end < held + 200


def test_the_last_state_of_an_episode_is_the_true_one() -> None:
    """Not the first of the next, which the vector environment shows; and a time limit is no end."""
    seen: list[np.ndarray] = []

    class Noting(gym.Wrapper):
        def step(self, action: object) -> tuple:
            found = super().step(action)
            seen.append(np.asarray(found[0]))
            return found

    env = gym.wrappers.TimeLimit(Noting(gym.make("CartPole-v1")), 12)
    recalling = callback()
    PPO("MlpPolicy", env, device="cpu", **ON_POLICY).learn(64, recalling)
    replay = recalling.recall.replay
    found = replay.take(np.arange(replay.end)[None])
    np.testing.assert_allclose(found.next_obs[0], np.stack(seen), rtol=1e-6)
    fell = np.abs(found.next_obs[0][:, 2]) > 0.2095
    np.testing.assert_array_equal(found.terminated[0] > 0, fell)


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ConfigError, match="DQN is not known; choose from SAC, PPO, A2C and TRPO"):
        DQN("MlpPolicy", "CartPole-v1", device="cpu", buffer_size=100).learn(10, callback())
    with pytest.raises(ConfigError, match="RecurrentPPO is not known; choose from SAC, PPO, A2C and TRPO"):
        RecurrentPPO("MlpLstmPolicy", "CartPole-v1", device="cpu", n_steps=8).learn(8, callback())
    with pytest.raises(ConfigError, match="recall traces need vectors"):
        PPO("MlpPolicy", gym.make("FrozenLake-v1"), device="cpu").learn(10, callback())
    with pytest.raises(ConfigError, match="interval is 0; it must be positive"):
        CallbackConfig(interval=0)
    with pytest.raises(ConfigError, match="steps is -1; it must be 0 or more"):
        CallbackConfig(steps=-1)
