"""Point masses that accelerate freely in a box of 2 to 6 dimensions, thin in all but two (Fig. 8)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from recall.envs.point_settings import refuse_bad_settings
from recall.envs.point_vector import World
from recall.errors import ConfigError

DIMENSIONS = range(2, 7)
"""The paper's, and those of Held et al. 2017."""


@dataclass(frozen=True)
class PointMassConfig:
    """Size and rules. The paper states none; all are those of the code of Held et al. 2017 (point_nd)."""

    env_id: ClassVar[str] = "recall/PointMassND-v0"
    """Its Gymnasium id."""
    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages beside Gymnasium whose versions decide the numbers."""

    dimension: int = 2
    """Coordinates of a position. Fig. 8; Held et al. 2017 have 2 to 6."""
    horizon: int = 200
    """Steps until an episode is truncated. Held et al. 2017."""
    time_step: float = 0.02
    """Seconds a step. Held et al. 2017."""
    max_acceleration: float = 2.0
    """What an action of 1 accelerates by. Held et al. 2017."""
    max_velocity: float = 5.0
    """Where each coordinate's velocity is cut. Held et al. 2017."""
    first_width: float = 1.0
    """Positions of the first coordinate reach from minus to plus this. Held et al. 2017."""
    second_width: float = 5.0
    """The same of the second. Held et al. 2017."""
    other_width: float = 0.3
    """The same of all others. Held et al. 2017."""
    goal_range: float = 5.0
    """Goals, feasible or not, reach from minus to plus this in every coordinate. Held et al. 2017."""
    reach: float = 0.3
    """Distance below which a goal is reached in two dimensions; it grows as the square root of their number.
    Held et al. 2017."""

    def __post_init__(self) -> None:
        if isinstance(self.dimension, bool) or self.dimension not in DIMENSIONS:
            raise ConfigError(f"dimension is {self.dimension!r}; it must be a whole number from 2 to 6")
        refuse_bad_settings(self)


class PointMass(World):
    """The dynamics of any number of points at once; all arrays have shape (n, dimension).

    Attributes:
        dimension, horizon, success_radius: as the settings have them.
        low, high: bounds of a position, (dimension,).
        goal_centre, goal_range: the box of all goals.
        max_velocity: of each coordinate.
    """

    def __init__(self, config: PointMassConfig) -> None:
        self.config = config
        self.dimension, self.horizon = config.dimension, config.horizon
        self.success_radius = config.reach * (config.dimension / 2) ** 0.5
        widths = [config.first_width, config.second_width, *[config.other_width] * (config.dimension - 2)]
        self.high = np.array(widths)
        self.low = -self.high
        self.goal_centre, self.goal_range = np.zeros(config.dimension), config.goal_range
        self.max_velocity = config.max_velocity

    def move(self, position: np.ndarray, velocity: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity after a step of actions in [-1, 1]; at a wall a point keeps its velocity (source)."""
        config = self.config
        velocity = velocity + config.max_acceleration * config.time_step * action
        np.clip(velocity, -config.max_velocity, config.max_velocity, out=velocity)
        position = position + config.time_step * velocity
        np.clip(position, self.low, self.high, out=position)
        return position, velocity

    def feasible(self, goals: np.ndarray) -> np.ndarray:
        """Which goals (..., dimension) a point could stand on, (...)."""
        return np.all((self.low <= goals) & (goals <= self.high), axis=-1)

    def sample_goals(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Feasible goals, drawn uniformly, (n, dimension)."""
        return generator.uniform(self.low, self.high, (n, self.dimension))
