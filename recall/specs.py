"""Specifications back from the JSON that records and checkpoints keep, checked to mean the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, get_type_hints

from recall.errors import ParameterError, RecordError
from recall.identity import settings_key
from recall.kinds import KINDS
from recall.parameters import check_parameters, parameter_names
from recall.runs import RunSpec

LABEL = re.compile(r"\w[\w.-]*")
"""A label is part of a folder's name."""


def spec_from_json(content: Mapping[str, Any]) -> RunSpec:
    """The specification whose `spec_json` this is.

    Nothing named in the text is executed: it gives values to known classes, which check them.

    Raises:
        RecordError: a value is missing, unknown or of another type, or this version of the package would train
            something else under these settings.
    """
    try:
        settings = content["settings"]
        kind, recall = KINDS[settings["agent"]], settings["recall"]
        spec = RunSpec(
            env=_config(kind.env(settings["env_id"]), settings["env"]),
            agent=_config(kind.agent, settings["agent_config"]),
            recall=None if recall is None else _config(kind.recall, recall),
            **vars(_config(_Labels, content["labels"])),
            **vars(_config(_Budget, {name: settings[name] for name in parameter_names(_Budget)})),
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise RecordError(f"the settings are none of a run that this version of the package knows: {reason}") from error
    if spec.key != settings_key(settings):
        found, known = settings.get("versions"), spec.settings["versions"]
        raise RecordError(
            f"this version of the package would train something else under the settings (versions {found}, now {known})"
        )
    return spec


@dataclass(frozen=True)
class _Labels:
    page: str
    arm: str
    env_label: str

    def __post_init__(self) -> None:
        for label in vars(self).values():
            if not LABEL.fullmatch(label):
                raise ParameterError(f"{label!r} is no label")


@dataclass(frozen=True)
class _Budget:
    seeds: tuple[int, ...]
    total_steps: int
    eval_every: int


def _config(cls: type, values: Mapping[str, Any]) -> Any:
    """A configuration from all of its fields, those included that are configurations themselves."""
    odd = set(values) ^ set(parameter_names(cls))
    if odd:
        raise ParameterError(f"{cls.__name__} differs in {', '.join(sorted(odd))}")
    kinds = get_type_hints(cls)
    parts = {name: _config(kinds[name], value) for name, value in values.items() if is_dataclass(kinds[name])}
    return cls(**check_parameters(cls, {**values, **parts}))
