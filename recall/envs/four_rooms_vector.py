"""Four rooms, thousands at a time: every run and environment of a batch in a handful of array operations."""

import numpy as np

from recall.envs.four_rooms import FourRooms, FourRoomsConfig
from recall.errors import RecallError


class VectorFourRooms:
    """`n_runs` x `n_envs` grids of one layout, which reset themselves within the step that ends an episode.

    It draws no numbers: whatever is random comes from the `uniform` arguments, which may be None where
    nothing is (no slip, the corner as start). All arrays are (runs, envs), new in each call, so a caller may
    keep them. `obs` (int64) and `elapsed` (steps since the reset) are the whole state.
    """

    def __init__(self, config: FourRoomsConfig, n_runs: int, n_envs: int) -> None:
        self.config = config
        self.layout = FourRooms(config)
        self._next_state = self.layout.next_state.ravel()
        self.obs = np.full((n_runs, n_envs), self.layout.start)
        self.elapsed = np.zeros((n_runs, n_envs), np.int64)
        self._unread = np.zeros((n_runs, n_envs, 3))

    def reset(self, uniform: np.ndarray | None = None) -> np.ndarray:
        """Start an episode everywhere.

        Args:
            uniform: numbers in [0, 1) that choose the start cells, (runs, envs).

        Returns:
            The first observations.
        """
        self.obs = self.layout.start_at(self._given(uniform, self._unread[..., 0]))
        self.elapsed = np.zeros_like(self.elapsed)
        return self.obs

    def step(
        self, action: np.ndarray, uniform: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Move everywhere.

        Args:
            action: 0 to 3, int64; not checked.
            uniform: numbers in [0, 1), (runs, envs, 3): whether the move slips, to which action, and where
                the next episode starts if this one ends.

        Returns:
            next_obs: the true next state, the terminal one included.
            reward: float32.
            terminated, truncated: bool, never both.
            obs: where the next step starts: next_obs, or a start state where the episode ended.
        """
        uniform = self._given(uniform, self._unread)
        if self.config.slip:
            slipped = (uniform[..., 1] * self.layout.n_actions).astype(np.int64)
            action = np.where(uniform[..., 0] < self.config.slip, slipped, action)
        next_obs = self._next_state.take(self.obs * self.layout.n_actions + action)
        terminated = next_obs == self.layout.goal
        self.elapsed += 1
        truncated = (self.elapsed >= self.config.max_steps) & ~terminated
        self.obs = next_obs
        done = terminated | truncated
        if done.any():
            self.obs = np.where(done, self.layout.start_at(uniform[..., 2]), next_obs)
            self.elapsed[done] = 0
        return next_obs, terminated.astype(np.float32), terminated, truncated, self.obs

    def state(self) -> dict[str, np.ndarray]:
        """Copies of `obs` and `elapsed`, for a checkpoint."""
        return {"obs": self.obs.copy(), "elapsed": self.elapsed.copy()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put every grid back where `state()` found it."""
        self.obs = state["obs"].copy()
        self.elapsed = state["elapsed"].copy()

    def _given(self, uniform: np.ndarray | None, unread: np.ndarray) -> np.ndarray:
        if uniform is not None:
            return uniform
        if self.config.slip or self.config.start == "uniform":
            raise RecallError("a slip or a uniform start needs random numbers; pass them as `uniform`")
        return unread
