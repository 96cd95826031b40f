"""Where the settings of the published runs come from: read off the lines below the fields of the configurations."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from recall.agents.actor_critic import ActorCriticConfig
from recall.envs.four_rooms import FourRoomsConfig
from recall.experiments import Arena
from recall.recaller import RecallConfig
from recall.runs import RunSpec

PARTS: dict[str, tuple[type, Callable[[RunSpec], object]]] = {
    "environment": (FourRoomsConfig, lambda spec: spec.env),
    "actor-critic": (ActorCriticConfig, lambda spec: spec.agent),
    "recall": (RecallConfig, lambda spec: spec.recall),
    "run": (Arena, lambda spec: spec),
}
"""The configurations of a run: the class whose fields are documented, and where a specification holds its values."""

NAMES_ONLY = {"label", "env"}
"""Fields that name an arena and its environment; the others are settings."""

SOURCE = re.compile(r"\b(?:not stated|the paper has|ours|usual|Sec\.|Eq\.|Algorithm)", re.IGNORECASE)
"""How a line begins to say who chose a value."""

PAPER = re.compile(r"\b(?:The paper has|Sec\.|Eq\.|Algorithm)")
SILENCE = re.compile(r"\b(?:not stated|ours)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Setting:
    """A field of a configuration."""

    part: str
    """One of `PARTS`."""
    name: str
    """Name of the field."""
    line: str
    """What the line below it says."""

    @property
    def names_source(self) -> bool:
        """Whether the line says who chose the value."""
        return bool(SOURCE.search(self.line))

    @property
    def stated(self) -> str:
        """Whether the paper states the value: yes, no, or in part."""
        if not SILENCE.search(self.line):
            return "yes"
        return "in part" if PAPER.search(self.line) else "no"


def field_lines(cls: type) -> dict[str, str]:
    """The string below each annotated field of a class, in one line; empty where there is none."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    lines = {}
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines[node.target.id] = _string(below)
    return lines


def _string(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def settings() -> list[Setting]:
    """Every field of every configuration, in the order in which they are written."""
    return [
        Setting(part, field.name, field_lines(cls)[field.name])
        for part, (cls, _) in PARTS.items()
        for field in fields(cls)
        if field.name not in NAMES_ONLY
    ]


def deviations(specs: Sequence[RunSpec]) -> pd.DataFrame:
    """A row a setting: part, name, value used in `specs`, source, and whether the paper states it."""
    rows = [(s.part, s.name, value_used(s, specs), s.line, s.stated) for s in settings()]
    return pd.DataFrame(rows, columns=["part", "setting", "value used", "meaning and source", "stated in the paper"])


def value_used(setting: Setting, specs: Sequence[RunSpec]) -> str:
    """The value, or the values with the arms or environments that have them."""
    of_spec = PARTS[setting.part][1]
    values = {spec: getattr(config, setting.name) for spec in specs if (config := of_spec(spec)) is not None}
    if len(set(map(_key, values.values()))) == 1:
        return _write(next(iter(values.values())))
    by_arm, by_env = (_grouped({(name(s), _key(v)): v for s, v in values.items()}) for name in (_arm, _env))
    return _listed(min(by_arm, by_env, key=lambda groups: sum(map(len, groups.values()))))


def _arm(spec: RunSpec) -> str:
    return spec.arm


def _env(spec: RunSpec) -> str:
    return spec.env_label
