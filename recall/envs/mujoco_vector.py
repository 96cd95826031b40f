"""MuJoCo's walking bodies side by side: a loop that only simulates, and the rest for all of them at once.

Gymnasium's own step spends a quarter of its time on what is done here once for all environments. Observations, rewards
and ends are equal to Gymnasium's to the bit, as is the simulation, so that either can go on where the other stopped.
"""

from typing import Any, ClassVar

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.envs.mujoco.walker2d_v5 import Walker2dEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from recall.envs.gym_env import GymConfig, make
from recall.envs.gym_vector import GymEnvs
from recall.errors import NonFiniteError

PLAIN = (TimeLimit, OrderEnforcing, PassiveEnvChecker)
"""Wrappers that `gymnasium.make` puts around them, and whose part is done here."""


def gym_envs(config: GymConfig, seeds: np.ndarray) -> GymEnvs:
    """Environments of independent runs, in the fastest form that they have."""
    env = make(config)
    bodies = BODIES.get(type(env.unwrapped), GymEnvs)
    return bodies(config, seeds) if _plain(env) else GymEnvs(config, seeds)


def _plain(env: gym.Env) -> bool:
    """Whether nothing is wrapped around an environment that would change what it does."""
    while isinstance(env, gym.Wrapper):
        if type(env) not in PLAIN:
            return False
        env = env.env
    return True


class Bodies(GymEnvs):
    """Environments of one class: what differs between classes is a method of a subclass.

    `self.env` is the first of them, whose settings are those of all.
    """

    velocity_limit: ClassVar[float] = np.inf
    """Observed velocities are cut to plus and minus this."""
    feels_contacts: ClassVar[bool] = False
    """Whether contact forces count, which MuJoCo computes on demand; nothing of the simulation depends on them."""

    def __init__(self, config: GymConfig, seeds: np.ndarray) -> None:
        super().__init__(config, seeds)
        inner: list[Any] = [each.env.unwrapped for each in self.envs]
        self.env = inner[0]
        self._limit = self.envs[0].max_episode_steps
        self._simulations = [(each.model, each.data, each.data.ctrl) for each in inner]
        self._data = [each.data for each in inner]
        self._qpos = [each.data.qpos for each in inner]
        self._qvel = [each.data.qvel for each in inner]

    def _advance(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        action = np.array(action, np.float32)
        self._refuse_non_finite("action", action)
        ctrl, frame_skip = self.envs[0].rescale(action), self.env.frame_skip
        before = self._place(self._together(self._qpos))
        for (model, data, target), each in zip(self._simulations, ctrl, strict=True):
            target[:] = each
            mujoco.mj_step(model, data, frame_skip)
            if self.feels_contacts:
                mujoco.mj_rnePostConstraint(model, data)
        qpos, qvel = self._together(self._qpos), self._together(self._qvel)
        velocity = (self._place(qpos) - before) / self.env.dt
        reward, terminated = self._judge(velocity, ctrl, qpos, qvel)
        next_obs = self._observe(qpos, qvel)
        for env, noted, obs in zip(self.envs, action, next_obs, strict=True):
            env.note(noted, obs)
        self._refuse_non_finite("observation", next_obs)
        self._refuse_non_finite("reward", reward)
        return next_obs, reward, terminated, self.elapsed + 1 >= self._limit

    def _refuse_non_finite(self, what: str, numbers: np.ndarray) -> None:
        """Name the first environment of which one of `numbers`, (envs, ...), is none."""
        finite = np.isfinite(numbers)
        if not finite.all():
            env = self.envs[np.argwhere(~finite)[0][0]]
            raise NonFiniteError(f"{env.where}: the {what} is NaN or infinite")

    def _together(self, rows: list[np.ndarray]) -> np.ndarray:
        """Rows of every environment as one array, which is faster than to stack them."""
        return np.concatenate(rows).reshape(len(rows), -1)

    def _place(self, qpos: np.ndarray) -> np.ndarray:
        """Where each body stands, (envs,)."""
        return qpos[:, 0]

    def _observe(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Observations (envs, obs_dim) float32."""
        hidden = self.env.observation_structure["skipped_qpos"]
        if self.velocity_limit < np.inf:
            qvel = np.clip(qvel, -self.velocity_limit, self.velocity_limit)
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is then named
            return np.concatenate([qpos[:, hidden:], qvel], 1, dtype=np.float32, casting="same_kind")

    def _judge(
        self, velocity: np.ndarray, ctrl: np.ndarray, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reward and whether the episode terminates, (envs,) each."""
        raise NotImplementedError

    def _forward(self, velocity: np.ndarray) -> np.ndarray:
        return self.env._forward_reward_weight * velocity

    def _control_cost(self, ctrl: np.ndarray) -> np.ndarray:
        return self.env._ctrl_cost_weight * np.square(ctrl).sum(1)

    def _ends(self, healthy: np.ndarray) -> np.ndarray:
        return ~healthy & self.env._terminate_when_unhealthy


class HalfCheetahs(Bodies):
    """HalfCheetah-v5: never falls."""

    def _judge(
        self, velocity: np.ndarray, ctrl: np.ndarray, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._forward(velocity) - self._control_cost(ctrl), np.zeros(len(ctrl), bool)


class Walkers(Bodies):
    """Walker2d-v5: healthy while its height and angle are."""

    velocity_limit = 10.0

    def _judge(
        self, velocity: np.ndarray, ctrl: np.ndarray, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        healthy = self._healthy(qpos, qvel)
        reward = self._forward(velocity) + healthy * self.env._healthy_reward - self._control_cost(ctrl)
        return reward, self._ends(healthy)

    def _healthy(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        return _between(self.env._healthy_z_range, qpos[:, 1]) & _between(self.env._healthy_angle_range, qpos[:, 2])


class Hoppers(Walkers):
    """Hopper-v5: the rest of its state must be in range too."""

    def _healthy(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        rest = np.concatenate([qpos[:, 2:], qvel], 1)
        return super()._healthy(qpos, qvel) & _between(self.env._healthy_state_range, rest).all(1)


class Ants(Bodies):
    """Ant-v5: pays for contact forces, which may be observed."""

    feels_contacts = True

    def __init__(self, config: GymConfig, seeds: np.ndarray) -> None:
        super().__init__(config, seeds)
        self._main_body = self.env.data.body(self.env._main_body).id

    def _place(self, qpos: np.ndarray) -> np.ndarray:
        return np.array([data.xpos[self._main_body, 0] for data in self._data])

    def _judge(
        self, velocity: np.ndarray, ctrl: np.ndarray, qpos: np.ndarray, qvel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.env._healthy_z_range
        finite = np.isfinite(qpos).all(1) & np.isfinite(qvel).all(1)
        healthy = finite & (low <= qpos[:, 2]) & (qpos[:, 2] <= high)
        rewards = self._forward(velocity) + healthy * self.env._healthy_reward
        return rewards - (self._control_cost(ctrl) + self._contact_cost()), self._ends(healthy)

    def _contact_cost(self) -> np.ndarray:
        self._forces = np.clip([data.cfrc_ext for data in self._data], *self.env._contact_force_range)
        return self.env._contact_cost_weight * np.square(self._forces).reshape(len(self._forces), -1).sum(1)

    def _observe(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        obs = super()._observe(qpos, qvel)
        if not self.env._include_cfrc_ext_in_observation:
            return obs
        forces = self._forces[:, 1:].reshape(len(obs), -1).astype(np.float32)
        return np.concatenate([obs, forces], 1)


def _between(bounds: tuple[float, float], values: np.ndarray) -> np.ndarray:
    return (bounds[0] < values) & (values < bounds[1])


BODIES: dict[type, type[Bodies]] = {
    HalfCheetahEnv: HalfCheetahs,
    Walker2dEnv: Walkers,
    HopperEnv: Hoppers,
    AntEnv: Ants,
}
"""By Gymnasium's class; all others are stepped by Gymnasium."""
