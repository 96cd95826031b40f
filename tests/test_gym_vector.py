"""Environments of a group: each as it would be alone, with the true last observations, resumed to the bit."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from small_control import CART

from recall.checkpoints import Checkpoint
from recall.envs.gym_env import GymConfig, GymEnv
from recall.envs.gym_vector import GymEnvs

SEEDS = np.array([3, 1, 4])
IDS = (CART, "InvertedPendulum-v5")
"""Episodes of the cart end by themselves or after 20 steps, those of the pendulum when it falls."""


class Steps(NamedTuple):
    """What came of driving environments: (steps, runs, ...) each."""

    obs: np.ndarray
    """Before the step."""
    next_obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def actions(n: int, runs: int = 3, seed: int = 0) -> np.ndarray:
    """Pushes that differ from run to run, so that episodes end at different times."""
    drift = np.linspace(-0.3, 1, runs)[:, None]
    return np.clip(np.random.default_rng(seed).uniform(-1, 1, (n, runs, 1)) + drift, -1, 1).astype(np.float32)


def drive(envs: GymEnvs, acts: np.ndarray) -> Steps:
    rows = [(envs.obs, *envs.step(action)) for action in acts]
    return Steps(*(np.array(column) for column in zip(*rows, strict=True)))


def ends(steps: Steps) -> np.ndarray:
    return steps.terminated | steps.truncated


@pytest.mark.parametrize("env_id", IDS)
def test_each_run_is_as_it_would_be_alone(env_id: str) -> None:
    """Its first seed decides everything, later episodes too."""
    acts = actions(120)
    steps = drive(GymEnvs(GymConfig(env_id), SEEDS), acts)
    for run, seed in enumerate(SEEDS):
        env = GymEnv(GymConfig(env_id))
        obs = env.reset(int(seed))
        for t, action in enumerate(acts[:, run]):
            assert np.array_equal(steps.obs[t, run], obs)
            obs, reward, terminated, truncated = env.step(action)
            assert np.array_equal(steps.next_obs[t, run], obs)
            found = (steps.reward[t, run], steps.terminated[t, run], steps.truncated[t, run])
            assert found == (reward, terminated, truncated)
            if terminated or truncated:
                obs = env.reset()
    assert ends(steps).sum(0).min() > 2
    assert len({tuple(column) for column in ends(steps).T}) == 3  # not all at once


@pytest.mark.parametrize("env_id", IDS)
def test_the_last_observation_is_true_and_the_next_step_begins_anew(env_id: str) -> None:
    steps = drive(GymEnvs(GymConfig(env_id), SEEDS), actions(120))
    ended = ends(steps)[:-1]
    assert np.array_equal(steps.obs[1:][~ended], steps.next_obs[:-1][~ended])
    assert (steps.obs[1:][ended] != steps.next_obs[:-1][ended]).any(1).all()
    beyond = np.abs(steps.next_obs[..., 0 if env_id == CART else 1]) > (2 if env_id == CART else 0.2)
    assert np.array_equal(beyond, steps.terminated)


def test_terminated_and_truncated_are_apart() -> None:
    steps = drive(GymEnvs(GymConfig(CART), SEEDS), actions(200))
    assert steps.truncated.any()
    assert steps.terminated.any()
    assert not (steps.truncated & steps.terminated).all(1).any()


def test_sizes() -> None:
    envs = GymEnvs(GymConfig("InvertedPendulum-v5"), SEEDS)
    assert (envs.obs_dim, envs.action_dim) == (4, 1)
    steps = drive(envs, actions(2))
    assert steps.next_obs.dtype == np.float32
    assert [each.shape for each in steps] == [(2, 3, 4), (2, 3, 4), (2, 3), (2, 3), (2, 3)]


def test_returns_are_those_of_the_episodes_that_ended_since_they_were_taken() -> None:
    envs, acts = GymEnvs(GymConfig(CART), SEEDS), actions(150)
    assert np.isnan(envs.take_returns()).all()
    rewards, ended = np.zeros(3), [list[float]() for _ in SEEDS]
    for t, action in enumerate(acts):
        _, reward, terminated, truncated = envs.step(action)
        rewards += reward
        for run in np.flatnonzero(terminated | truncated):
            ended[run].append(rewards[run])
            rewards[run] = 0
        if t % 15 == 14:
            expected = [np.mean(returns) if returns else np.nan for returns in ended]
            assert np.array_equal(envs.take_returns(), expected, equal_nan=True)
            ended = [[] for _ in SEEDS]


@pytest.mark.parametrize("env_id", IDS)
def test_resuming_continues_to_the_bit(env_id: str, tmp_path: Path) -> None:
    """At the beginning, in the middle of episodes, and wherever one has just ended."""
    config, acts = GymConfig(env_id), actions(60)
    ended = np.flatnonzero(ends(drive(GymEnvs(config, SEEDS), acts)).any(1))[:3] + 1
    for stop in {0, 1, 7, 33, *ended.tolist()}:
        envs, resumed = GymEnvs(config, SEEDS), GymEnvs(config, SEEDS + 10)
        drive(resumed, actions(9, seed=5))
        for action in acts[:stop]:
            envs.step(action)
        Checkpoint(tmp_path).save({"envs": envs.state()})
        state = Checkpoint(tmp_path).load(pytest.fail)
        assert state is not None
        resumed.load_state(state["envs"])
        expected, found = (drive(each, actions(50, seed=1)) for each in (envs, resumed))
        assert all(map(np.array_equal, found, expected))
        assert np.array_equal(resumed.take_returns(), envs.take_returns(), equal_nan=True)


def test_what_was_given_is_not_overwritten() -> None:
    envs = GymEnvs(GymConfig(CART), SEEDS)
    before = envs.obs
    kept, (next_obs, *_) = before.copy(), envs.step(actions(1)[0])
    next_kept = next_obs.copy()
    drive(envs, actions(60))
    assert np.array_equal(before, kept)
    assert np.array_equal(next_obs, next_kept)
