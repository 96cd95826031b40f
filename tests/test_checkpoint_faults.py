"""Faults: no damage is believed, nothing forged is executed, and no kill and no full disk costs a stored state."""

import errno
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from ctypes import c_longlong
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from rings import Ring, assert_same, content, load
from small_runs import small_spec

from recall.checkpoints import META, Checkpoint, Growing, State
from recall.errors import CheckpointError
from recall.storage import MAGIC, write_arrays, write_atomic
from recall.training import begin

SEGMENTS = ("00000001-ring.rows", "00000002-ring.rows")
STATES = ("00000001.state", "00000002.state")


@pytest.fixture(scope="module")
def saved_states() -> list[State]:
    """Two states of a training that learns, with a ring beside it."""
    training, ring, found = begin(small_spec("learned")), Ring(300), []
    for _ in range(2):
        for _ in range(3):
            training.step()
        ring.add(range(ring.end, ring.end + 200))
        found.append(deepcopy({"training": training.state(), "ring": ring.state()}))
    return found


@pytest.fixture
def folder(saved_states: list[State], tmp_path: Path) -> Path:
    """A checkpoint with both; either needs the first segment, the newer one the second too."""
    checkpoint = Checkpoint(tmp_path / "run.checkpoint")
    for state in saved_states:
        checkpoint.save(state)
        assert_same(load(checkpoint.folder), state)
    assert sorted(content(checkpoint.folder)) == sorted([*SEGMENTS, *STATES])
    return checkpoint.folder


def assert_refused(folder: Path, damaged: str, saved_states: list[State]) -> None:
    """A damaged file costs the states that need it, in one sentence each, and no other."""
    needing = {SEGMENTS[0]: [1, 0], SEGMENTS[1]: [1], STATES[0]: [], STATES[1]: [1]}[damaged]
    told: list[str] = []
    if len(needing) == 2:
        with pytest.raises(CheckpointError, match=rf"^no state in {folder} is whole$"):
            Checkpoint(folder).load(told.append)
    else:
        assert_same(Checkpoint(folder).load(told.append), saved_states[1 - len(needing)])
    found = rf"{folder / damaged} (is damaged or no checkpoint|cannot be read \(No such file or directory\)), so state "
    assert len(told) == len(needing)
    for sentence, number in zip(told, needing, strict=True):
        assert re.fullmatch(rf"{found}0000000{number + 1} is passed over", sentence)


@pytest.mark.parametrize("name", [STATES[1], SEGMENTS[1]])
def test_a_cut_file_is_refused_wherever_it_is_cut(name: str, folder: Path, saved_states: list[State]) -> None:
    whole = (folder / name).read_bytes()
    for damaged in (*(whole[: len(whole) * percent // 100] for percent in range(100)), whole[:-1], whole + b"\0"):
        (folder / name).write_bytes(damaged)
        assert_refused(folder, name, saved_states)


@pytest.mark.parametrize("name", SEGMENTS)
def test_states_that_miss_a_segment_are_refused(name: str, folder: Path, saved_states: list[State]) -> None:
    (folder / name).unlink()
    assert_refused(folder, name, saved_states)


def test_a_flipped_bit_is_refused_wherever_it_is(folder: Path, saved_states: list[State]) -> None:
    rng = np.random.default_rng(0)
    for name, whole in content(folder).items():
        within_head = rng.integers(0, 8 * (len(MAGIC) + 65), 5)
        for bit in (*within_head, *rng.integers(0, 8 * len(whole), 25)):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(damaged)
            assert_refused(folder, name, saved_states)
        (folder / name).write_bytes(whole)


def test_a_damaged_older_state_is_refused_when_it_is_needed(folder: Path) -> None:
    for name in STATES:
        (folder / name).write_bytes(b"what is this?")
    told: list[str] = []
    with pytest.raises(CheckpointError, match="no state"):
        Checkpoint(folder).load(told.append)
    assert len(told) == 2


def test_a_whole_segment_of_another_training_is_refused(folder: Path, saved_states: list[State]) -> None:
    write_arrays(folder / SEGMENTS[1], {"rows": np.zeros((200, 2), int)})
    assert_refused(folder, SEGMENTS[1], saved_states)


# Forgery


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return Path.touch, (self.file,)


def sealed(body: bytes) -> bytes:
    """A body with a true checksum before it, as somebody who knows the format would forge it."""
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def assert_no_state(folder: Path, body: bytes) -> None:
    (folder / STATES[0]).write_bytes(sealed(body))
    with pytest.raises(CheckpointError, match="no state"):
        Checkpoint(folder).load(lambda told: None)


def test_a_forged_file_is_never_executed(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    bomb = np.array([Bomb(proof)], object)
    segment = npz(rows=bomb)
    (tmp_path / SEGMENTS[0]).write_bytes(sealed(segment))
    held = [SEGMENTS[0], 0, 1, hashlib.sha256(segment).hexdigest()]
    meta = json.dumps({"state": {}, "growing": {"/x": [0, 1, [held]]}})
    for body in (
        pickle.dumps(Bomb(proof)),
        npz(**{"/x": bomb, META: '{"state": {}, "growing": {}}'}),
        npz(**{META: bomb}),
        npz(**{"/x": np.zeros(0), META: meta}),
    ):
        assert_no_state(tmp_path, body)
        assert not proof.exists()
    np.load(io.BytesIO(segment), allow_pickle=True)["rows"]  # the bomb is a true one
    assert proof.exists()


@pytest.mark.parametrize(
    "body", [b"", b"PK", npz(x=np.zeros(3)), *(npz(**{META: text}) for text in ("{", "[]", "{}", '{"growing": []}'))]
)
def test_a_sealed_file_of_something_else_is_refused(body: bytes, tmp_path: Path) -> None:
    assert_no_state(tmp_path, body)


# Failing disks and sudden deaths


class Disk:
    """Counts the calls that change a disk; one of them fails, and all later ones too if it is broken for good."""

    def __init__(self, failing: int, for_good: bool) -> None:
        self.failing, self.for_good, self.calls = failing, for_good, 0

    def call(self) -> None:
        self.calls += 1
        if self.calls == self.failing or (self.for_good and self.calls > self.failing):
            code = errno.EROFS if self.for_good else errno.ENOSPC
            raise OSError(code, os.strerror(code))

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Let everything in `os` that a save may call go through this disk."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("open", "fsync", "replace", *(["unlink"] if self.for_good else [])):
                patch.setattr(os, name, self.guarded(getattr(os, name)))
            patch.setattr(os, "fdopen", lambda handle, mode: File(self, handle))
            yield

    def guarded(self, function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.call()
            return function(*args, **kwargs)

        return call


class File(io.BufferedWriter):
    """A file on it: when a write fails, half of the content is there."""

    def __init__(self, disk: Disk, handle: int) -> None:
        super().__init__(io.FileIO(handle, "w"))
        self.disk = disk

    def write(self, content: Any) -> int:
        try:
            self.disk.call()
        except OSError:
            super().write(content[: len(content) // 2])
            raise
        return super().write(content)


@pytest.mark.parametrize("for_good", [False, True])
def test_a_failing_disk_costs_no_state_whenever_it_fails(
    for_good: bool, folder: Path, saved_states: list[State], tmp_path: Path
) -> None:
    reason = "Read-only file system" if for_good else "No space left on device"
    calls = 12  # create, write, sync, rename, open and sync the folder: for the segment and for the state
    for failing in range(1, calls + 1):
        copy = shutil.copytree(folder, tmp_path / f"{failing}.checkpoint")
        checkpoint, ring = Checkpoint(copy), Ring(300)
        state = checkpoint.load(pytest.fail)
        assert state is not None
        ring.load_state(state["ring"])
        ring.add(range(1000, 1050))
        newer = {"failing": failing, "ring": ring.state()}
        with Disk(failing, for_good).mounted(), pytest.raises(CheckpointError) as raised:
            checkpoint.save(newer)
        assert str(raised.value) == (
            f"the checkpoint {copy} could not be written ({reason}); make room and give the same command again: "
            "it goes on from the last checkpoint"
        )
        written_anyway = for_good and failing > calls - 2  # all but the assurance that its name is on disk
        assert_same(load(copy), newer if written_anyway else saved_states[1])
        assert for_good or content(copy) == content(folder)
        checkpoint.save(newer)
        assert_same(load(copy), newer)
        assert {name[:8] for name in content(copy)} <= {"00000001", "00000002", max(content(copy))[:8]}
    disk = Disk(calls + 1, for_good=False)
    with disk.mounted():
        checkpoint.save({"ring": Ring(3, range(2)).state()})
    assert disk.calls == calls


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=rf"^the checkpoint {tmp_path}/file/x could not be written \(Not a dir"):
        Checkpoint(tmp_path / "file" / "x").save({})


def test_the_next_save_cleans_up_after_a_kill_and_touches_nothing_else(folder: Path) -> None:
    foreign = {"notes.txt", "my.partial"}
    for name in (*foreign, f".{STATES[1]}.abc123.partial", "00000003-ring.rows", "00000003-gone.rows"):
        (folder / name).write_bytes(b"x")
    checkpoint, ring = Checkpoint(folder), Ring(300, range(400))

    def rows(start: int, end: int) -> np.ndarray:
        assert not list(folder.glob(".*.partial"))  # they go first, for their room may be needed
        return ring.rows(start, end)

    checkpoint.load(lambda told: None)
    checkpoint.save({"ring": Growing(ring.start, ring.end, rows)})
    assert set(content(folder)) - foreign == {*SEGMENTS, STATES[1], "00000004.state"}
    assert set(content(folder)) >= foreign


def save_for_ever(folder: Path, acknowledged: c_longlong) -> None:
    """Go on from the checkpoint and save as fast as it can; tells which saves were done."""
    checkpoint, ring, n = Checkpoint(folder), Ring(40), 0
    state = checkpoint.load(lambda told: os._exit(1))
    if state is not None:
        ring.load_state(state["ring"])
        n = state["n"]
    while True:
        n += 1
        ring.add(range(7 * n - 7, 7 * n))
        checkpoint.save({"n": n, "weights": np.full(20_000, n), "ring": ring.state()})
        acknowledged.value = n


def test_a_kill_at_any_moment_costs_no_finished_save(tmp_path: Path) -> None:
    context, rng = multiprocessing.get_context("fork"), np.random.default_rng(0)
    acknowledged = context.Value("q", 0, lock=False)
    for _ in range(20):
        before = acknowledged.value
        process = context.Process(target=save_for_ever, args=(tmp_path, acknowledged))
        process.start()
        while acknowledged.value == before and process.is_alive():
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        state = load(tmp_path)
        assert state is not None
        n = state["n"]
        assert n in (acknowledged.value, acknowledged.value + 1)
        assert_same(state, {"n": n, "weights": np.full(20_000, n), "ring": Ring(40, range(7 * n)).state()})


def test_the_new_content_is_on_disk_before_the_old_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = tmp_path / "f", Mock()
    calls.replace.side_effect = os.replace
    monkeypatch.setattr(os, "fsync", calls.fsync)
    monkeypatch.setattr(os, "replace", calls.replace)
    write_atomic(file, b"new")
    assert [name for name, *_ in calls.mock_calls] == ["fsync", "replace", "fsync"]  # the last is the folder's
    assert file.read_bytes() == b"new"
    (tmp_path / "plain").touch()
    assert file.stat().st_mode == (tmp_path / "plain").stat().st_mode  # for whom the user lets read it
