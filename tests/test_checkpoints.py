"""Checkpoints: everything comes back, nothing damaged is believed, nothing is executed, nothing is half written."""

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from small_runs import small_spec

from recall import checkpoints
from recall.checkpoints import MAGIC, META, load, save, scratch_folder, write_atomic
from recall.errors import CheckpointError
from recall.training import Training

names = st.text("abcdefgh_0123", min_size=1, max_size=5)
dtypes = st.sampled_from(["f4", "f8", "i8", "?", "U3"])
arrays = dtypes.flatmap(lambda dtype: stnp.arrays(dtype, stnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
plain = st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.text() | st.lists(st.integers())
states = st.recursive(
    st.dictionaries(names, arrays | plain, max_size=4),
    lambda inner: st.dictionaries(names, inner | arrays | plain, max_size=4),
    max_leaves=8,
)


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_same(found[name], value)
    elif isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    else:
        assert (type(found), found) == (type(expected), expected)


@settings(max_examples=100, deadline=None)
@given(states.filter(lambda state: isinstance(state, dict)))
def test_a_state_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, state: dict) -> None:
    file = tmp_path_factory.getbasetemp() / "checkpoint"
    save(file, state)
    assert_same(load(file), state)


@pytest.fixture(scope="module")
def training_state() -> checkpoints.State:
    """The state of a training that learns, after a few updates."""
    training = Training(small_spec("learned"))
    for _ in range(5):
        training.step()
    return training.state()


@pytest.fixture(scope="module")
def content(training_state: checkpoints.State, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of its checkpoint."""
    file = tmp_path_factory.mktemp("scratch") / "checkpoint"
    save(file, training_state)
    assert_same(load(file), training_state)
    return file.read_bytes()


def assert_refused(file: Path, damaged: bytes) -> None:
    file.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
        load(file)


def test_a_cut_file_is_refused_wherever_it_is_cut(content: bytes, tmp_path: Path) -> None:
    for percent in range(100):
        assert_refused(tmp_path / "checkpoint", content[: len(content) * percent // 100])
    assert_refused(tmp_path / "checkpoint", content[:-1])
    assert_refused(tmp_path / "checkpoint", content + b"\0")


def test_a_flipped_bit_is_refused_wherever_it_is(content: bytes, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    within_head = rng.integers(0, 8 * (len(MAGIC) + 65), 20)
    for bit in (*within_head, *rng.integers(0, 8 * len(content), 100)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        assert_refused(tmp_path / "checkpoint", bytes(damaged))


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


def test_a_forged_file_is_never_executed(tmp_path: Path) -> None:
    proof, file = tmp_path / "proof", tmp_path / "checkpoint"
    bomb = np.array([Bomb(proof)], object)
    for body in (pickle.dumps(Bomb(proof)), npz(x=bomb, **{META: np.array('{"x": null}')}), npz(**{META: bomb})):
        assert_refused(file, sealed(body))
        assert not proof.exists()
    np.load(io.BytesIO(npz(x=bomb)), allow_pickle=True)["x"]  # the bomb is a true one
    assert proof.exists()


@pytest.mark.parametrize("body", [b"", b"PK", npz(x=np.zeros(3)), npz(**{META: np.array("{")})])
def test_a_sealed_file_of_something_else_is_refused(body: bytes, tmp_path: Path) -> None:
    assert_refused(tmp_path / "checkpoint", sealed(body))


def test_an_object_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        save(tmp_path / "checkpoint", {"x": np.array([None])})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_alone(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "checkpoint"
    save(file, {"update": 1})

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="no space"):
            save(file, {"update": 2})
    assert load(file) == {"update": 1}
    assert list(tmp_path.iterdir()) == [file]
    save(file, {"update": 2})
    assert load(file) == {"update": 2}


def test_the_new_content_is_on_disk_before_the_old_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = tmp_path / "f", Mock()
    calls.replace.side_effect = os.replace
    monkeypatch.setattr(os, "fsync", calls.fsync)
    monkeypatch.setattr(os, "replace", calls.replace)
    write_atomic(file, b"new")
    assert [name for name, *_ in calls.mock_calls] == ["fsync", "replace"]
    assert file.read_bytes() == b"new"


def test_scratch_space_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path))
    assert scratch_folder() == tmp_path
    monkeypatch.delenv("RECALL_SCRATCH")
    assert scratch_folder().name == "recall-traces"
