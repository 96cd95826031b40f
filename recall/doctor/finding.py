"""What a check of an environment says."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recall.errors import ConfigError

State = Literal["ok", "warning", "problem"]

STATES: tuple[State, ...] = ("ok", "warning", "problem")

NAME_WIDTH = 18
"""Of the column with the names of checks."""


@dataclass(frozen=True)
class Finding:
    """One line of the table."""

    check: str
    """Name of the check."""
    state: State
    """Ok; a warning, where training works but may go badly; or a problem, where it does not work."""
    found: str
    """What was found."""
    change: str = ""
    """What to change; empty where nothing needs to be."""


def table(findings: Sequence[Finding], width: int) -> str:
    """The findings for a terminal of a width: state, check, and what was found; below it, what to change."""
    indent = " " * (max(map(len, STATES)) + NAME_WIDTH + 2)
    lines = []
    for finding in findings:
        words = f"{finding.state:{max(map(len, STATES))}} {finding.check:{NAME_WIDTH}} {finding.found}"
        lines += textwrap.wrap(words, width, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False)
        if finding.change:
            to_do = f"{indent}-> {finding.change}"
            lines += textwrap.wrap(to_do, width, subsequent_indent=f"{indent}   ", break_on_hyphens=False)
    return "\n".join([*lines, "", count(findings)])


def count(findings: Sequence[Finding]) -> str:
    """How many checks there were, and how many ended how."""
    ok, warnings, problems = (sum(finding.state == state for finding in findings) for state in STATES)
    return f"{_many(len(findings), 'check')}: {ok} ok, {_many(warnings, 'warning')}, {_many(problems, 'problem')}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def refuse_problems(findings: Sequence[Finding]) -> None:
    """Fail where there is a problem.

    Raises:
        ConfigError: there is one.
    """
    problems = [finding.check for finding in findings if finding.state == "problem"]
    if problems:
        raise ConfigError(f"{_many(len(problems), 'problem')} ({', '.join(problems)}); mend what the arrows say")
