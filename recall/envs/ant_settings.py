"""Size and rules of the ant's maze."""

from dataclasses import dataclass
from typing import ClassVar

from recall.envs.point_settings import refuse_bad_settings
from recall.errors import ConfigError


@dataclass(frozen=True)
class AntUMazeConfig:
    """Size and rules. The paper states none; those of others are of the code of Held et al. 2017 (maze 0).

    Of the ant itself nothing can be set: the one of Gymnasium and the one of that code are the same, see
    `recall.envs.ant_model`.
    """

    env_id: ClassVar[str] = "recall/AntUMaze-v0"
    """Its Gymnasium id."""
    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    libraries: ClassVar[tuple[str, ...]] = ("mujoco",)
    """Packages beside Gymnasium whose versions decide the numbers."""

    horizon: int = 500
    """Steps until an episode is truncated. Held et al. 2017."""
    time_step: float = 0.02
    """Seconds a step, which the simulator takes as one. Held et al. 2017 (ant_target.xml)."""
    lowest: float = 0.3
    """Height of the torso below which the ant has fallen, which ends its episode. Held et al. 2017."""
    highest: float = 1.0
    """The same above. Held et al. 2017."""
    cell_size: float = 2.0
    """Width of the corridor and of the wall within the U. Held et al. 2017, where a class attribute of 3 has no effect.
    """
    wall_height: float = 1.0
    """Of all walls: a torso that is over one has fallen. Held et al. 2017, where a class attribute of 2 has no effect.
    """
    goal_range: float = 5.0
    """Goals, feasible or not, lie so far or less from the middle of the maze in each coordinate. Held et al. 2017."""
    reach: float = 1.0
    """Distance of the torso below which a goal is reached. Held et al. 2017; there it is that of the ant's centre of
    mass, some centimetres away."""

    def __post_init__(self) -> None:
        refuse_bad_settings(self)
        if self.lowest >= self.highest:
            raise ConfigError(f"lowest is {self.lowest!r}; it must be below highest, {self.highest!r}")
