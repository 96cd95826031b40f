"""How many threads simulate in one process. No number depends on it, so it is no part of a run's settings."""

import os

from recall.errors import ConfigError

THREADS = "RECALL_THREADS"
"""Environment variable: threads of a process that step its ants. A sweep gives each of its workers a share."""


def threads() -> int:
    """Threads that simulate; one unless the environment variable says otherwise.

    Raises:
        ConfigError: it says no whole number from 1 on.
    """
    text = os.environ.get(THREADS, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{THREADS} is {text!r}; it must be a whole number from 1 on")
    return int(text)
