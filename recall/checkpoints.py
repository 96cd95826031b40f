"""The state of an unfinished training on disk: the newest and the one before it, whatever happens in between."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import platformdirs

from recall.errors import CheckpointError
from recall.storage import read_arrays, write_arrays

State = dict[str, Any]
"""Nested dictionaries whose leaves are arrays, JSON types or `Growing`; no name holds a slash."""

META = "meta"
FILE = re.compile(r"\.?\d{8}[-.].*(state|rows|partial)")
"""A file in a checkpoint's folder: first the number of the save that wrote it, after a dot while it is written."""


@dataclass(frozen=True)
class Growing:
    """A leaf to which rows are only added, and which may forget its oldest, such as a replay buffer.

    Rows are numbered from the first ever added.
    """

    start: int
    """The oldest row still held."""
    end: int
    """Rows ever added."""
    rows: Callable[[int, int], np.ndarray]
    """Rows from one number to before another; an empty range gives no rows, of the right type and shape."""


class LoadedRows(NamedTuple):
    """What a `Growing` leaf comes back as."""

    start: int
    end: int
    rows: np.ndarray
    """Rows `start` to before `end`."""


class Checkpoint:
    """A folder with the newest state of a training and the one before it.

    A save writes `NUMBER.state` and, for every growing leaf that has new rows, a segment `NUMBER-LEAF.rows`. Numbers
    rise over all that the folder holds, so no file is ever written a second time, and a state names its segments with
    their checksums: what a kill, damage or an earlier training left behind is never taken for a part of it.

    An object serves one training, and its saves add to what it loaded or saved last. A training that starts from its
    beginning takes a new object; its first save replaces whatever the folder held.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = _Saved()

    def save(self, state: State) -> None:
        """Store a state, then let go of all but this and the one before.

        Raises:
            CheckpointError: it could not be written; what was stored before still is.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            keep = {name for name in self._names() if not name.endswith(".partial")}
            self._keep_only(keep)  # what a killed process left may be all the room there is
            number = 1 + max((int(name[:8]) for name in keep), default=0)
            try:
                saved = self._write(f"{number:08}", state)
                keep = saved.files | self._last.files
                self._last = saved
            finally:
                self._keep_only(keep)
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {self.folder} could not be written ({error.strerror}); make room and give the same "
                "command again: it goes on from the last checkpoint"
            ) from error

    def load(self, on_refused: Callable[[str], object]) -> State | None:
        """The newest state that is exactly as it was written; None where there is no state at all.

        Args:
            on_refused: told, in a sentence without a full stop, why a newer state is passed over.

        Raises:
            CheckpointError: there are states, but none is whole.
        """
        self._last = _Saved()
        files = sorted(self.folder.glob("*.state"), reverse=True)
        for file in files:
            try:
                state, self._last = self._read(file)
            except CheckpointError as error:
                on_refused(f"{error}, so state {file.stem} is passed over")
            else:
                return state
        if files:
            raise CheckpointError(f"no state in {self.folder} is whole")
        return None

    def glance(self) -> State | None:
        """The newest state that can be read, without its arrays and growing leaves; None where there is none."""
        for file in sorted(self.folder.glob("*.state"), reverse=True):
            with suppress(CheckpointError, ValueError, KeyError):
                return json.loads(str(read_arrays(file)[META]))["state"]
        return None

    def remove(self) -> None:
        """Delete the folder, if there is one."""
        self._last = _Saved()
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _write(self, number: str, state: State) -> "_Saved":
        """Write what the growing leaves gained, then the state that names it."""
        arrays: dict[str, np.ndarray] = {}
        growing: dict[str, Growing] = {}
        rest = _split(state, "", arrays, growing)
        segments = {path: self._extend(number, path, leaf) for path, leaf in growing.items()}
        arrays |= {path: leaf.rows(leaf.end, leaf.end) for path, leaf in growing.items()}
        ranges = {path: (leaf.start, leaf.end, segments[path]) for path, leaf in growing.items()}
        arrays[META] = np.array(json.dumps({"state": rest, "growing": ranges}))
        file = self.folder / f"{number}.state"
        write_arrays(file, arrays)
        return _Saved(file.name, segments)

    def _extend(self, number: str, path: str, leaf: Growing) -> list["_Segment"]:
        """Write a leaf's rows since the last save; the segments that hold it now."""
        before = self._last.segments.get(path, [])
        if before and before[-1].end > leaf.end:
            before = []  # it was emptied since, so these are other rows
        begin = max(leaf.start, before[-1].end if before else 0)
        segments = [segment for segment in before if segment.end > leaf.start]
        if begin < leaf.end:
            file = self.folder / f"{number}-{quote(path[1:], safe='')}.rows"
            checksum = write_arrays(file, {"rows": leaf.rows(begin, leaf.end)})
            segments.append(_Segment(file.name, begin, leaf.end, checksum))
        return segments

    def _read(self, file: Path) -> tuple[State, "_Saved"]:
        """A state, and where it lies."""
        arrays: dict[str, Any] = dict(read_arrays(file))
        try:
            meta = json.loads(str(arrays.pop(META)))
            saved = _Saved(file.name)
            for path, (start, end, held) in meta["growing"].items():
                saved.segments[path] = [_Segment(*segment) for segment in held]
                arrays[path] = self._rows(arrays[path], start, end, saved.segments[path])
            return _join(meta["state"], arrays), saved
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{file} is no checkpoint") from error

    def _rows(self, none: np.ndarray, start: int, end: int, segments: list["_Segment"]) -> LoadedRows:
        """A leaf from its segments; `none` of its rows tell their type and shape."""
        rows = np.empty((end - start, *none.shape[1:]), none.dtype)
        for segment in segments:
            held = read_arrays(self.folder / segment.file, segment.sha256)["rows"]
            first = max(segment.start, start)  # the oldest segment may hold rows that the leaf has forgotten
            rows[first - start : segment.end - start] = held[first - segment.start :]
        return LoadedRows(start, end, rows)

    def _names(self) -> set[str]:
        """The folder's files that a checkpoint wrote."""
        return {path.name for path in self.folder.iterdir() if FILE.fullmatch(path.name)}

    def _keep_only(self, keep: set[str]) -> None:
        """Delete the others; one that cannot be deleted does no harm, and the next save tries again."""
        for name in self._names() - keep:
            with suppress(OSError):
                (self.folder / name).unlink()


def scratch_folder() -> Path:
    """Where unfinished trainings live: RECALL_SCRATCH, or the user's cache folder."""
    return Path(os.environ.get("RECALL_SCRATCH") or platformdirs.user_cache_path("recall-traces"))


class _Segment(NamedTuple):
    """Rows of a growing leaf in a file of their own."""

    file: str
    start: int
    end: int
    sha256: str


@dataclass(frozen=True)
class _Saved:
    """Where a state lies: its file, and the segments of each growing leaf by its path."""

    file: str = ""
    segments: dict[str, list[_Segment]] = field(default_factory=dict)

    @property
    def files(self) -> set[str]:
        """All files it needs."""
        return {self.file} | {segment.file for segments in self.segments.values() for segment in segments}


def _split(state: State, prefix: str, arrays: dict[str, np.ndarray], growing: dict[str, Growing]) -> State:
    """Move arrays and growing leaves out of a state, to their paths; what remains is JSON."""
    rest: State = {}
    for name, value in state.items():
        path = f"{prefix}/{name}"
        if isinstance(value, dict):
            rest[name] = _split(value, path, arrays, growing)
        elif isinstance(value, np.ndarray):
            arrays[path] = value
        elif isinstance(value, Growing):
            growing[path] = value
        else:
            rest[name] = value
    return rest


def _join(rest: State, leaves: Mapping[str, Any]) -> State:
    """Put leaves back at their paths."""
    for path, leaf in leaves.items():
        _, *folders, name = path.split("/")
        place = rest
        for folder in folders:
            place = place[folder]
        place[name] = leaf
    return rest
