"""Environments with vectors in and out: what is refused and how, and resuming to the bit."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.wrappers import TimeLimit

from recall.envs.gym_env import GymConfig, GymEnv, make
from recall.errors import CheckpointError, ConfigError, NonFiniteError, RecallError

UNIT = Box(-1, 1, (2,), np.float32)
VECTOR = Box(-np.inf, np.inf, (3,), np.float64)


class Toy(gymnasium.Env[np.ndarray, np.ndarray]):
    """A walk in three dimensions, with a fault where a test asks for one."""

    def __init__(self, fault: str = "", at: int = 3, obs: Box = VECTOR, action: Box = UNIT) -> None:
        self.fault, self.at = fault, at
        self.observation_space, self.action_space = obs, action
        self.entropy = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.normal(size=3), 0
        return self._obs(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, bool, dict]:
        self.steps += 1
        self.place = self.place + 0.1 * self.np_random.normal(size=3) + action[0]
        strange = self.steps == self.at
        reward = np.inf if strange and self.fault == "reward" else np.float64(self.place[0])
        return self._obs(), reward, strange and self.fault == "terminated", False, {}

    def _obs(self) -> np.ndarray:
        if self.steps == self.at and self.fault in ("nan", "-inf", "1e300"):
            self.place[1] = float(self.fault)
        if self.fault == "entropy":
            self.place += self.entropy.normal(size=3)
        return self.place


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    """Register the toy for one test: with a limit of 7 steps, and without."""
    gymnasium.register(id="Toy-v0", entry_point=Toy, max_episode_steps=7)
    gymnasium.register(id="ToyUnlimited-v0", entry_point=Toy)
    yield
    for name in ("Toy-v0", "ToyUnlimited-v0"):
        del gymnasium.registry[name]


def toy(**kwargs: Any) -> GymEnv:
    """The toy with a fault or with other spaces."""
    gymnasium.registry["Toy-v0"].kwargs.update(kwargs)
    return GymEnv(GymConfig("Toy-v0"))


def drive(env: GymEnv, actions: np.ndarray) -> list[tuple]:
    """Step, reset where an episode ends, and keep everything that came back."""
    seen: list[tuple] = []
    for action in actions:
        next_obs, reward, terminated, truncated = env.step(action)
        seen.append((next_obs.tobytes(), reward, terminated, truncated))
        if terminated or truncated:
            seen.append((env.reset().tobytes(),))
    return seen


def actions_for(env: GymEnv, n: int, seed: int = 0) -> np.ndarray:
    """Random actions, (n, action_dim) float32."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, env.action_dim)).astype(np.float32)


# What is made and what is refused


@pytest.mark.parametrize(
    ("env_id", "full", "obs_dim", "action_dim"),
    [
        ("HalfCheetah-v5", False, 17, 6),
        ("Hopper-v5", False, 11, 3),
        ("Walker2d-v5", False, 17, 6),
        ("Ant-v5", False, 27, 8),
        ("Ant-v5", True, 105, 8),
        ("Humanoid-v5", False, 45, 17),
        ("Humanoid-v5", True, 348, 17),
        ("Pendulum-v1", False, 3, 1),
    ],
)
def test_sizes(env_id: str, full: bool, obs_dim: int, action_dim: int) -> None:
    config = GymConfig(env_id, full)
    env = GymEnv(config)
    assert (env.obs_dim, env.action_dim) == (obs_dim, action_dim)
    assert env.reset(0).shape == (obs_dim,)
    assert env.obs.dtype == np.float32
    assert config.libraries == (() if env_id == "Pendulum-v1" else ("mujoco",))


def test_the_reduced_observation_is_the_beginning_of_the_full_one() -> None:
    for env_id, rest in (("Ant-v5", "contact forces (27"), ("Humanoid-v5", "contact forces (45")):
        reduced, full = GymConfig(env_id), GymConfig(env_id, full_observation=True)
        part, whole = GymEnv(reduced), GymEnv(full)
        part.reset(3)
        whole.reset(3)
        action = actions_for(part, 1)[0]
        assert np.array_equal(part.step(action)[0], whole.step(action)[0][: part.obs_dim])
        assert (reduced.label, full.label) == (env_id, f"{env_id}-full")
        assert rest in reduced.observation
        assert full.kwargs == {}
        assert full.observation == f"The observation of {env_id} is what Gymnasium gives by default."


def test_labels_name_folders() -> None:
    assert GymConfig("a/B-v0").label == "a-B-v0"
    assert GymConfig("HalfCheetah-v5", full_observation=True).label == "HalfCheetah-v5"


@pytest.mark.parametrize(
    ("env_id", "sentence"),
    [
        ("HalfCheeta-v5", "env_id is 'HalfCheeta-v5', which Gymnasium does not know; give a registered id, such as "),
        ("HalfCheetah", "which Gymnasium does not know; give a registered id, such as HalfCheetah-v"),
        ("", "env_id is '', which Gymnasium does not know; give a registered id (gymnasium.pprint_registry()"),
        ("no_such_module:X-v0", "but no_such_module cannot be imported; install it"),
        ("CartPole-v1", "CartPole-v1 has the actions Discrete(2); only a vector of real numbers"),
        ("recall.envs:recall/FourRooms-v0", "recall/FourRooms-v0 observes Discrete(68); only a vector"),
    ],
)
def test_what_cannot_be_used_is_refused(env_id: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        make(GymConfig(env_id))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("spaces", "sentence"),
    [
        ({"obs": Box(0, 255, (4, 4, 3), np.uint8)}, "Toy-v0 observes Box(0, 255, (4, 4, 3), uint8); only a vector"),
        ({"obs": Box(0, 9, (4,), np.int64)}, "Toy-v0 observes Box(0, 9, (4,), int64); only a vector"),
        ({"action": Box(-1, 1, (2, 2))}, "Toy-v0 has the actions Box(-1.0, 1.0, (2, 2), float32); only a vector"),
        ({"action": Box(0, 9, (2,), np.int64)}, "Toy-v0 has the actions Box(0, 9, (2,), int64); only a vector"),
        ({"action": Box(-np.inf, 1, (2,))}, "Toy-v0 has the actions Box(-inf, 1.0, (2,), float32); they must have"),
    ],
)
def test_other_spaces_are_refused(spaces: dict[str, Box], sentence: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        toy(**spaces)
    assert str(refusal.value).startswith(sentence)


def test_a_missing_mujoco_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.mujoco")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ConfigError, match=r"^Hopper-v5 cannot be made \(.*mujoco.*\); install what"):
        make(GymConfig("Hopper-v5"))


def test_mujoco_says_nothing_of_gymnasiums_own_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It speaks as before once they are made: what it says of a simulation may matter."""
    monkeypatch.chdir(tmp_path)
    make(GymConfig("HalfCheetah-v5"))
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())
    gymnasium.make("HalfCheetah-v5")
    assert "settotalmass" in capfd.readouterr().err
    assert len(list(tmp_path.iterdir())) == 1


# Stepping


@pytest.mark.parametrize("fault", ["nan", "-inf", "1e300"])
def test_an_observation_that_is_not_finite_is_named(fault: str) -> None:
    env = toy(fault=fault)
    env.reset(0)
    actions = actions_for(env, 3)
    drive(env, actions[:2])
    with pytest.raises(NonFiniteError, match=r"^Toy-v0, step 3 of an episode: the observation is NaN or infinite$"):
        env.step(actions[2])
    first = toy(fault=fault, at=0)
    with pytest.raises(NonFiniteError, match="step 0 of an episode: the observation"):
        first.reset(0)


def test_a_reward_or_an_action_that_is_not_finite_is_named() -> None:
    env = toy(fault="reward")
    env.reset(0)
    drive(env, actions_for(env, 2))
    with pytest.raises(NonFiniteError, match="step 2 of an episode: the action is NaN or infinite"):
        env.step(np.array([0, np.nan], np.float32))
    with pytest.raises(NonFiniteError, match="step 3 of an episode: the reward is NaN or infinite"):
        env.step(np.zeros(2, np.float32))


def test_actions_are_rescaled_to_the_bounds() -> None:
    env = toy(action=Box(np.array([-2, 0], np.float32), np.array([2, 10], np.float32)))
    assert env.rescale(np.array([-1, -1])).tolist() == [-2, 0]
    assert env.rescale(np.array([[1, 1], [0.5, -0.5]])).tolist() == [[2, 10], [1, 2.5]]
    assert env.rescale(np.zeros(2)).dtype == np.float32
    humanoid = GymEnv(GymConfig("Humanoid-v5"))
    assert np.array_equal(humanoid.rescale(np.ones(17)), humanoid.env.action_space.high)  # type: ignore[attr-defined]


def test_the_environment_receives_rescaled_actions() -> None:
    env, direct = GymEnv(GymConfig("Pendulum-v1")), gymnasium.make("Pendulum-v1")
    env.reset(1)
    direct.reset(seed=1)
    expected = direct.step(np.array([-1.5], np.float32))
    next_obs, reward, *_ = env.step(np.array([-0.75], np.float32))
    assert np.array_equal(next_obs, expected[0])
    assert reward == expected[1]


def test_unit_bounds_change_no_bit() -> None:
    env = GymEnv(GymConfig("HalfCheetah-v5"))
    action = actions_for(env, 100)
    assert np.array_equal(env.rescale(action), action)


def test_terminated_and_truncated_are_apart() -> None:
    for fault, end in (("terminated", (3, True, False)), ("", (7, False, True))):
        env = toy(fault=fault)
        env.reset(0)
        ends = [(step, *row[2:]) for step, row in enumerate(drive(env, actions_for(env, 7)), start=1) if any(row[2:])]
        assert ends[0] == end
    both = toy(fault="terminated", at=7)
    both.reset(0)
    assert drive(both, actions_for(both, 7))[6][2:] == (True, True)


def test_time_limits() -> None:
    assert GymEnv(GymConfig("Hopper-v5")).max_episode_steps == 1000
    assert toy().max_episode_steps == 7


def test_without_a_time_limit_an_environment_is_refused() -> None:
    """Whoever ends its episodes: the toy's never end, and its evaluation would not either."""
    with pytest.raises(
        ConfigError, match=r"^ToyUnlimited-v0 has no time limit, .*; register it with max_episode_steps"
    ):
        make(GymConfig("ToyUnlimited-v0"))
    gymnasium.registry["ToyUnlimited-v0"].entry_point = lambda: TimeLimit(Toy(), 5)
    assert GymEnv(GymConfig("ToyUnlimited-v0")).max_episode_steps == 5


def test_observations_are_not_written_again() -> None:
    env = toy()
    first = env.reset(0)
    kept = first.copy()
    drive(env, actions_for(env, 3))
    assert np.array_equal(first, kept)


# Resuming


def resume(env: GymEnv) -> GymEnv:
    """Another environment, put where this one is; it has lived before. The state survives a file of arrays and JSON."""
    stored = {k: v if isinstance(v, np.ndarray) else json.loads(json.dumps(v)) for k, v in env.state().items()}
    other = GymEnv(env.config)
    other.reset(99)
    drive(other, actions_for(other, 3, seed=9))
    other.load_state(stored)
    assert other.obs.tobytes() == env.obs.tobytes()
    return other


@pytest.mark.parametrize(
    ("env_id", "stops", "limit"),
    [
        ("HalfCheetah-v5", (0, 1, 37, 59), 60),  # truncated at 60: Gymnasium's 1000 would only take longer
        ("Hopper-v5", (0, 13, 14, 15, 59), 60),  # falls now and then
        ("Ant-v5", (0, 30, 49), 50),
        ("Humanoid-v5", (0, 15, 24), 25),
        ("Pendulum-v1", (0, 1, 100, 199, 201), None),
        ("Toy-v0", (0, 5, 6, 7, 8, 20), None),
    ],
)
def test_resuming_continues_to_the_bit(
    env_id: str, stops: tuple[int, ...], limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit:
        monkeypatch.setattr(gymnasium.registry[env_id], "max_episode_steps", limit)
    episodes_ended = 0
    for stop in stops:
        env = GymEnv(GymConfig(env_id))
        env.reset(5)
        drive(env, actions_for(env, stop))
        resumed = resume(env)
        actions = actions_for(env, 60, seed=1)
        expected = drive(env, actions)
        assert drive(resumed, actions) == expected
        assert resumed.state()["physics"].tobytes() == env.state()["physics"].tobytes()
        episodes_ended += sum(len(row) == 1 for row in expected)
    assert episodes_ended


def test_resuming_at_the_end_of_an_episode_and_after_an_unseeded_first_reset() -> None:
    env = toy()
    env.reset()
    for action in actions_for(env, 7):
        *_, truncated = env.step(action)
    assert truncated
    resumed = resume(env)
    assert resumed.reset().tobytes() == env.reset().tobytes()


def test_the_state_is_small_and_needs_an_episode() -> None:
    env = GymEnv(GymConfig("HalfCheetah-v5"))
    with pytest.raises(RecallError, match="no episode has begun; call reset"):
        env.state()
    env.reset(0)
    drive(env, actions_for(env, 999))
    state = env.state()
    assert state["actions"].shape == (999, 6)
    assert state["actions"].dtype == state["obs"].dtype == np.float32
    assert state["physics"].size > 18  # more than positions and velocities


def test_an_environment_that_is_not_deterministic_is_refused() -> None:
    env = toy(fault="entropy")
    env.reset(0)
    drive(env, actions_for(env, 2))
    with pytest.raises(CheckpointError, match=r"^playing the episode again in Toy-v0 .* not deterministic.*anew$"):
        toy(fault="entropy").load_state(env.state())


def test_a_foreign_or_changed_state_is_refused() -> None:
    env = GymEnv(GymConfig("Hopper-v5"))
    env.reset(0)
    drive(env, actions_for(env, 5))
    good = env.state()
    warm = good["physics"].copy()
    warm[-1] = np.nextafter(warm[-1], 1)
    action = good["actions"].copy()
    action[2, 0] = np.nextafter(action[2, 0], 2)
    for change in ({"physics": warm}, {"actions": action}, {"obs": good["obs"].astype(np.float64)}):
        with pytest.raises(CheckpointError):
            GymEnv(env.config).load_state({**good, **change})
    with pytest.raises(CheckpointError):
        GymEnv(GymConfig("HalfCheetah-v5")).load_state(good)
    GymEnv(env.config).load_state(good)
