"""What a sweep will cost, from what stored runs of its kind took."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recall.analysis.audit import seconds_of
from recall.analysis.audit import steps_of as stored_steps
from recall.analysis.records import Record
from recall.runs import RunSpec
from recall.training import steps_of

KINDS: tuple[Callable[[dict], Any], ...] = (
    lambda settings: (settings["agent"], settings["env_id"], settings["env"], settings["recall"] is not None),
    lambda settings: (settings["agent"], settings["env_id"]),
    lambda settings: settings["agent"],
)
"""What runs have in common that take about as long a step, the closest first."""

COLUMNS = ("page", "environment", "arm", "runs", "steps", "core-hours", "MB")


def forecast(specs: Sequence[RunSpec], records: Sequence[Record]) -> pd.DataFrame:
    """A row a page, environment and arm: how many runs, their steps, the core-hours and the disk that they need.

    Args:
        specs: what is to be trained.
        records: of runs that were; where none is of an arm's agent, its costs are NaN.
    """
    rows = []
    for spec in specs:
        alike = like(spec, records)
        steps = steps_of(spec)
        hours = steps * _mean(map(seconds_of, alike)) / _mean(map(stored_steps, alike)) / 3600
        labels = (spec.page, spec.env_label, spec.arm)
        rows.append((*labels, 1, steps, hours, _mean(map(size_of, alike)) / 1e6))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.groupby(list(COLUMNS[:3]), sort=False).sum(min_count=1).reset_index()


def like(spec: RunSpec, records: Iterable[Record]) -> list[Record]:
    """Those of the records that are most like a specification."""
    records = list(records)
    for kind in KINDS:
        wanted = kind(spec.settings)
        if found := [record for record in records if kind(record.settings) == wanted]:
            return found
    return []


def size_of(record: Record) -> int:
    """Bytes on disk."""
    return sum(file.stat().st_size for file in record.path.iterdir())


def in_words(table: pd.DataFrame, stored: int, workers: int) -> str:
    """What the table comes to: what is there, what is to do, for how long."""
    runs, steps = table["runs"].sum(), table["steps"].sum()
    words = f"{stored + runs} runs: {stored} stored, {runs} to train ({steps / 1e6:.1f} million environment steps)"
    if not runs:
        return words
    if table["core-hours"].isna().any():
        return f"{words}; nothing like some of them is stored, so nobody knows for how long"
    hours, megabytes = table["core-hours"].sum(), table["MB"].sum()
    return (
        f"{words}, about {hours:.1f} core-hours, {hours / workers:.1f} hours on {workers} cores, and {megabytes:.0f} MB"
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else np.nan
