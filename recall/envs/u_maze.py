"""A ball that is pushed through a corridor in the shape of a U (Fig. 4a, 8)."""

from dataclasses import dataclass
from math import pi
from typing import ClassVar

import numpy as np

from recall.envs.point_settings import refuse_bad_settings
from recall.envs.point_vector import World
from recall.envs.u_shape import UShape
from recall.errors import ConfigError


@dataclass(frozen=True)
class UMazeConfig:
    """Size and rules. The paper states none; those of others are of the code of Held et al. 2017 (maze 0)."""

    env_id: ClassVar[str] = "recall/PointMassUMaze-v0"
    """Its Gymnasium id."""
    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages beside Gymnasium whose versions decide the numbers."""

    horizon: int = 200
    """Steps until an episode is truncated. Held et al. 2017."""
    time_step: float = 0.02
    """Seconds a step. Held et al. 2017 (point2.xml)."""
    max_force: float = 2.0
    """What an action of 1 pushes with. Held et al. 2017."""
    ball_radius: float = 0.1
    """No wall is nearer than this to the ball's centre, in either coordinate. Held et al. 2017; corners are ours."""
    density: float = 100.0
    """Of the ball, which gives its mass. Held et al. 2017 (point2.xml)."""
    friction: float = 1.0
    """Of the walls: velocity along a wall that is lost per velocity lost into it. Held et al. 2017 (point2.xml)."""
    cell_size: float = 2.0
    """Width of the corridor and of the wall within the U. Held et al. 2017."""
    goal_range: float = 5.0
    """Goals, feasible or not, lie so far or less from the middle of the maze in each coordinate. Held et al. 2017."""
    reach: float = 0.3
    """Distance below which a goal is reached. Held et al. 2017."""

    def __post_init__(self) -> None:
        refuse_bad_settings(self)
        if self.ball_radius >= self.cell_size / 2:
            raise ConfigError(
                f"ball_radius is {self.ball_radius!r}; it must be below {self.cell_size / 2}, half of cell_size"
            )

    @property
    def mass(self) -> float:
        """Of the ball."""
        return self.density * 4 / 3 * pi * self.ball_radius**3


class UMaze(UShape, World):
    """The dynamics of any number of balls at once; all arrays have shape (n, 2).

    In the source the simulator's soft contacts hold the ball; here it stops where it touches a wall, loses its velocity
    into the wall, and by friction some of that along it. A step moves it along x first, then along y, so that no
    velocity takes it through a wall or past a corner.

    Attributes:
        dimension, horizon, success_radius: as the settings have them.
        low, high: bounds of a position, (2,).
        goal_centre, goal_range: the box of all goals.
        max_velocity: of each coordinate; out of reach within the horizon.
    """

    def __init__(self, config: UMazeConfig) -> None:
        super().__init__(config.cell_size, config.goal_range)
        self.config = config
        self.horizon, self.success_radius = config.horizon, config.reach
        half, radius = config.cell_size / 2, config.ball_radius
        self.low, self.high = np.full(2, radius - half), np.full(2, 5 * half - radius)
        self.tip = 3 * half + radius
        """Right end of the wall within the U, as the ball's centre meets it."""
        self.wall = (half - radius, 3 * half + radius)
        """Lower and upper side of the same."""
        self.acceleration = config.max_force / config.mass
        self.max_velocity = self.acceleration * config.time_step * config.horizon

    def move(self, position: np.ndarray, velocity: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity after a step of actions in [-1, 1]; in the open it is the exact solution."""
        step = self.config.time_step
        gained = self.acceleration * step * action
        wanted = position + step * (velocity + 0.5 * gained)
        reached = self._held(position, wanted)
        velocity = velocity + gained
        free = reached == wanted
        rubbed = self.config.friction * np.where(free, 0.0, np.abs(velocity))[:, ::-1]
        slowed = np.copysign(np.maximum(np.abs(velocity) - rubbed, 0.0), velocity)
        return reached, np.where(free, slowed, 0.0)

    def _held(self, position: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """How far walls let balls move on their ways from positions to wanted ones."""
        (x, y), (lower, upper) = position.T, self.wall
        reached = np.empty_like(position)
        beside = (lower < y) & (y < upper)
        reached[:, 0] = x = np.clip(wanted[:, 0], np.where(beside, self.tip, self.low[0]), self.high[0])
        between, above = x < self.tip, y >= upper
        floor = np.where(between & above, upper, self.low[1])
        reached[:, 1] = np.clip(wanted[:, 1], floor, np.where(between & ~above, lower, self.high[1]))
        return reached
