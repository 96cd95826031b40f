"""Four rooms, the grid world of Sec. 6.1: the exact model, forward and backward, and the environment."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import gymnasium
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded

from recall.errors import ConfigError

Start = Literal["corner", "uniform"]

MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
"""Row and column step of the actions 0 up, 1 down, 2 left, 3 right."""


@dataclass(frozen=True)
class FourRoomsConfig:
    """Size and rules of the grid."""

    env_id: ClassVar[str] = "recall/FourRooms-v0"
    """Its Gymnasium id."""
    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages beside Gymnasium whose versions decide the numbers."""

    side: int = 11
    """Cells along one side, odd, outer wall included. The paper has 11, 15, 19; not stated of what."""
    start: Start = "corner"
    """Where an episode starts: the corner opposite the goal, or any cell but the goal. Not stated; ours."""
    slip: float = 0.0
    """Probability that a uniformly drawn action is executed instead. Not stated; ours."""
    horizon: int | None = None
    """Steps until an episode is truncated; None is side squared. Not stated; ours."""

    def __post_init__(self) -> None:
        if not _is_int(self.side) or not 7 <= self.side <= 101 or self.side % 2 == 0:
            raise ConfigError(f"side is {self.side!r}; it must be an odd whole number from 7 to 101")
        if self.start not in get_args(Start):
            raise ConfigError(f"start is {self.start!r}; it must be 'corner' or 'uniform'")
        if isinstance(self.slip, bool) or not isinstance(self.slip, int | float) or not 0 <= self.slip < 1:
            raise ConfigError(f"slip is {self.slip!r}; it must be a probability from 0 to below 1")
        if self.horizon is not None and (not _is_int(self.horizon) or self.horizon < 1):
            raise ConfigError(f"horizon is {self.horizon!r}; it must be a whole number from 1, or None")

    @property
    def max_steps(self) -> int:
        """Steps until an episode is truncated."""
        return self.side**2 if self.horizon is None else self.horizon


class FourRooms:
    """The map and its exact transitions. States are the free cells, numbered row by row.

    Walls fill the border, the centre row and the centre column c. Each of the four arms of that cross has one
    doorway, c // 2 cells from the outer wall, so the map is its own mirror image. The start is the corner
    (1, 1), the goal the opposite one.

    Attributes:
        cells: row and column of each state, (states, 2).
        index: state at each row and column, (side, side); -1 in a wall.
        next_state: where the intended move leads, (states, 4). A bump leads to the state itself.
        predecessor: the other state from which the action leads here, (states, 4); -1 where there is none.
            The exact backward model for slip 0 (Sec. 6.1). Our rule: a bump makes no state its own
            predecessor, and the goal, where an episode ends, is nobody's.
        starts: the states an episode may start in, all equally likely.
        start_distribution: their probabilities, (states,).
    """

    n_actions: ClassVar[int] = 4

    def __init__(self, config: FourRoomsConfig) -> None:
        self.config = config
        free = _free_cells(config.side)
        self.cells = np.argwhere(free)
        self.n_states = len(self.cells)
        self.index = np.full(free.shape, -1)
        self.index[free] = np.arange(self.n_states)
        self.start = int(self.index[1, 1])
        self.goal = int(self.index[-2, -2])
        self.next_state = self._next_state()
        self.predecessor = self._predecessor()
        states = np.arange(self.n_states)
        self.starts = states[states == self.start if config.start == "corner" else states != self.goal]
        self.start_distribution = np.zeros(self.n_states)
        self.start_distribution[self.starts] = 1 / len(self.starts)

    def _next_state(self) -> np.ndarray:
        target = self.cells[:, None] + MOVES
        reached = self.index[target[..., 0], target[..., 1]]
        return np.where(reached < 0, np.arange(self.n_states)[:, None], reached)

    def _predecessor(self) -> np.ndarray:
        predecessor = np.full((self.n_states, self.n_actions), -1)
        state, action = np.nonzero(self.next_state != np.arange(self.n_states)[:, None])
        state, action = state[state != self.goal], action[state != self.goal]
        predecessor[self.next_state[state, action], action] = state
        return predecessor

    def start_at(self, uniform: np.ndarray) -> np.ndarray:
        """Start states for numbers in [0, 1), same shape."""
        return self.starts[(uniform * len(self.starts)).astype(np.int64)]


class FourRoomsEnv(gymnasium.Env[np.int64, np.int64]):
    """`recall/FourRooms-v0`: observe the state; reaching the goal earns 1 and ends the episode.

    `truncated` marks the horizon alone: an episode whose last step reaches the goal is terminated instead.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 8}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        side: int = FourRoomsConfig.side,
        start: Start = FourRoomsConfig.start,
        slip: float = FourRoomsConfig.slip,
        horizon: int | None = FourRoomsConfig.horizon,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError(f"render_mode is {render_mode!r}; it must be 'rgb_array', 'ansi' or None")
        self.config = FourRoomsConfig(side, start, slip, horizon)
        self.layout = FourRooms(self.config)
        self.observation_space = gymnasium.spaces.Discrete(self.layout.n_states)
        self.action_space = gymnasium.spaces.Discrete(self.layout.n_actions)
        self.render_mode = render_mode
        self._obs = np.int64(self.layout.start)
        self._elapsed = 0
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """Start an episode; there are no options."""
        super().reset(seed=seed, options=options)
        self._obs = self.layout.start_at(self.np_random.random(1))[0]
        self._elapsed = 0
        self._running = True
        return self._obs, self._info()

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        """Move once; return obs, reward, terminated, truncated, info."""
        if not self._running:
            raise ResetNeeded("no episode is running; call reset() before step()")
        if not self.action_space.contains(action):
            raise InvalidAction(f"action is {action!r}; it must be 0 up, 1 down, 2 left or 3 right")
        if self.np_random.random() < self.config.slip:
            action = self.np_random.integers(self.layout.n_actions)
        self._obs = self.layout.next_state[self._obs, action]
        self._elapsed += 1
        terminated = bool(self._obs == self.layout.goal)
        truncated = not terminated and self._elapsed >= self.config.max_steps
        self._running = not (terminated or truncated)
        return self._obs, float(terminated), terminated, truncated, self._info()

    def render(self) -> np.ndarray | str | None:
        """The grid as a picture or as text, whichever the render mode asks for."""
        if self.render_mode == "rgb_array":
            return draw(self.layout, int(self._obs))
        return write(self.layout, int(self._obs)) if self.render_mode == "ansi" else None

    def _info(self) -> dict[str, Any]:
        row, col = self.layout.cells[self._obs]
        return {"cell": (int(row), int(col))}


def draw(layout: FourRooms, state: int, cell_pixels: int = 16) -> np.ndarray:
    """Picture of walls (dark), goal (green) and agent (blue), (height, width, 3) uint8."""
    cells = np.where(layout.index[..., None] < 0, (44, 48, 58), (244, 244, 240)).astype(np.uint8)
    cells[tuple(layout.cells[layout.goal])] = (0, 158, 115)
    picture = cells.repeat(cell_pixels, axis=0).repeat(cell_pixels, axis=1)
    top, left = layout.cells[state] * cell_pixels
    margin = cell_pixels // 5
    inside = slice(margin, cell_pixels - margin)
    picture[top : top + cell_pixels, left : left + cell_pixels][inside, inside] = (0, 114, 178)
    return picture


def write(layout: FourRooms, state: int) -> str:
    """Text with a line a row: # wall, G goal, A agent, . free."""
    symbols = np.where(layout.index < 0, "#", ".")
    symbols[tuple(layout.cells[layout.goal])] = "G"
    symbols[tuple(layout.cells[state])] = "A"
    return "".join("".join(row) + "\n" for row in symbols)


def _free_cells(side: int) -> np.ndarray:
    centre = (side - 1) // 2
    free = np.ones((side, side), bool)
    free[[0, centre, -1]] = free[:, [0, centre, -1]] = False
    for door in (centre // 2, side - 1 - centre // 2):
        free[centre, door] = free[door, centre] = True
    return free


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
