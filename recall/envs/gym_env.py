"""Any Gymnasium environment with vectors in and out: made or refused in a sentence, stepped, and resumed exactly."""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box

from recall.envs.registration import check_action, check_observation, made, registered, time_limit
from recall.errors import CheckpointError, NonFiniteError, RecallError

REDUCED: dict[str, tuple[dict[str, bool], str]] = {
    "Ant-v5": (
        {"include_cfrc_ext_in_observation": False},
        "positions and velocities without contact forces (27 numbers)",
    ),
    "Humanoid-v5": (
        {
            "include_cinert_in_observation": False,
            "include_cvel_in_observation": False,
            "include_qfrc_actuator_in_observation": False,
            "include_cfrc_ext_in_observation": False,
        },
        "positions and velocities without inertias, actuator forces and contact forces (45 numbers)",
    ),
}
"""Environments whose observation is reduced to what decides the next one, and how to say so. Ours: a backward
model then has 27 and 45 numbers to predict instead of 105 and 348, most of which follow from those."""


@dataclass(frozen=True)
class GymConfig:
    """Which environment, and what of it is observed."""

    env_id: str
    """A registered id, or `module:id` where importing the module registers it. Sec. 6.4 has MuJoCo tasks."""
    full_observation: bool = False
    """Observe Ant-v5 and Humanoid-v5 as Gymnasium does by default (105 and 348 numbers). Not stated; ours."""

    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""

    @property
    def kwargs(self) -> dict[str, bool]:
        """What `gymnasium.make` is given beside the id."""
        return dict(REDUCED[self.env_id][0]) if self._reduced else {}

    @property
    def label(self) -> str:
        """A short name, fit for a folder: `Ant-v5`, `Ant-v5-full`."""
        name = self.env_id.replace("/", "-").replace(":", "-")
        return name if self._reduced or self.env_id not in REDUCED else f"{name}-full"

    @property
    def observation(self) -> str:
        """A sentence that says what is observed."""
        what = REDUCED[self.env_id][1] if self._reduced else "what Gymnasium gives by default"
        return f"The observation of {self.env_id} is {what}."

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages beside Gymnasium whose versions decide the numbers, by where the environment's code lies."""
        return ("mujoco",) if "mujoco" in str(registered(self.env_id).entry_point) else ()

    @property
    def _reduced(self) -> bool:
        return self.env_id in REDUCED and not self.full_observation


def make(config: GymConfig, render_mode: str | None = None) -> gym.Env:
    """The environment, whose observation is a vector and whose action is a bounded one.

    Args:
        config: which one.
        render_mode: Gymnasium's, for `render()`; None draws nothing.

    Raises:
        ConfigError: there is no such environment, it needs a missing package, its spaces are others, or nothing
            limits an episode.
    """
    drawn: dict[str, Any] = {"render_mode": render_mode} if render_mode else {}  # not every environment knows it
    env = made(config.env_id, **drawn, **config.kwargs)
    check_observation(config.env_id, env)
    check_action(config.env_id, env)
    time_limit(env)
    return env


class GymEnv:
    """One environment, driven by actions in [-1, 1] and resumed to the bit.

    It never resets itself: when an episode ends, the caller calls `reset()`, without a seed.

    A checkpoint holds how the episode began (the seed of its reset, or else the environment's random generator as
    it was before) and the episode's actions; loading plays them again. That is the exact way for any environment:
    it also restores what a physics state leaves out (derived quantities such as MuJoCo's `xpos`, from which the
    next reward takes a difference, the step counters of wrappers, the attributes of an environment nobody has
    seen), it is small, and it is proved each time: the observation, and with MuJoCo the full integration state
    with the solver's warm start, must come out equal to the bit. It costs the time of the episode's steps, once.

    Attributes:
        env: the Gymnasium environment with its wrappers.
        obs_dim, action_dim: sizes.
        obs: the current observation, (obs_dim,) float32.
    """

    def __init__(self, config: GymConfig, render_mode: str | None = None) -> None:
        self.config = config
        self.env = make(config, render_mode)
        space = self.env.action_space
        assert isinstance(space, Box)
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        self._centre, self._half, self._dtype = (low + high) / 2, (high - low) / 2, space.dtype
        self.obs_dim, self.action_dim = self.env.observation_space.shape[0], space.shape[0]  # type: ignore[index]
        self.obs = np.zeros(self.obs_dim, np.float32)
        self._start: dict[str, Any] = {}
        self._actions: list[np.ndarray] = []

    @property
    def max_episode_steps(self) -> int:
        """Steps until an episode is truncated."""
        return time_limit(self.env)

    @property
    def elapsed(self) -> int:
        """Steps since the episode began."""
        return len(self._actions)

    def rescale(self, action: np.ndarray) -> np.ndarray:
        """From [-1, 1] to the environment's bounds, (..., action_dim); in bounds of [-1, 1] nothing changes."""
        return (self._centre + self._half * action).astype(self._dtype)

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Begin an episode; a seed restarts the environment's random numbers.

        Returns:
            The first observation, (obs_dim,) float32.

        Raises:
            NonFiniteError: a number of the observation is NaN or infinite.
        """
        generator = self.env.unwrapped.np_random.bit_generator.state if seed is None else None
        self._start = {"seed": seed, "generator": generator}
        self._actions = []
        self.obs = self._checked(self.env.reset(seed=seed)[0])
        return self.obs

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        """Act once.

        Args:
            action: in [-1, 1], (action_dim,).

        Returns:
            next_obs (obs_dim,) float32, reward, terminated, truncated.

        Raises:
            NonFiniteError: the action, the observation or the reward is NaN or infinite.
        """
        action = np.array(action, np.float32)
        if not np.isfinite(action).all():
            raise NonFiniteError(f"{self.where}: the action is NaN or infinite")
        self._actions.append(action)
        next_obs, reward, terminated, truncated, _ = self.env.step(self.rescale(action))
        self.obs = self._checked(next_obs)
        if not np.isfinite(float(reward)):
            raise NonFiniteError(f"{self.where}: the reward is NaN or infinite")
        return self.obs, float(reward), bool(terminated), bool(truncated)

    def note(self, action: np.ndarray, obs: np.ndarray) -> None:
        """Take in a step that was made on its simulation beside `step`, exactly as that would have made it."""
        self._actions.append(action)
        self.obs = obs

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs: how this episode began, its actions, and the proof."""
        if not self._start:
            raise RecallError("no episode has begun; call reset() before state()")
        actions = np.array(self._actions, np.float32).reshape(-1, self.action_dim)
        return {**self._start, "actions": actions, "obs": self.obs.copy(), "physics": self._physics()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Put the environment back where `state()` found it, by playing the episode again.

        Raises:
            CheckpointError: it did not come out equal to the bit.
        """
        if state["actions"].shape[1] == self.action_dim:
            self._replay(state)
            if _equal_bits(self.obs, state["obs"]) and _equal_bits(self._physics(), state["physics"]):
                return
        raise CheckpointError(
            f"playing the episode again in {self.config.env_id} did not lead back to the stored state; the "
            "environment is not deterministic, or it or a library has changed since: start the run anew"
        )

    def _replay(self, state: dict[str, Any]) -> None:
        if state["seed"] is None:
            self.env.unwrapped.np_random.bit_generator.state = state["generator"]
        self.reset(state["seed"])
        for action in state["actions"]:
            self.step(action)

    def _physics(self) -> np.ndarray:
        """MuJoCo's integration state with the solver's warm start, (size,) float64; empty elsewhere."""
        env: Any = self.env.unwrapped
        mujoco = sys.modules.get("mujoco")  # an environment that uses it has imported it
        if mujoco is None or not isinstance(getattr(env, "model", None), mujoco.MjModel):
            return np.empty(0)
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.empty(mujoco.mj_stateSize(env.model, kind))
        mujoco.mj_getState(env.model, env.data, physics, kind)
        return physics

    def _checked(self, obs: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is then named
            obs = np.array(obs, np.float32)
        if not np.isfinite(obs).all():
            raise NonFiniteError(f"{self.where}: the observation is NaN or infinite")
        return obs

    @property
    def where(self) -> str:
        """Environment and step, for the sentence of an error."""
        return f"{self.config.env_id}, step {len(self._actions)} of an episode"


def _equal_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()
