"""Files that are written whole or not at all, trusted only when their checksum holds, and never executed."""

import hashlib
import io
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from recall.errors import CheckpointError

MAGIC = b"recall-checkpoint-2 "


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file by new content that is safely on disk; a failure leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{time.time_ns()}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # readable by whom the user lets read
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):  # what went wrong first is what the caller should hear of
            partial.unlink()
        raise
    sync_folder(path.parent)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Store arrays by name in a file headed by its checksum, which is returned."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    body = buffer.getvalue()
    checksum = hashlib.sha256(body).hexdigest()
    write_atomic(path, MAGIC + checksum.encode() + b"\n" + body)
    return checksum


def read_arrays(path: Path, checksum: str | None = None) -> dict[str, np.ndarray]:
    """Arrays by name.

    Raises:
        CheckpointError: the file is missing, cut, changed, of another kind, or not the one of this checksum.
    """
    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
    refusal = CheckpointError(f"{path} is damaged or no checkpoint")
    found = hashlib.sha256(body).hexdigest()
    if head != MAGIC + found.encode() or checksum not in (None, found):
        raise refusal
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, TypeError, EOFError, BadZipFile) as error:
        raise refusal from error


def sync_folder(folder: Path) -> None:
    """Make sure that a new name in a folder survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
