"""A small replay buffer, and what tests compare of its checkpoints."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recall.checkpoints import Checkpoint, Growing, LoadedRows, State


class Ring:
    """A buffer of the last `capacity` rows that counts what a checkpoint asks of it."""

    def __init__(self, capacity: int, values: Iterable[int] = ()) -> None:
        self.capacity, self.end = capacity, 0
        self.store = np.full((capacity, 2), -1)
        self.asked: list[tuple[int, int]] = []
        self.add(values)

    @property
    def start(self) -> int:
        return max(0, self.end - self.capacity)

    def add(self, values: Iterable[int]) -> None:
        for value in values:
            self.store[self.end % self.capacity] = value
            self.end += 1

    def rows(self, start: int, end: int) -> np.ndarray:
        assert self.start <= start <= end <= self.end
        if start < end:
            self.asked.append((start, end))
        return self.store[np.arange(start, end) % self.capacity]

    def state(self) -> Growing:
        return Growing(self.start, self.end, self.rows)

    def load_state(self, loaded: LoadedRows) -> None:
        self.end = loaded.end
        self.store[np.arange(loaded.start, loaded.end) % self.capacity] = loaded.rows


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_same(found[name], value)
    elif isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    elif isinstance(expected, Growing):
        assert isinstance(found, LoadedRows)
        assert (found.start, found.end) == (expected.start, expected.end)
        assert_same(found.rows, expected.rows(expected.start, expected.end))
    else:
        assert (type(found), found) == (type(expected), expected)


def load(folder: Path) -> State | None:
    """What a new process finds; no state may be passed over."""
    return Checkpoint(folder).load(pytest.fail)


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
