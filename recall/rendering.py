"""Films of what was learned, where the machine can draw."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from math import ceil
from pathlib import Path

import gymnasium as gym
import imageio.v2 as imageio
import numpy as np
from PIL import Image

from recall.envs.gym_env import GymConfig, GymEnv, make
from recall.errors import ConfigError, RecallError
from recall.policies import Policy
from recall.store import refuse_unwritable

BACKENDS = ("egl", "osmesa")
"""Ways in which MuJoCo draws without a screen, in the order in which they are tried."""

FRAMES_A_SECOND = 25
"""At most so many; the environments' own, up to 125, are thinned out, so that a film keeps the simulation's pace."""

PROBE_SECONDS = 60
PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco/>")
renderer = mujoco.Renderer(model, 16, 16)
renderer.update_scene(mujoco.MjData(model))
renderer.render()
"""
"""Draws an empty scene, in a process of its own: a driver that fails may take its process along."""


def film(policy: Policy, output: Path | None = None, episodes: int = 1, steps: int | None = None) -> Path:
    """Film the mean action of a record's first seed, from the starts of its last evaluation on; returns the file.

    Args:
        policy: who acts.
        output: an .mp4 or .gif file; None names it after the record, .mp4 where imageio-ffmpeg is installed.
        episodes: how many, one after the other.
        steps: steps after which an episode is cut short; None films it to its end.

    Raises:
        ConfigError: the output is of another kind, or needs imageio-ffmpeg.
        RecallError: nothing here can draw, or the environment has no pictures.
    """
    output = output or Path(policy.record.path.name + (".mp4" if find_spec("imageio_ffmpeg") else ".gif"))
    _check(output)
    if "mujoco" in policy.env.libraries:
        os.environ["MUJOCO_GL"] = backend()
    _check_pictures(policy.env)
    try:
        env = GymEnv(policy.env, render_mode="rgb_array")
        pace = env.env.metadata.get("render_fps", FRAMES_A_SECOND)
        every = ceil(pace / FRAMES_A_SECOND)
        seeds = range(policy.last_seeds[0], policy.last_seeds[0] + episodes)
        _write(output, (frame for seed in seeds for frame in frames(policy, env, seed, every, steps)), pace / every)
    except gym.error.Error as error:
        raise RecallError(f"{policy.env.env_id} cannot be drawn here: {str(error).rstrip('.')}") from error
    env.env.close()
    return output


def frames(policy: Policy, env: GymEnv, seed: int, every: int, steps: int | None) -> Iterator[np.ndarray]:
    """Pictures (height, width, 3) of an episode, at its start and after every so many steps."""
    obs, step, done = env.reset(seed), 0, False
    while not done and step != steps:
        if step % every == 0:
            yield env.env.render()  # type: ignore[misc]  # an array in this render mode
        obs, _, terminated, truncated = env.step(policy.action(0, obs))
        step, done = step + 1, terminated or truncated


def backend() -> str:
    """The way in which MuJoCo can draw here; MUJOCO_GL, where it is set, is the only one tried.

    Raises:
        RecallError: none works.
    """
    wanted = os.environ.get("MUJOCO_GL")
    tried = (wanted,) if wanted else BACKENDS
    for name in tried:
        if _draws(name):
            return name
    raise RecallError(
        f"MuJoCo cannot draw here (tried {' and '.join(tried)}); install the system's EGL or OSMesa library, "
        "in Debian and Ubuntu: apt install libegl1 libosmesa6"
    )


def _draws(name: str) -> bool:
    """Whether a backend draws, tried in a process of its own."""
    command, env = [sys.executable, "-c", PROBE], os.environ | {"MUJOCO_GL": name}
    try:
        return subprocess.run(command, env=env, capture_output=True, timeout=PROBE_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _check(output: Path) -> None:
    """Refuse a film that could not be written, before it is made."""
    if output.suffix not in (".mp4", ".gif"):
        raise ConfigError(f"output is {output}; it must end in .mp4 or .gif")
    refuse_unwritable(output.parent)
    if output.suffix == ".mp4" and not find_spec("imageio_ffmpeg"):
        raise ConfigError(f"output is {output}, but imageio-ffmpeg is not installed; install it or choose a .gif")


def _check_pictures(env: GymConfig) -> None:
    """Refuse an environment that says it draws nothing."""
    if "rgb_array" not in make(env).metadata.get("render_modes", ()):
        raise RecallError(
            f"{env.env_id} has no pictures: the render_modes of its metadata lack rgb_array; let it draw, or see its "
            "policy's returns with recall eval"
        )


def _write(output: Path, pictures: Iterator[np.ndarray], pace: float) -> None:
    """Store a film picture by picture, at so many a second."""
    if output.suffix == ".mp4":
        with imageio.get_writer(output, fps=pace) as writer:
            for picture in pictures:
                writer.append_data(picture)  # type: ignore[attr-defined]  # its stub names the base class
    else:
        images = map(Image.fromarray, pictures)
        next(images).save(output, save_all=True, append_images=images, duration=round(1000 / pace), loop=0)
