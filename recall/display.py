"""What a notebook calls to show things: figures as SVG, their data as CSV, the facts of the runs behind them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML, Markdown, display
from myst_nb import glue

from recall.analysis.audit import seconds_of
from recall.analysis.cards import grouped
from recall.analysis.panels import Panel, behind
from recall.analysis.records import DATA, Record
from recall.analysis.wording import in_thousands
from recall.identity import settings_key

NAME = re.compile(r"\{([^{}]+)\}")
"""A value's place in a text."""

SHOWN = 7
"""Digits of a commit that are shown."""


@dataclass(frozen=True)
class Page:
    """A page of the book while its notebook runs; its files go to `data/` below the working directory."""

    name: str
    """Name of the page."""
    records: Sequence[Record]
    """What it shows."""
    parameters: Any = None
    """Those it was executed with, a `recall.page_parameters.PageParameters`; None for a page that has none."""

    @property
    def given(self) -> dict[str, object]:
        """The parameters that are not as published."""
        defaults = {field.name: field.default for field in fields(self.parameters)} if self.parameters else {}
        values = {name: getattr(self.parameters, name) for name in defaults}
        return {name: value for name, value in values.items() if value != defaults[name]}

    @property
    def folder(self) -> Path:
        """Where the data of its figures go; own parameters have a folder of their own."""
        key = f"-{settings_key(self.given)[:8]}" if self.given else ""
        return Path(DATA) / f"{self.name}{key}"

    @property
    def command(self) -> str:
        """What to type to get the page."""
        options = (f"-p {name}={value}" for name, value in self.given.items())
        page = self.parameters.page if self.parameters else self.records[0].labels["page"]
        return " ".join(["recall run", page, *options])

    def show(self, name: str, panels: Sequence[Panel], needs: str = "", origin: str = "") -> None:
        """Show a figure of one or several panels, and below it its data and the facts of the runs.

        Args:
            name: of the CSV with its data.
            panels: what is drawn; none where the runs lack what it takes.
            needs: what it takes, for the sentence that then stands there.
            origin: what the data come from, where it is not the page's runs.
        """
        if not panels:
            display(Markdown(f"*No figure here: it needs {needs}, which these runs do not have.*"))
            return
        for panel in panels:
            display({"image/svg+xml": panel.svg()}, raw=True)
        file = self.folder / f"{name}.csv"
        self.folder.mkdir(parents=True, exist_ok=True)
        behind(panels).to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
        origin = origin or f"Command: `{self.command}`. {facts(self.records)}"
        display(Markdown(f"<small>Data: [{file.name}]({file.as_posix()}). {origin}</small>"))

    def say(self, template: str, values: Mapping[str, object]) -> None:
        """Write Markdown with every `{name}` replaced by its value, and glue the values, so that a move is noticed.

        With own parameters some values may not exist: then a dash stands there.
        """
        known = defaultdict(lambda: "–", values) if self.given else values
        for name in dict.fromkeys(NAME.findall(template)):
            glue(name, str(known[name]), display=False)
        display(Markdown(NAME.sub(lambda match: str(known[match[1]]), template)))

    def tabulate(self, table: pd.DataFrame, caption: str) -> None:
        """Show a table as `cards.grouped` takes it, and glue its rows; one without rows is left out."""
        if table.empty:
            return
        for place, row in table.iterrows():
            glue(", ".join((caption, *place)), "; ".join(row), display=False)
        display(HTML(grouped(table, caption)))


def facts(records: Sequence[Record]) -> str:
    """Seeds, budget, commits, versions, processor and time of runs, on one line."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for record in records:
        counts[record.labels["page"], record.labels["env_label"], record.labels["arm"]] += len(record.settings["seeds"])
    seeds = sorted(set(counts.values()))
    steps = sorted({record.settings["total_steps"] for record in records})
    made = [record.provenance for record in records]
    commits = _each(each["commit"][:SHOWN] + " with changes" * each["dirty"] for each in made)
    versions = _each(", ".join(f"{name} {number}" for name, number in each["versions"].items()) for each in made)
    processors, minutes = _each(each["processor"] for each in made), sum(map(seconds_of, records)) / 60
    return (
        f"Seeds: {_ends(seeds)} an arm, {_ends(list(map(in_thousands, steps)))} environment steps each. "
        f"Code: commit {commits}; {versions}; Python {_each(each['python'] for each in made)}. "
        f"Trained on {processors} in {minutes:.1f} core-minutes ({len(records)} records)."
    )


def _ends(values: Sequence[object]) -> str:
    """The first to the last, or the only one."""
    return " to ".join(map(str, dict.fromkeys((values[0], values[-1]))))


def _each(values: Iterable[str]) -> str:
    """Every different one."""
    return " and ".join(dict.fromkeys(values))
