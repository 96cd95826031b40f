"""Runs of one's own: with the settings of the report's pages, told of as they go, and good for every other command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_control import CART, stop_at
from small_own import ROLLOUT, TRAIN, curves, empty_checkout, left_behind, train_here

from recall.analysis.records import load_record
from recall.cli import main
from recall.errors import TrainingStoppedError
from recall.own_runs import OwnRuns, command, evaluation_interval
from recall.pages import store
from recall.policies import evaluate_policy, load_policy
from recall.sac_parameters import SacParameters
from recall.training import checkpoint_of, train
from recall.trpo_parameters import TrpoParameters
from recall.unfinished import unfinished

RECALL = Path(sys.executable).with_name("recall")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, in which one is."""
    return empty_checkout(tmp_path, monkeypatch)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error of the command."""
    status = main(list(arguments))
    return status, *capsys.readouterr()


# What is trained


@pytest.mark.parametrize("recall", [False, True])
@pytest.mark.parametrize("agent", ["sac", "trpo"])
def test_settings_are_those_of_the_agents_page(agent: Any, recall: bool) -> None:
    """To the last: a baseline of one's own is the report's."""
    page: type[SacParameters | TrpoParameters] = SacParameters if agent == "sac" else TrpoParameters
    theirs = page(env_id="Pendulum-v1", seeds=2, first_seed=5, arms="recall" if recall else "baseline").specs()
    ours = OwnRuns("Pendulum-v1", agent, recall, seeds=2, first_seed=5).specs()
    assert [spec.settings for spec in ours] == [spec.settings for spec in theirs]
    assert {(spec.page, spec.arm) for spec in ours} == {("own", f"{agent}-recall" if recall else agent)}
    assert [spec.seeds for spec in ours] == [(5,), (6,)]


def test_an_environment_of_ones_own_is_a_folder() -> None:
    (spec,) = OwnRuns(CART, "trpo", steps=2048).specs()
    assert spec.folder == f"own/small_control-Cart-v0-trpo-{spec.key}"


@given(st.integers(2048, 10**9), st.sampled_from([(1, 5_000), (2048, 50_000)]))
def test_there_is_an_evaluation_and_no_more_than_fit(steps: int, how: tuple[int, int]) -> None:
    unit, usual = how
    updates, every = steps // unit, max(1, evaluation_interval(steps, unit, usual) // unit)
    evaluations = -(-updates // every)
    assert 1 <= evaluations <= 200
    assert evaluations >= min(20, updates)


def test_what_to_type_is_what_was_typed() -> None:
    assert command(OwnRuns("Pendulum-v1")) == "recall train --env Pendulum-v1 --agent sac --no-recall"
    long = OwnRuns(CART, "trpo", True, 4096, 3, 7)
    options = "--recall --steps 4096 --seeds 3 --first-seed 7"
    assert command(long) == f"recall train --env small_control:Cart-v0 --agent trpo {options}"


# What is refused


REFUSED = {
    "an unknown environment": (["--env", "Pendulm-v1"], "env_id is 'Pendulm-v1', which Gymnasium does not know; give"),
    "a missing module": (["--env", "mine:A-v0"], "env_id is 'mine:A-v0', but mine cannot be imported; install it, or"),
    "discrete actions": (["--env", "CartPole-v1"], "CartPole-v1 has the actions Discrete(2); only a vector of real"),
    "no steps": (["--env", CART, "--steps", "0"], "steps is 0; sac needs 10001 to 1000000000: it acts at random for"),
    "too few steps": (["--env", CART, "--agent", "trpo", "--steps", "2047"], "steps is 2047; trpo needs 2048 to "),
    "no seeds": (["--env", CART, "--seeds", "0"], "seeds is 0; it must be from 1 to 200"),
    "a negative seed": (["--env", CART, "--first-seed", "-1"], "first_seed is -1; it must be from 0 to 2147483648"),
    "no worker": (["--env", CART, "--workers", "0"], "workers is 0; it must be 1 or more"),
    "two folders": (["--env", CART, "--tensorboard", "a", "b"], "--tensorboard has 2 folders; give one, or none"),
    "a folder of records": (
        ["--env", CART, "--tensorboard", "papermill_runs/local/board"],
        "--tensorboard is papermill_runs/local/board, among the records; choose a folder outside",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_refused_in_a_sentence(
    case: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, sentence = REFUSED[case]
    status, output, error = told(capsys, "train", *arguments)
    assert (status, output, error.count("\n")) == (1, "", 1)
    assert error.startswith(f"recall: {sentence}")
    assert left_behind(checkout) == []


@pytest.mark.usefixtures("at_once")
def test_a_folder_that_cannot_be_written_is_found_before_the_training(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "file").write_text("")
    status, output, error = told(capsys, *TRAIN, "--tensorboard", "file/board")
    assert (status, output) == (1, "")
    assert error.startswith("recall: the folder file/board cannot be written (Not a directory); choose another")
    (checkout / "papermill_runs" / "local").rmdir()
    (checkout / "papermill_runs" / "local").write_text("")
    status, output, error = told(capsys, *TRAIN)
    assert (status, output, error.count("\n")) == (1, "", 1)
    assert error.startswith(
        f"recall: the folder {checkout / 'papermill_runs' / 'local'} cannot be written (File exists)"
    )


# From the command to the record, and on


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands train in this process."""
    train_here(monkeypatch)


@pytest.mark.usefixtures("at_once")
def test_a_training_is_told_of_and_not_repeated(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output, _ = told(capsys, *TRAIN, "--seeds", "2")
    assert status == 0
    what = "trpo without recall traces in small_control:Cart-v0, 180 steps of each seed"
    specs = OwnRuns(CART, "trpo", steps=3 * ROLLOUT, seeds=2).specs()
    folders = [store(local=True).path(spec) for spec in specs]
    means = [load_record(folder).table("metrics")["return"].mean() for folder in folders]
    lines = output.splitlines()
    assert lines[:3] == [f"{what}: 0 stored, 2 to train", *(f"record: {folder}" for folder in folders)]
    assert lines[3:6] == [
        *(f"final return of seed {seed}: {mean:.6g}" for seed, mean in enumerate(means)),
        f"final return, mean of 2 seeds: {np.mean(means):.6g}",
    ]
    assert [line.split("   # ")[0] for line in lines[7:]] == [
        f"recall eval {specs[0].key}",
        f"recall video {specs[0].key}",
        f"recall train --env {CART} --agent trpo --recall --steps 180 --seeds 2",
    ]
    files = {name: (checkout / name).stat().st_mtime_ns for name in left_behind(checkout)}
    again = told(capsys, *TRAIN, "--seeds", "2")[1].splitlines()
    assert again == [f"{what}: already trained", *lines[1:]]
    assert {name: (checkout / name).stat().st_mtime_ns for name in left_behind(checkout)} == files
    assert told(capsys, *TRAIN, "--seeds", "3")[1].startswith(f"{what}: 2 stored, 1 to train\n")


@pytest.mark.usefixtures("at_once")
def test_other_commands_take_the_records(capsys: pytest.CaptureFixture[str], checkout: Path) -> None:
    assert told(capsys, *TRAIN)[0] == 0
    (spec,) = OwnRuns(CART, "trpo", steps=3 * ROLLOUT).specs()
    (row,) = json.loads(told(capsys, "records", "--local", "--json")[1])
    assert (row["page"], row["arm"], row["seeds"], row["steps"]) == ("own", "trpo", 1, 3 * ROLLOUT)
    status, output, error = told(capsys, "eval", spec.key)
    assert (status, error) == (0, "")
    assert "equal to the last row of metrics.csv" in output.splitlines()[-1]
    status, output, error = told(capsys, "video", spec.key)
    assert (status, output) == (1, "")
    assert error.startswith(f"recall: {CART} has no pictures: the render_modes of its metadata lack rgb_array")
    assert not list(checkout.glob("*.mp4"))


@pytest.mark.usefixtures("at_once")
def test_a_policy_is_loaded_from_its_folder_and_acts(capsys: pytest.CaptureFixture[str]) -> None:
    env_id = "ailing:Ailing-lopsided-actions-v0"
    arguments = ["train", "--env", env_id, "--agent", "trpo", "--steps", str(ROLLOUT)]
    assert told(capsys, *arguments)[0] == 0
    (spec,) = OwnRuns(env_id, "trpo", steps=ROLLOUT).specs()
    policy = load_policy(str(store(local=True).path(spec)))
    assert (policy.spec, policy.record.labels["page"]) == (spec, "own")
    env = policy.make_env()
    obs, _ = env.reset(seed=policy.last_seeds[0])
    total, done = 0.0, False
    while not done:
        action = policy.act(obs)
        assert env.action_space.contains(action)
        assert np.array_equal(action, 1.5 + 1.5 * policy.action(0, obs))
        obs, reward, terminated, truncated, _ = env.step(action)
        total, done = total + float(reward), terminated or truncated
    assert total == evaluate_policy(policy)["return"][0]


def test_a_training_that_was_stopped_can_go_on() -> None:
    (spec,) = OwnRuns(CART, "trpo", steps=4096).specs()
    with pytest.raises(TrainingStoppedError):
        train(spec, checkpoint_of(spec), stop_at(1))
    (waiting,) = unfinished()
    assert (waiting.name, waiting.spec()) == (spec.folder, spec)


# The executable, as a stranger uses it


OWN = """
import os
import time

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box


class Car(gym.Env):
    metadata = {"render_modes": ["rgb_array"]}
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Box(-2, 2, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-1, 1, 2)
        return self.state.astype(np.float32), {}

    def step(self, action):
        time.sleep(float(os.environ.get("CAR_PAUSE", 0)))
        place, speed = self.state
        self.state = np.array([place + 0.1 * speed, speed + 0.1 * action[0]])
        return self.state.astype(np.float32), -abs(float(place)), bool(abs(place) > 3), False, {}

    def render(self):
        picture = np.zeros((16, 32, 3), np.uint8)
        picture[:, int(np.clip(16 + 5 * self.state[0], 0, 31))] = 255
        return picture


gym.register("Car-v0", Car, max_episode_steps=50)
"""


def recall(*arguments: str) -> subprocess.CompletedProcess:
    """The command's output and exit status."""
    return subprocess.run([RECALL, *arguments], capture_output=True, text=True, timeout=600, check=False)


def test_the_doctor_finds_a_module_of_the_current_folder(checkout: Path) -> None:
    (checkout / "my_module.py").write_text(OWN)
    done = recall("doctor", "--env", "my_module:Car-v0")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.splitlines()[-2] == "17 checks: 17 ok, 0 warnings, 0 problems"


@pytest.mark.slow
def test_a_stranger_trains_stops_goes_on_evaluates_films_and_audits(checkout: Path) -> None:
    """With a module of one's own, which the worker processes import too."""
    (checkout / "my_module.py").write_text(OWN)
    arguments = ["train", "--env", "my_module:Car-v0", "--agent", "trpo", "--recall", "--steps", "32768"]
    process = subprocess.Popen(
        [RECALL, *arguments, "--tensorboard"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"CAR_PAUSE": "0.001"},  # half a minute, so that no machine is done before it is stopped
    )
    board = checkout / "papermill_runs" / "tensorboard"
    while process.poll() is None and not any(curves(path) for path in board.glob("*/*")):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error.decode()
    waiting = recall("resume").stdout.splitlines()[1].split()
    assert waiting[1:4] == ["own", "trpo-recall", "my_module-Car-v0"]

    resumed = recall("resume", waiting[0])
    assert resumed.returncode == 0, resumed.stderr
    folder = Path(resumed.stdout.strip().removeprefix("record: "))
    again = recall(*arguments, "--tensorboard")
    assert "already trained" in again.stdout, again.stderr
    steps = [step for step, _ in curves(board / folder.name / "seed-0")["metrics/return"]]
    assert sorted(set(steps)) == load_record(folder).table("metrics")["step"].tolist()
    assert "equal to the last row of metrics.csv" in recall("eval", waiting[0]).stdout
    assert recall("video", waiting[0], "--output", "car.gif").stdout == "film: car.gif\n"
    assert (checkout / "car.gif").stat().st_size > 0
    audited = recall("audit", "--local", "--runs", "1")
    assert (audited.returncode, audited.stdout.split()[-1]) == (0, "equal"), audited.stderr
