"""Checkpoints: everything comes back, rows are written once, two states are kept, and nothing else."""

import itertools
import os
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from rings import Ring, assert_same, content, load

from recall.checkpoints import Checkpoint, Growing, State, scratch_folder

names = st.text("abcdefgh_0123", min_size=1, max_size=5) | st.sampled_from(["file", "meta", "allow_pickle", "a.b"])
dtypes = st.sampled_from(["f4", "f8", "i8", "?", "U3"])
arrays = dtypes.flatmap(lambda dtype: stnp.arrays(dtype, stnp.array_shapes(min_dims=0, min_side=0, max_side=3)))
plain = st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.text() | st.lists(st.integers())
tables = dtypes.flatmap(lambda dtype: stnp.arrays(dtype, stnp.array_shapes(min_side=0, max_side=5)))


@st.composite
def growing(draw: st.DrawFn) -> Growing:
    """A leaf of up to five rows that may have forgotten its first ones."""
    table = draw(tables)
    return Growing(draw(st.integers(0, len(table))), len(table), lambda start, end: table[start:end])


leaves = arrays | plain | growing()
states = st.recursive(
    st.dictionaries(names, leaves, max_size=4),
    lambda inner: st.dictionaries(names, inner | leaves, max_size=4),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(states.filter(lambda state: isinstance(state, dict)))
def test_a_state_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, state: dict) -> None:
    folder = tmp_path_factory.getbasetemp() / "anything.checkpoint"
    Checkpoint(folder).save(state)
    assert_same(load(folder), state)


def test_rows_are_written_once_and_go_when_two_states_have_forgotten_them(tmp_path: Path) -> None:
    ring, checkpoint, written = Ring(10), Checkpoint(tmp_path), {}
    for number in range(1, 7):
        ring.add(range(4 * number - 4, 4 * number))
        checkpoint.save({"memory": {"ring": ring.state()}})
        assert ring.asked == [(4 * n - 4, 4 * n) for n in range(1, number + 1)]
        files = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tmp_path.glob("*.rows")}
        written = files | written
        assert files == {name: written[name] for name in files}
    state = load(tmp_path)
    assert state is not None
    assert state["memory"]["ring"].rows[:, 0].tolist() == list(range(14, 24))
    held = [f"{n:08}-memory%2Fring.rows" for n in (3, 4, 5, 6)]  # rows 8 to 23: the previous state begins with row 10
    assert sorted(content(tmp_path)) == sorted([*held, "00000005.state", "00000006.state"])
    checkpoint.save({"memory": {"ring": ring.state()}})  # both begin with row 14 now, and no row is new
    assert sorted(content(tmp_path)) == sorted([*held[1:], "00000006.state", "00000007.state"])


def test_rows_that_came_and_went_between_two_saves_are_not_missed(tmp_path: Path) -> None:
    ring, checkpoint = Ring(5), Checkpoint(tmp_path)
    for added in (3, 12, 0, 5):
        ring.add(range(ring.end, ring.end + added))
        checkpoint.save({"ring": ring.state()})
        assert_same(load(tmp_path), {"ring": ring.state()})


def test_a_new_training_takes_the_place_of_an_old_one(tmp_path: Path) -> None:
    Checkpoint(tmp_path).save({"ring": Ring(50, range(40)).state()})
    new = {"ring": Ring(50, range(100, 160)).state()}
    Checkpoint(tmp_path).save(new)
    assert_same(load(tmp_path), new)
    assert sorted(content(tmp_path)) == ["00000002-ring.rows", "00000002.state"]


def test_a_leaf_that_was_emptied_is_written_anew(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    for values in (range(5), range(10, 13)):
        state = {"ring": Ring(8, values).state()}
        checkpoint.save(state)
        assert_same(load(tmp_path), state)


class Life:
    """Two rings that grow, are saved, restarted and damaged, beside what their checkpoint should hold."""

    def __init__(self, folder: Path, capacities: tuple[int, int]) -> None:
        self.folder, self.capacities = folder, capacities
        self.values = itertools.count()
        self.begin()

    def begin(self) -> None:
        """Start a training from its beginning, whatever there is."""
        self.rings = [Ring(capacity) for capacity in self.capacities]
        self.checkpoint = Checkpoint(self.folder)
        self.saved: list[State] = []
        self.step(1, 2)

    def state(self) -> State:
        return {"a": self.rings[0].state(), "deep": {"a": self.rings[1].state()}}

    def step(self, *added: int) -> None:
        """Add rows that never were before, and save."""
        for ring, n in zip(self.rings, added, strict=True):
            ring.add(itertools.islice(self.values, n))
        self.checkpoint.save(self.state())
        self.saved = [*self.saved[-1:], deepcopy(self.state())]

    def restart(self) -> None:
        """Go on as a new process does."""
        self.checkpoint = Checkpoint(self.folder)
        state = self.checkpoint.load(lambda told: None)
        assert state is not None
        for ring, loaded in zip(self.rings, (state["a"], state["deep"]["a"]), strict=True):
            ring.load_state(loaded)

    def cut_newest(self, suffix: str) -> None:
        """Damage a file that only the newest state needs, and go on from the one before."""
        files = sorted(self.folder.glob(f"{max(self.folder.glob('*.state')).stem}*{suffix}"))
        if len(self.saved) == 2 and files:
            files[0].write_bytes(files[0].read_bytes()[:-1])
            self.saved.pop()
            self.restart()

    def kill_before_state(self) -> None:
        """Leave the newest segments without the state that was to name them, and go on."""
        if len(self.saved) == 2:
            max(self.folder.glob("*.state")).unlink()
            self.saved.pop()
            self.restart()


moves = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 9), st.integers(0, 3)),
    st.tuples(st.just("cut_newest"), st.sampled_from([".state", ".rows"])),
    st.tuples(st.sampled_from(["restart", "kill_before_state", "begin"])),
)


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), st.lists(moves, max_size=12))
def test_whatever_happened_the_last_good_state_comes_back(
    tmp_path_factory: pytest.TempPathFactory, capacities: tuple[int, int], history: list[tuple]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # no power is cut here, and it takes most of the time
        life = Life(tmp_path_factory.mktemp("life"), capacities)
        for name, *arguments in history:
            getattr(life, name)(*arguments)
            assert_same(Checkpoint(life.folder).load(lambda told: None), life.saved[-1])
        life.step(2, 2)
        assert_same(load(life.folder), life.saved[-1])


def test_nothing_is_found_where_no_state_was_finished(tmp_path: Path) -> None:
    assert load(tmp_path / "absent") is None
    assert load(tmp_path) is None
    (tmp_path / "00000001-ring.rows").touch()
    (tmp_path / ".00000001.state.x.partial").touch()
    assert load(tmp_path) is None


def test_a_removed_checkpoint_is_gone(tmp_path: Path) -> None:
    checkpoint, state = Checkpoint(tmp_path / "run.checkpoint"), {"ring": Ring(5, range(3)).state()}
    checkpoint.save(state)
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []
    checkpoint.remove()
    checkpoint.save(state)
    assert_same(load(checkpoint.folder), state)


def test_an_object_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        Checkpoint(tmp_path).save({"ring": Ring(3, range(2)).state(), "x": np.array([None])})
    assert content(tmp_path) == {}


def test_scratch_space_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path))
    assert scratch_folder() == tmp_path
    monkeypatch.delenv("RECALL_SCRATCH")
    assert scratch_folder().name == "recall-traces"
