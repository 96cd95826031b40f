"""Ants with goals, hundreds at a time: the simulator's threads step them, and how many there are changes no number."""

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from recall.envs.ant_model import ant_model
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.goal_world import reached
from recall.envs.u_shape import UShape
from recall.errors import NonFiniteError
from recall.threads import threads


class AntUMaze(UShape):
    """The maze, and an ant standing at its start.

    Attributes:
        model: the simulator's.
        start: positions and velocities of an ant that begins, (29,). Held et al. 2017 add noise of 0.01 and 0.1; here
            the policy's own has to do.
    """

    def __init__(self, config: AntUMazeConfig) -> None:
        super().__init__(config.cell_size, config.goal_range)
        self.config = config
        self.horizon, self.success_radius = config.horizon, config.reach
        self.model, self.threads = ant_model(config, self), threads()
        self.position_dim, self.action_dim = int(self.model.nq), int(self.model.nu)
        self.state_dim = int(self.model.nq + self.model.nv)
        self.start = np.concatenate([self.model.numeric("init_qpos").data, np.zeros(self.model.nv)])

    def fallen(self, state: np.ndarray) -> np.ndarray:
        """Which of states (..., 29) have their torso too low or too high, (...)."""
        height = state[..., 2]
        return (height < self.config.lowest) | (height > self.config.highest)

    def stepper(self, n_envs: int) -> "VectorAnts":
        """So many ants, each in a maze of its own."""
        return VectorAnts(self, n_envs)


class VectorAnts:
    """`n_envs` ants, each alone in the maze on its way to a goal of its own.

    It draws no numbers and resets nothing by itself. Whoever has arrived or fallen stays as it is, at no cost, until
    its reset. All arrays are (envs, ...), new in each call, so a caller may keep them. `states` (positions and
    velocities), `goal`, `elapsed` (steps since the reset) and `ended` are the whole state: each step of the simulator
    begins from positions and velocities alone, without what its solver found before.
    """

    PARTS = ("states", "goal", "elapsed", "ended")

    def __init__(self, world: AntUMaze, n_envs: int) -> None:
        self.world = world
        self.states = np.tile(world.start, (n_envs, 1))
        self.goal = np.zeros((n_envs, world.dimension))
        self.elapsed = np.zeros(n_envs, np.int64)
        self.ended = np.zeros(n_envs, bool)
        self._data = [mujoco.MjData(world.model) for _ in range(world.threads)]
        self._pool = Rollout(nthread=world.threads if world.threads > 1 else 0)

    @property
    def obs(self) -> np.ndarray:
        """State and goal, (envs, 31)."""
        return np.concatenate([self.states, self.goal], 1)

    @property
    def position(self) -> np.ndarray:
        """Where the torsos are, (envs, 2)."""
        return self.states[:, : self.world.dimension]

    def reset(self, goal: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """Begin episodes at the start.

        Args:
            goal: of each new episode, (episodes, 2).
            where: which environments begin one, (envs,) bool; None means all.

        Returns:
            The observations of all environments.
        """
        chosen = np.ones(len(self.goal), bool) if where is None else where
        self.goal, self.states = self.goal.copy(), self.states.copy()
        self.goal[chosen], self.states[chosen] = goal, self.world.start
        self.elapsed, self.ended = np.where(chosen, 0, self.elapsed), self.ended & ~chosen
        return self.obs

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Move all ants whose episodes go on.

        Args:
            action: (envs, 8); what is beyond [-1, 1] is cut.

        Returns:
            next_obs: the true next state, the terminal one included.
            reward: 1 where the goal was reached, else 0.
            terminated: reached or fallen.
            truncated: the horizon has come; never both.

        Raises:
            NonFiniteError: the simulation of an ant diverged.
        """
        going = np.flatnonzero(~self.ended)
        if len(going):
            self.states = self.states.copy()
            self.states[going] = self._simulated(self.states[going], np.clip(action[going], -1.0, 1.0))
        self.elapsed = self.elapsed + ~self.ended
        arrived = reached(self.world, self.position, self.goal)
        terminated = arrived | self.world.fallen(self.states)
        self.ended = self.ended | terminated
        truncated = (self.elapsed >= self.world.horizon) & ~terminated
        return self.obs, arrived.astype(np.float64), terminated, truncated

    def _simulated(self, states: np.ndarray, action: np.ndarray) -> np.ndarray:
        """One step of the simulator from states (n, 29); its clock, on which nothing depends, stays at 0."""
        before = np.concatenate([np.zeros((len(states), 1)), states], 1)
        after, _ = self._pool.rollout(self.world.model, self._data, before, action[:, None].astype(np.float64))
        found = after[:, 0, 1:]
        if not (np.abs(found) < mujoco.mjMAXVAL).all():  # where MuJoCo itself gives up
            raise NonFiniteError(
                f"{self.world.config.env_id}: the state of an ant is NaN, infinite or beyond all bounds"
            )
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the whole state, for a checkpoint."""
        return {name: getattr(self, name).copy() for name in self.PARTS}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put it back where `state()` found it."""
        for name in self.PARTS:
            setattr(self, name, state[name].copy())
