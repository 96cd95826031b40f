"""What makes two runs the same run: the settings' canonical text, its key, and digests of files and of states."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
"""Version of the record's layout on disk; raised when an older reader would misread a newer record."""


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, ASCII; NaN and infinity raise ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def settings_key(settings: Any) -> str:
    """First 12 hex digits of the SHA-256 of the canonical JSON: the name by which settings are known."""
    return hashlib.sha256(canonical_json(settings).encode("ascii")).hexdigest()[:12]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_digest(state: Mapping[str, Any]) -> str:
    """First 12 hex digits of the SHA-256 of a part's state: every name, type, shape and byte of nested dictionaries."""
    digest = hashlib.sha256()
    for name, array in _leaves(state):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:12]


def _leaves(state: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Everything that is no dictionary, under its path of names."""
    for name, value in sorted(state.items()):
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}/")
        else:
            yield f"{path}{name}", np.asarray(value)
