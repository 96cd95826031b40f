"""No run is lost: not to a stop or a kill at any moment, nor to a damaged or a full disk."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rings import assert_same, content, load
from small_control import AGENT, ARMS, CART, SHORT, run_eagerly, sac_spec, short_spec, stop_at, trained
from small_runs import texts

import recall.off_policy
import recall.training
from recall.checkpoints import Checkpoint
from recall.envs.gym_env import GymEnv
from recall.errors import CheckpointError, TrainingStoppedError
from recall.loop import Training
from recall.off_policy import OffPolicyTraining
from recall.runs import RunSpec
from recall.training import train

TESTS = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled, and a checkpoint is saved after every step."""
    run_eagerly(monkeypatch)
    monkeypatch.setattr(recall.training, "CHECKPOINT_SECONDS", -1)


@cache
def undisturbed(arm: str, env_id: str = CART) -> dict[str, str]:
    """The tables of a training that nothing happened to."""
    return texts(train(short_spec(arm, env_id)))


# Stopping


@pytest.mark.parametrize("arm", ARMS)
def test_going_on_from_a_checkpoint_changes_nothing(arm: str, tmp_path: Path) -> None:
    """In an episode's middle, before anything is learned, around the first update and recall, at the last step."""
    spec = short_spec(arm, "InvertedPendulum-v5")
    training = trained(spec, 0)
    for update in (17, 60, 61, 62, 91, 110, SHORT - 1, SHORT):
        while training.update < update:
            training.step()
        Checkpoint(tmp_path).save(training.state())
        state, stopped, training = load(tmp_path), training, OffPolicyTraining(spec)
        assert state is not None
        training.load_state(state)
        for name in set(state) - {"replay"}:
            assert_same(training.state()[name], stopped.state()[name])
    assert texts(training.result()) == undisturbed(arm, "InvertedPendulum-v5")


# Kills


def train_through_kills(folder: str, spec: RunSpec, kills: list[tuple[str, int]]) -> None:
    """Train to the end in one forked process after another, each but the last killed at the n-th call of a function."""
    for place, count in [*kills, ("", 0)]:
        child = os.fork()
        if child == 0:
            os._exit(train_until_killed(Path(folder), spec, place, count))
        print(place, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def train_until_killed(folder: Path, spec: RunSpec, place: str, count: int) -> int:
    """Train with a trap in a function; leaves where it began, and the tables, beside the checkpoint."""
    owners: dict[str, Any] = {"env": GymEnv, "learner": recall.off_policy.SAC, "disk": os}
    if place:
        owner, name = place.split(".")
        inner, left = getattr(owners[owner], name), iter(range(count))

        def trap(*arguments: Any, **named: Any) -> Any:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(*arguments, **named)

        setattr(owners[owner], name, trap)
    seen: list[int] = []

    def tell(training: Training) -> None:
        if not seen:
            with (folder / "begins").open("a") as begins:
                begins.write(f"{training.update} ")
        seen.append(training.update)

    try:
        tables = texts(train(spec, folder / "run.checkpoint", tell))
    except BaseException as error:  # noqa: BLE001  a forked process must end here, whatever happens
        print(repr(error), flush=True)
        return 1
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table)
    return 0


DRIVER = """
import itertools, sys, types
sys.path.insert(0, {tests!r})
import pytest, recall.training, test_sac_faults
import torch._dynamo  # for all processes at once: the first update of each would
if {eager}:
    test_sac_faults.run_eagerly(pytest.MonkeyPatch())
recall.training.time = types.SimpleNamespace(monotonic=itertools.count().__next__)  # it ticks once a step
recall.training.CHECKPOINT_SECONDS = {steps}
test_sac_faults.train_through_kills({folder!r}, test_sac_faults.{spec}, {kills})
"""


def killed_at(folder: Path, spec: str, kills: list[tuple[str, int]], eager: bool, steps: int) -> dict[str, str]:
    """The tables of a training killed so often and saved after so many steps; each kill must have struck, in order."""
    code = DRIVER.format(tests=TESTS, eager=eager, steps=steps, folder=str(folder), spec=spec, kills=kills)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=3000)
    expected = [f"{place} {-signal.SIGKILL}" for place, _ in kills]
    assert done.stdout.splitlines() == [*expected, " 0"], done.stdout + done.stderr
    begins = [int(update) for update in (folder / "begins").read_text().split()]
    assert begins == sorted(begins)
    assert begins[-1] > len(kills) * 4
    return {path.stem: path.read_text() for path in folder.glob("*.csv")}


def some_kills(n: int, steps: int, saves: int) -> list[tuple[str, int]]:
    """Within steps, updates, and the calls by which a checkpoint comes to the disk, so many of them apart."""
    rng = np.random.default_rng(0)
    apart = {"env.step": steps, "learner.update": steps, "disk.fsync": 4 * saves, "disk.replace": 2 * saves}
    places = [*apart, "disk.fdopen", "disk.unlink"] * n
    apart |= {"disk.fdopen": 2 * saves, "disk.unlink": saves}
    return [(place, int(apart[place] + rng.integers(4))) for place in places[:n]]


def test_a_run_killed_twenty_times_ends_with_the_same_bytes(tmp_path: Path) -> None:
    kills = some_kills(20, steps=5, saves=2)
    assert killed_at(tmp_path, "short_spec('repaired')", kills, eager=True, steps=-1) == undisturbed("repaired")


def large_spec(env_id: str) -> RunSpec:
    """A few thousand steps as they are trained for the book, but with an early start."""
    agent = replace(AGENT, hidden=(256, 256), batch_size=256, buffer_size=2500, random_steps=500, precision="bfloat16")
    recall = {"interval": 500, "length": 20, "n_traces": 32, "model_updates": 20, "model_batch": 256}
    return sac_spec("repaired", (0,), 3000, env_id, agent, 1500, **recall, imitation_batch=64)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["Hopper-v5", "Humanoid-v5"])
def test_a_compiled_run_killed_ten_times_ends_with_the_same_bytes(env_id: str, tmp_path: Path) -> None:
    spec, whole = f"large_spec({env_id!r})", tmp_path / "whole"
    whole.mkdir()
    expected = killed_at(whole, spec, [], eager=False, steps=10**9)
    assert len(expected["metrics"].splitlines()) == 3
    kills = some_kills(10, steps=300, saves=2)
    assert killed_at(tmp_path, spec, kills, eager=False, steps=50) == expected


# Disks


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a run with recall after its 105th step and after its 106th."""
    folder = tmp_path_factory.mktemp("kept") / "run.checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        run_eagerly(patch)
        for update in (105, 106):
            with pytest.raises(TrainingStoppedError):
                train(short_spec("repaired"), folder, stop_at(update))
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(kept, tmp_path / "run.checkpoint")


def test_a_damaged_checkpoint_costs_one_step_and_no_byte(folder: Path, capsys: pytest.CaptureFixture) -> None:
    """Cut at every hundredth of its length, and with a hundred bits flipped, it is refused in a sentence."""
    newest = max(folder.glob("*.state"))
    whole, rng = newest.read_bytes(), np.random.default_rng(0)
    damaged = [whole[: len(whole) * percent // 100] for percent in range(100)]
    for bit in rng.integers(0, 8 * len(whole), 100):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    told: list[str] = []
    for each in damaged:
        newest.write_bytes(each)
        state = Checkpoint(folder).load(told.append)
        assert state is not None
        assert state["update"] == 105
    assert set(told) == {f"{newest} is damaged or no checkpoint, so state {newest.stem} is passed over"}
    assert len(told) == 200
    for each in damaged[50], damaged[150]:
        copy = shutil.copytree(folder, folder.with_name(f"{len(each)}.checkpoint"))
        (copy / newest.name).write_bytes(each)
        assert texts(train(short_spec("repaired"), copy)) == undisturbed("repaired")
        assert capsys.readouterr().err == f"recall: {told[0]}\n".replace(str(folder), str(copy))


def test_a_full_disk_stops_the_run_with_a_sentence_and_costs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in the writing it is found full, and after how many saves."""
    for call in ("fdopen", "fsync", "replace"):
        for allowed in (0, 1, 2, 5):
            before = content(folder)
            number = max(before)[:8]
            inner, left = getattr(os, call), iter(range(allowed))

            def full(*arguments: Any, inner: Any = inner, left: Any = left) -> Any:
                if next(left, None) is None:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return inner(*arguments)

            with monkeypatch.context() as patch:
                patch.setattr(os, call, full)
                with pytest.raises(CheckpointError) as raised:
                    train(short_spec("repaired"), folder)
            assert str(raised.value) == (
                f"the checkpoint {folder} could not be written (No space left on device); make room and give the same "
                "command again: it goes on from the last checkpoint"
            )
            state = load(folder)
            assert state is not None
            assert state["update"] >= 106
            if allowed < 2:
                assert max(content(folder))[:8] == number
                assert content(folder) == before
    assert texts(train(short_spec("repaired"), folder)) == undisturbed("repaired")
