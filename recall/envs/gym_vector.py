"""Gymnasium environments for every run of a group, stepped in turn."""

import numpy as np

from recall.envs.gym_env import GymConfig, GymEnv


class GymEnvs:
    """Environments of independent runs. An episode's end is followed by a reset: `obs` is where each run goes on.

    Args:
        config: which environment.
        seeds: of the first resets, (runs,) or, for several environments each, (runs, envs); later resets go on from
            each environment's own generator.

    Arrays have the environments of the first run first, then those of the second: (runs * envs, ...).
    """

    def __init__(self, config: GymConfig, seeds: np.ndarray) -> None:
        self.envs = [GymEnv(config) for _ in range(seeds.size)]
        self.obs = np.stack([env.reset(int(seed)) for env, seed in zip(self.envs, seeds.ravel(), strict=True)])
        self.elapsed = np.zeros(seeds.size, np.int64)
        """Steps since each episode began."""
        self.returns = np.zeros(seeds.size)
        self.finished: list[list[float]] = [[] for _ in seeds]

    @property
    def obs_dim(self) -> int:
        """Numbers in an observation."""
        return self.envs[0].obs_dim

    @property
    def action_dim(self) -> int:
        """Numbers in an action."""
        return self.envs[0].action_dim

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Act in every environment.

        Args:
            action: (envs, action_dim) in [-1, 1].

        Returns:
            next_obs (envs, obs_dim), the terminal one included; reward, terminated, truncated, (envs,) each.
        """
        next_obs, reward, terminated, truncated = self._advance(action)
        self.returns += reward
        self.elapsed += 1
        self.obs = next_obs
        for index in np.flatnonzero(terminated | truncated):
            self._restart(int(index))
        return next_obs, reward, terminated, truncated

    def _advance(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What `step` returns, without what follows from it."""
        steps = [env.step(each) for env, each in zip(self.envs, action, strict=True)]
        next_obs, reward, terminated, truncated = (np.array(column) for column in zip(*steps, strict=True))
        return next_obs, reward, terminated, truncated

    def _restart(self, index: int) -> None:
        self.obs = self.obs.copy()
        self.obs[index] = self.envs[index].reset()
        self.finished[index * len(self.finished) // len(self.envs)].append(self.returns[index])
        self.returns[index], self.elapsed[index] = 0.0, 0

    def take_returns(self) -> np.ndarray:
        """Mean return of the episodes that ended since the last call, (runs,); NaN where none did."""
        means = np.array([np.mean(ended) if ended else np.nan for ended in self.finished])
        self.finished = [[] for _ in self.finished]
        return means

    def state(self) -> dict:
        """Every environment in the middle of its episode, for a checkpoint."""
        envs = {str(run): env.state() for run, env in enumerate(self.envs)}
        return {
            "envs": envs,
            "returns": self.returns.tolist(),
            "finished": [list(map(float, x)) for x in self.finished],
        }

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        for run, env in enumerate(self.envs):
            env.load_state(state["envs"][str(run)])
        self.obs = np.stack([env.obs for env in self.envs])
        self.elapsed = np.array([env.elapsed for env in self.envs])
        self.returns, self.finished = np.array(state["returns"]), state["finished"]
