"""One-step reachability: nothing for what really happened, and clearly something for what did not."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from recall.envs.gym_env import GymConfig, GymEnv
from recall.envs.simulator import SUPPORTED, Simulator, reachability_error
from recall.errors import ConfigError

PLANAR = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5", "InvertedPendulum-v5")
CONTACTS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5")
CONFIGS = [GymConfig(name) for name in SUPPORTED] + [GymConfig("Ant-v5", full_observation=True)]


@cache
def transitions(config: GymConfig, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Real transitions in float64 under random actions: obs, action, next_obs, and whether something touched."""
    env = GymEnv(config)
    inner: Any = env.env.unwrapped
    draw = np.random.default_rng(0)
    env.reset(0)
    rows = []
    for _ in range(n):
        obs, action = inner._get_obs(), draw.uniform(-1, 1, env.action_dim).astype(np.float32)
        *_, terminated, truncated = env.step(action)
        rows.append((obs, action, inner._get_obs(), inner.data.ncon > 0))
        if terminated or truncated:
            env.reset()
    obs, action, next_obs, touches = (np.array(column) for column in zip(*rows, strict=True))
    return obs, action, next_obs, touches


def differing(scale: np.ndarray) -> np.ndarray:
    """The scale with 1 where a dimension never changes, as some contact forces do."""
    return np.where(scale > 0, scale, 1)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.label)
def test_real_transitions_are_reached(config: GymConfig) -> None:
    """Without those that start at Hopper's and Walker2d's cut of velocities, which do not tell their state."""
    obs, action, next_obs, touches = transitions(config)
    simulator = Simulator(config)
    known = simulator.determines(obs)
    reached = simulator.step_from(obs[known], action[known])
    bound = 1e-6 if config.env_id in PLANAR else 1e-3
    assert np.abs(reached - next_obs[known]).max() < bound
    assert reachability_error(next_obs[known], reached, differing(next_obs.std(0))).max() < bound
    assert known.sum() > 50
    assert (touches[known].sum() > 20) == (config.env_id in CONTACTS)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.label)
def test_other_states_and_actions_are_not(config: GymConfig) -> None:
    obs, action, next_obs, _ = transitions(config)
    simulator, scale = Simulator(config), differing(next_obs.std(0))
    known = simulator.determines(obs)
    obs, action, next_obs = obs[known], action[known], next_obs[known]
    moved = obs + 0.1 * scale * np.random.default_rng(1).normal(size=obs.shape)
    for wrong in (simulator.step_from(moved, action), simulator.step_from(obs, -action)):
        assert np.median(reachability_error(next_obs, wrong, scale)) > 1e-2


def test_float32_costs_accuracy_but_little() -> None:
    for name in CONTACTS:
        obs, action, next_obs, _ = transitions(GymConfig(name))
        simulator = Simulator(GymConfig(name))
        known = simulator.determines(obs)
        reached = simulator.step_from(obs[known].astype(np.float32), action[known])
        error = reachability_error(next_obs[known], reached, next_obs.std(0))
        assert np.median(error) < 1e-6
        assert error.max() < 1e-4


def test_velocities_at_the_cut_do_not_tell_the_state() -> None:
    obs, action, next_obs, _ = transitions(GymConfig("Walker2d-v5"))
    simulator = Simulator(GymConfig("Walker2d-v5"))
    known = simulator.determines(obs)
    assert np.array_equal(known, (np.abs(obs[:, 8:]) < 10).all(1))
    assert not known.all()
    error = reachability_error(next_obs, simulator.step_from(obs, action), next_obs.std(0))
    assert np.median(error[~known]) > 1e-3
    assert Simulator(GymConfig("Ant-v5")).determines(np.full((2, 27), 20)).all()


def test_rows_do_not_influence_each_other() -> None:
    obs, action, *_ = (column[:20] for column in transitions(GymConfig("Hopper-v5")))
    simulator = Simulator(GymConfig("Hopper-v5"))
    together = simulator.step_from(obs, action)
    assert np.array_equal(simulator.step_from(obs[::-1], action[::-1]), together[::-1])
    assert np.array_equal(simulator.step_from(obs[7:8], action[7:8]), together[7:8])
    assert simulator.step_from(obs[:0], action[:0]).shape == (0, 11)


def test_quaternions_are_normalised() -> None:
    obs, action, *_ = (column[:5] for column in transitions(GymConfig("Ant-v5")))
    simulator = Simulator(GymConfig("Ant-v5"))
    longer = obs.copy()
    longer[:, 1:5] *= 4
    assert np.allclose(simulator.step_from(longer, action), simulator.step_from(obs, action), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["Hopper-v5", "HalfCheetah-v5", "Ant-v5", "Humanoid-v5"])
def test_what_diverges_is_nan_in_silence(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs, action, next_obs, _ = (column[:8].copy() for column in transitions(GymConfig(name)))
    simulator = Simulator(GymConfig(name))
    obs[0, 3] = np.nan
    obs[1, -1] = np.inf
    obs[2, -6:] = 1e12
    obs[3] = 1e200
    action[4, 0] = np.nan
    monkeypatch.chdir(tmp_path)  # where MuJoCo would write its log
    capfd.readouterr()
    reached = simulator.step_from(obs, action)
    assert np.isnan(reached).all(1).tolist() == [True] * 5 + [False] * 3
    assert np.isfinite(reached[5:]).all()
    assert np.array_equal(
        np.isnan(reachability_error(next_obs, reached, np.ones(obs.shape[1]))), np.isnan(reached[:, 0])
    )
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_quaternion_without_direction_is_nan() -> None:
    obs, action, *_ = (column[:3].copy() for column in transitions(GymConfig("Humanoid-v5")))
    obs[0, 1:5], obs[1, 1:5] = 0, 1e200
    reached = Simulator(GymConfig("Humanoid-v5")).step_from(obs, action)
    assert np.isnan(reached).all(1).tolist() == [True, True, False]


def test_training_environments_are_left_alone() -> None:
    config = GymConfig("Hopper-v5")
    env = GymEnv(config)
    env.reset(0)
    before = env.state()["physics"]
    obs, action, *_ = transitions(config)
    Simulator(config).step_from(obs, action)
    assert env.state()["physics"].tobytes() == before.tobytes()
    assert env.env.unwrapped.model.opt.disableflags == 0  # type: ignore[attr-defined]


def test_reachability_error_by_hand() -> None:
    error = reachability_error(np.array([[1.0, 2.0]]), np.array([[4.0, 4.0]]), np.array([1.0, 0.5]))
    assert error.tolist() == [np.sqrt((3**2 + 4**2) / 2)]


def test_other_environments_are_refused_in_a_sentence() -> None:
    config = GymConfig("Reacher-v5")
    assert not Simulator.supports(config)
    with pytest.raises(
        ConfigError, match=r"^the observation of Reacher-v5 does not tell its state in MuJoCo; one-step"
    ):
        Simulator(config)
