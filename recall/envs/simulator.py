"""One step of MuJoCo from a described state: could a backward model's pair really have led where it should?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import mujoco
import numpy as np

from recall.envs.gym_env import GymConfig, GymEnv
from recall.errors import ConfigError

SUPPORTED = (
    "HalfCheetah-v5",
    "Hopper-v5",
    "Walker2d-v5",
    "Swimmer-v5",
    "InvertedPendulum-v5",
    "Ant-v5",
    "Humanoid-v5",
)
"""Environments whose observation begins with positions and velocities, complete but for where the body stands."""


class Simulator:
    """An environment of its own that is put into any state and stepped once; no training ever sees it.

    The observation leaves out where the body stands: x in the planar environments, x and y of Swimmer, Ant and
    Humanoid. These coordinates are filled in as 0, on which nothing observed depends: the floor is flat and the
    same everywhere. Time and the solver's warm start, which are not observed either, are 0 too; the solver
    then converges to the same solution within its tolerance. So for real transitions, given in float64 as the
    environment observed them, the step comes out equal but for rounding; from float32 it cannot, as contacts
    magnify the rounding of the state (up to 1e-4 in the velocities of HalfCheetah).
    """

    def __init__(self, config: GymConfig) -> None:
        if not self.supports(config):
            raise ConfigError(
                f"the observation of {config.env_id} does not tell its state in MuJoCo; one-step reachability is "
                f"measured in {', '.join(SUPPORTED)}"
            )
        self._agent_side = GymEnv(config)
        self._env = cast(Any, self._agent_side.env.unwrapped)
        self._model, self._data = self._env.model, self._env.data
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET  # a divergence must stay visible
        self._n_hidden = self._env.observation_structure.get("skipped_qpos", 0)
        self._n_positions = self._model.nq - self._n_hidden
        starts = self._model.jnt_qposadr[self._model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
        self._quaternions = [slice(start + 3, start + 7) for start in starts]

    @staticmethod
    def supports(config: GymConfig) -> bool:
        """Whether the observation determines the state, but for where the body stands."""
        return config.env_id in SUPPORTED

    def determines(self, obs: np.ndarray) -> np.ndarray:
        """Which observations, (n, obs_dim), tell their state: (n,) bool.

        Hopper and Walker2d observe velocities cut to [-10, 10]: a velocity at the cut may have been any beyond.
        """
        if self._env.spec.id not in ("Hopper-v5", "Walker2d-v5"):
            return np.ones(len(obs), bool)
        return (np.abs(obs[:, self._n_positions :]) < 10).all(1)

    def step_from(self, obs: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Where an action leads from a state that an observation describes.

        Args:
            obs: (n, obs_dim), best in float64. Quaternions need not have length 1. Parts of a full observation
                beyond positions and velocities are not read.
            action: in [-1, 1], (n, action_dim).

        Returns:
            next_obs: (n, obs_dim) float64. A row is NaN where the input is not finite, a quaternion is 0, or the
            simulation diverges.
        """
        obs = np.asarray(obs, np.float64)
        result = np.full(obs.shape, np.nan)
        ctrl = self._agent_side.rescale(action)
        with _silence():
            for row in np.flatnonzero(np.isfinite(obs).all(1) & np.isfinite(ctrl).all(1)):
                if self._put(obs[row]):
                    self._env.do_simulation(ctrl[row], self._env.frame_skip)
                    if not self._data.warning.number.any():
                        result[row] = self._env._get_obs()
        return result

    def _put(self, obs: np.ndarray) -> bool:
        """Set the state; False where a quaternion has no direction."""
        mujoco.mj_resetData(self._model, self._data)
        qpos, qvel = self._data.qpos, self._data.qvel
        qpos[: self._n_hidden] = 0
        qpos[self._n_hidden :] = obs[: self._n_positions]
        qvel[:] = obs[self._n_positions : self._n_positions + self._model.nv]
        lengths = [mujoco.mju_normalize4(qpos[place]) for place in self._quaternions]
        return all(mujoco.mjMINVAL < length < np.inf for length in lengths)


@contextmanager
def _silence() -> Iterator[None]:
    """MuJoCo neither prints nor logs: what a model dreams up may well diverge, and NaN already says so."""
    handler = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(handler)


def reachability_error(next_obs: np.ndarray, reached: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """How far the simulator's step ends from where a pair of state and action should have led, (n,).

    The root mean square over dimensions of (reached - next_obs) / scale: in standard deviations of the data.
    Coordinates that are not observed (where the body stands) are filled in as 0 by `Simulator` and not compared.

    Args:
        next_obs: where the step should lead, (n, obs_dim).
        reached: where it led, from `Simulator.step_from`, (n, obs_dim); a row of NaN gives NaN.
        scale: standard deviation of each dimension of the data, above 0, (obs_dim,).
    """
    return np.sqrt(np.mean(((reached - next_obs) / scale) ** 2, axis=1))
