"""The ant in its maze as MuJoCo simulates it: Gymnasium's own ant, and walls around it.

The ant of Held et al. 2017 (ant_target.xml) has the same bodies, masses, joints and motors as Gymnasium's, of a torque
of 150 at most; it differs in its time step and its contacts, and its environment takes one step of the simulator at a
time.
"""

from pathlib import Path

import gymnasium.envs.mujoco
import mujoco
import numpy as np

from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.u_shape import UShape

IMPEDANCE = (0.8, 0.8, 0.01)
"""Of all contacts, the first numbers of MuJoCo's solimp: softer than its default (Held et al. 2017)."""


def ant_model(config: AntUMazeConfig, shape: UShape) -> mujoco.MjModel:
    """The ant and the walls of a U; the simulator does not begin anew by itself, so a divergence stays visible."""
    ant = Path(gymnasium.envs.mujoco.__file__).parent / "assets" / "ant.xml"
    spec = mujoco.MjSpec.from_file(str(ant))
    spec.option.timestep = config.time_step
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    for number, corners in enumerate(shape.walls()):
        middle, half = corners.mean(0), np.diff(corners, axis=0)[0] / 2
        spec.worldbody.add_geom(
            name=f"wall_{number}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[*middle, config.wall_height / 2],
            size=[*half, config.wall_height / 2],
            contype=1,
            conaffinity=1,
        )
    for geom in spec.geoms:
        geom.solimp[: len(IMPEDANCE)] = IMPEDANCE
    return spec.compile()
