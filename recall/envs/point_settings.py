"""What the settings of every body with goals must be."""

from dataclasses import fields
from typing import Any

from recall.errors import ConfigError


def refuse_bad_settings(config: Any) -> None:
    """Raise ConfigError unless every number of a configuration is positive and finite, and a whole one where it counts.

    Args:
        config: an instance of a dataclass whose fields are numbers; a field counts if its default is a whole number.
    """
    for field in fields(config):
        value = getattr(config, field.name)
        counts = type(field.default) is int
        if isinstance(value, bool) or not isinstance(value, int if counts else (int, float)):
            kind = "a whole number" if counts else "a number"
            raise ConfigError(f"{field.name} is {value!r}; it must be {kind}")
        if not 0 < value < float("inf"):
            raise ConfigError(f"{field.name} is {value!r}; it must be positive and finite")
