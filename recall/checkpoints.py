"""State on disk: written whole or not at all, trusted only when its checksum holds, and never executed."""

import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import platformdirs

from recall.errors import CheckpointError

State = dict[str, Any]
"""Nested dictionaries whose leaves are arrays or JSON types."""

MAGIC = b"recall-checkpoint-1 "
META = "meta.json"


def scratch_folder() -> Path:
    """Where unfinished trainings live: RECALL_SCRATCH, or the user's cache folder."""
    return Path(os.environ.get("RECALL_SCRATCH") or platformdirs.user_cache_path("recall-traces"))


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file by new content that is safely on disk; a failure leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save(path: Path, state: State) -> None:
    """Store a state."""
    arrays: dict[str, np.ndarray] = {}
    meta = _split(state, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays, **{META: np.array(json.dumps(meta))})
    body = buffer.getvalue()
    write_atomic(path, MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def load(path: Path) -> State:
    """Read a state; a file that is not exactly as written is refused.

    Raises:
        CheckpointError: the file is cut, changed or of another kind.
    """
    head, _, body = path.read_bytes().partition(b"\n")
    refusal = CheckpointError(f"{path} is damaged or no checkpoint")
    if head != MAGIC + hashlib.sha256(body).hexdigest().encode():
        raise refusal
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            return _join(json.loads(str(arrays[META])), arrays)
    except (ValueError, KeyError, EOFError, BadZipFile) as error:
        raise refusal from error


def _split(state: State, prefix: str, arrays: dict[str, np.ndarray]) -> State:
    """Move the arrays out of a state; null marks their places."""
    rest: State = {}
    for name, value in state.items():
        if isinstance(value, dict):
            rest[name] = _split(value, f"{prefix}{name}/", arrays)
        elif isinstance(value, np.ndarray):
            arrays[f"{prefix}{name}"] = value
        else:
            rest[name] = value
    return rest


def _join(meta: State, arrays: Any) -> State:
    """Put arrays back into their places."""
    for key in arrays.files:
        if key != META:
            *folders, name = key.split("/")
            place = meta
            for folder in folders:
                place = place[folder]
            place[name] = arrays[key]
    return meta
