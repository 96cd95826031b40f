"""What makes two runs the same run: the settings' canonical text, its key, and the digest of a file."""

import hashlib
import json
from pathlib import Path
from typing import Any

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
