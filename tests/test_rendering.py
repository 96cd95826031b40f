"""Films: drawn where the machine can, with the way it was found, and refused in a sentence elsewhere."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import imageio.v2 as imageio
import numpy as np
import pytest
from gymnasium.spaces import Box
from PIL import Image

from recall import rendering
from recall.cli import main
from recall.envs.gym_env import GymConfig, GymEnv
from recall.errors import ConfigError, RecallError
from recall.policies import Policy
from recall.rendering import backend, film, frames


class Stripes(gym.Env[np.ndarray, np.ndarray]):
    """Drawn as a picture as bright as there were steps; lasts forty."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 100}  # noqa: RUF012 (Gymnasium's)
    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.drawn = render_mode, 0

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        return np.zeros(2), 0.0, self.steps == 40, False, {}

    def render(self) -> np.ndarray:  # type: ignore[override]
        self.drawn += 1
        return np.full((4, 6, 3), 5 * self.steps, np.uint8)


gym.register(id="Stripes-v0", entry_point=Stripes, max_episode_steps=100)


class Undrawable(Stripes):
    """Draws nothing without a library that nobody has."""

    def render(self) -> np.ndarray:  # type: ignore[override]
        raise gym.error.DependencyNotInstalled("crayons are not installed")


gym.register(id="Undrawable-v0", entry_point=Undrawable, max_episode_steps=100)


class Still:
    """A policy that never moves, as far as a film looks at it."""

    record = SimpleNamespace(path=Path("store/page/Stripes-v0-baseline-abc"))
    last_seeds = range(10, 15)

    def __init__(self, env_id: str, action_dim: int = 1) -> None:
        self.env, self.action_dim = GymConfig(env_id), action_dim

    def action(self, run: int, obs: np.ndarray) -> np.ndarray:
        return np.zeros(self.action_dim, np.float32)


def still(env_id: str = "Stripes-v0", action_dim: int = 1) -> Policy:
    return Still(env_id, action_dim)  # type: ignore[return-value]


def pictures(file: Path) -> list[np.ndarray]:
    """The frames of a film."""
    with Image.open(file) as image:
        found = []
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            found.append(np.array(image.convert("RGB")))
        return found


def test_only_the_frames_that_are_shown_are_drawn() -> None:
    env = GymEnv(GymConfig("Stripes-v0"), render_mode="rgb_array")
    found = [frame[0, 0, 0] for frame in frames(still(), env, 10, every=4, steps=None)]
    assert found == [5 * step for step in range(0, 40, 4)]
    assert env.env.unwrapped.drawn == len(found)  # type: ignore[attr-defined]
    assert len(list(frames(still(), env, 10, every=4, steps=9))) == 3


def test_a_film_keeps_the_pace_of_the_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred steps a second are thinned out to twenty-five pictures a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    output = film(still(), episodes=2)
    assert output == Path("Stripes-v0-baseline-abc.gif")
    assert [picture[0, 0, 0] for picture in pictures(output)] == [5 * step for step in range(0, 40, 4)] * 2
    with Image.open(output) as image:
        assert image.info["duration"] == 40


def test_an_mp4_is_written_where_its_writer_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rendering, "find_spec", lambda name: name == "imageio_ffmpeg")
    calls: list[Any] = []

    class Writer(list):
        append_data = list.append

        def __enter__(self) -> "Writer":
            return self

        def __exit__(self, *exception: object) -> None:
            calls.append(len(self))

    monkeypatch.setattr(imageio, "get_writer", lambda path, fps: calls.append((str(path), fps)) or Writer())
    assert film(still(), steps=8) == Path("Stripes-v0-baseline-abc.mp4")
    assert calls == [("Stripes-v0-baseline-abc.mp4", 25.0), 2]


def test_what_cannot_be_written_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"output is x\.avi; it must end in \.mp4 or \.gif"):
        film(still(), Path("x.avi"))
    with pytest.raises(ConfigError, match=r"imageio-ffmpeg is not installed; install it or choose a \.gif"):
        film(still(), Path("x.mp4"))


def test_an_environment_that_cannot_be_drawn_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RecallError, match=r"^Undrawable-v0 cannot be drawn here: crayons are not installed$"):
        film(still("Undrawable-v0"), tmp_path / "x.gif")
    assert list(tmp_path.iterdir()) == []


# MuJoCo's ways of drawing


def drawing(monkeypatch: pytest.MonkeyPatch, *working: str) -> list[str]:
    """Let only some backends work; returns the list of those that were tried."""
    tried: list[str] = []
    monkeypatch.setattr(rendering, "_draws", lambda name: tried.append(name) or name in working)
    return tried


def test_the_first_way_that_works_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    tried = drawing(monkeypatch, "egl", "osmesa")
    assert (backend(), tried) == ("egl", ["egl"])
    tried = drawing(monkeypatch, "osmesa")
    assert (backend(), tried) == ("osmesa", ["egl", "osmesa"])


def test_a_wish_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    tried = drawing(monkeypatch, "egl", "osmesa")
    assert (backend(), tried) == ("osmesa", ["osmesa"])
    drawing(monkeypatch, "egl")
    with pytest.raises(RecallError, match=r"MuJoCo cannot draw here \(tried osmesa\); install"):
        backend()


def test_where_nothing_works_all_that_was_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    drawing(monkeypatch)
    with pytest.raises(RecallError, match=r"\(tried egl and osmesa\); install the system's EGL or OSMesa library"):
        backend()


@pytest.mark.parametrize("probe", ["import os; os.abort()", "raise SystemExit(3)", "import time; time.sleep(60)"])
def test_a_driver_that_fails_takes_only_its_own_process_along(probe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "PROBE", probe)
    monkeypatch.setattr(rendering, "PROBE_SECONDS", 5)
    assert not rendering._draws("egl")


def test_each_way_is_tried_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "PROBE", "import os; assert os.environ['MUJOCO_GL'] == 'osmesa'")
    assert [rendering._draws(name) for name in rendering.BACKENDS] == [False, True]


@pytest.fixture(scope="module")
def renderer() -> str:
    """A way in which MuJoCo really draws here."""
    for name in rendering.BACKENDS:
        if rendering._draws(name):
            return name
    pytest.skip("neither EGL nor OSMesa draws here")


def test_mujoco_is_filmed(renderer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the command, in a process of its own, as a person without a screen runs it."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from test_rendering import still;"
        "from recall.rendering import film; film(still('Hopper-v5', 3), Path('hopper.gif'), steps=11)"
    )
    monkeypatch.setenv("MUJOCO_GL", renderer)
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = pictures(tmp_path / "hopper.gif")
    assert len(found) == 3  # 125 steps a second, every fifth is shown
    assert {picture.shape for picture in found} == {(480, 480, 3)}
    assert all(picture.std() > 10 for picture in found)
    assert not np.array_equal(found[0], found[-1])


def test_the_command_films_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recall.listing.find_run", lambda name: name)
    monkeypatch.setattr("recall.policies.load_policy", lambda record: still())
    assert main(["video", "any", "--output", "film.gif", "--steps", "8", "--episodes", "3"]) == 0
    assert capsys.readouterr().out == "film: film.gif\n"
    assert len(pictures(tmp_path / "film.gif")) == 6
    assert main(["video", "any", "--steps", "0"]) == 1
    assert capsys.readouterr().err == "recall: steps is 0; it must be 1 or more\n"
