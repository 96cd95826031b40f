"""Bodies stepped side by side are Gymnasium's to the bit, whatever happens to them."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.wrappers import TransformReward
from small_control import CART

from recall.checkpoints import Checkpoint
from recall.envs.gym_env import GymConfig
from recall.envs.gym_vector import GymEnvs
from recall.envs.mujoco_vector import BODIES, Ants, HalfCheetahs, Hoppers, Walkers, gym_envs
from recall.errors import NonFiniteError

SEEDS = np.array([[3, 1, 4], [1, 5, 9]])
CONFIGS = {
    GymConfig("HalfCheetah-v5"): HalfCheetahs,
    GymConfig("Walker2d-v5"): Walkers,
    GymConfig("Hopper-v5"): Hoppers,
    GymConfig("Ant-v5"): Ants,
    GymConfig("Ant-v5", full_observation=True): Ants,
}
LABELS = {"ids": lambda each: each.label if isinstance(each, GymConfig) else each.__name__}


def actions(n: int, action_dim: int, seed: int = 0) -> np.ndarray:
    """Strong and weak pushes, (n, envs, action_dim) float32, so that bodies fall at different times."""
    scale = np.linspace(0.1, 1, SEEDS.size)[:, None]
    drawn = np.random.default_rng(seed).standard_normal((n, SEEDS.size, action_dim))
    return np.clip(scale * drawn, -1, 1).astype(np.float32)


def assert_same_steps(one: GymEnvs, other: GymEnvs, acts: np.ndarray) -> int:
    """Everything that two groups of environments return under the same actions; how many episodes ended."""
    ended = 0
    for action in acts:
        steps = one.step(action), other.step(action)
        for a, b in zip(*steps, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert a.tobytes() == b.tobytes()
        assert one.obs.tobytes() == other.obs.tobytes()
        assert np.array_equal(one.elapsed, other.elapsed)
        ended += int((steps[0][2] | steps[0][3]).sum())
    return ended


@pytest.mark.parametrize(("config", "kind"), CONFIGS.items(), **LABELS)
def test_every_step_is_gymnasiums_to_the_bit(config: GymConfig, kind: type[GymEnvs]) -> None:
    """Falls and the limit of time among them, and the states behind."""
    generic, fast = GymEnvs(config, SEEDS), gym_envs(config, SEEDS)
    assert type(fast) is kind
    ended = assert_same_steps(generic, fast, actions(1005 if kind is HalfCheetahs else 250, generic.action_dim))
    assert ended >= 6
    assert np.array_equal(generic.take_returns(), fast.take_returns(), equal_nan=True)
    for one, other in zip(generic.envs, fast.envs, strict=True):
        assert one._physics().tobytes() == other._physics().tobytes()


@pytest.mark.parametrize("config", CONFIGS, **LABELS)
def test_either_goes_on_where_the_other_stopped(config: GymConfig, tmp_path: Any) -> None:
    fast, generic = gym_envs(config, SEEDS), GymEnvs(config, SEEDS + 10)
    for action in actions(40, fast.action_dim):
        fast.step(action)
    Checkpoint(tmp_path).save(fast.state())
    state = Checkpoint(tmp_path).load(pytest.fail)
    assert state is not None
    generic.load_state(state)
    assert_same_steps(generic, fast, actions(60, fast.action_dim, seed=1))
    back = gym_envs(config, SEEDS + 20)
    back.load_state(generic.state())
    assert_same_steps(generic, back, actions(60, fast.action_dim, seed=2))


def changed(name: str, **kwargs: Any) -> GymConfig:
    """An environment of one of the classes with settings of its own."""
    spec = gym.registry[name]
    gym.register("Changed-v0", spec.entry_point, max_episode_steps=30, kwargs=kwargs)
    return GymConfig("Changed-v0")


@pytest.fixture
def registry() -> Any:
    """Forgets what a test registers."""
    yield
    gym.registry.pop("Changed-v0", None)


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("HalfCheetah-v5", {"forward_reward_weight": 3.0, "ctrl_cost_weight": 0.7, "frame_skip": 3}),
        ("HalfCheetah-v5", {"exclude_current_positions_from_observation": False}),
        ("Hopper-v5", {"healthy_reward": 0.3, "healthy_angle_range": (-0.05, 0.05)}),
        ("Hopper-v5", {"healthy_state_range": (-2.0, 2.0)}),
        ("Walker2d-v5", {"terminate_when_unhealthy": False, "healthy_z_range": (1.0, 1.3)}),
        ("Ant-v5", {"main_body": "torso", "contact_cost_weight": 0.01, "contact_force_range": (-0.5, 2.0)}),
        ("Ant-v5", {"main_body": 4, "healthy_z_range": (0.5, 0.7)}),
    ],
)
def test_an_environments_own_settings_count(name: str, kwargs: dict[str, Any]) -> None:
    config = changed(name, **kwargs)
    generic, fast = GymEnvs(config, SEEDS), gym_envs(config, SEEDS)
    assert type(fast) in BODIES.values()
    assert assert_same_steps(generic, fast, actions(70, generic.action_dim)) >= 12


def test_all_others_are_stepped_by_gymnasium() -> None:
    for env_id in (CART, "InvertedPendulum-v5", "Pendulum-v1", "Humanoid-v5"):
        assert type(gym_envs(GymConfig(env_id), SEEDS[:1, :1])) is GymEnvs


@pytest.mark.usefixtures("registry")
def test_a_wrapper_is_not_passed_over() -> None:
    def wrapped(**kwargs: Any) -> gym.Env:
        return TransformReward(gym.make("HalfCheetah-v5"), lambda reward: 2 * float(reward))

    gym.register("Changed-v0", wrapped, max_episode_steps=30)
    assert type(gym_envs(GymConfig("Changed-v0"), SEEDS[:1, :1])) is GymEnvs


@pytest.mark.parametrize(("what", "place"), [("action", None), ("observation", 3), ("reward", 0)])
def test_a_number_that_is_none_is_named(what: str, place: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    envs, acts = gym_envs(GymConfig("HalfCheetah-v5"), SEEDS), actions(2, 6)
    envs.step(acts[0])
    if place is None:
        acts[1, 2, 0] = np.nan
    else:
        broken = envs.envs[2].env.unwrapped.data  # type: ignore[attr-defined]

        def mj_step(model: Any, data: Any, nstep: int) -> None:
            if data is broken:
                data.qpos[place] = np.nan

        monkeypatch.setattr(mujoco, "mj_step", mj_step)
    with pytest.raises(NonFiniteError, match=f"HalfCheetah-v5, step . of an episode: the {what} is NaN or infinite"):
        envs.step(acts[1])
