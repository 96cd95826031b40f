"""What the stored records say about themselves: how many, from which code, with which numerics, what cost."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from recall.analysis.cards import Html, Row, cards
from recall.analysis.records import Record

SHOWN = 10
"""Digits of a commit that are shown."""


def audit(records: Sequence[Record]) -> Html:
    """A row a fact. Every record was read, so the checksums of all its files held."""
    checksums = sum(len(record.provenance["sha256"]) for record in records)
    facts = {
        "records": len(records),
        "files whose checksum held": checksums,
        "runs (a seed of an arm)": sum(len(record.settings["seeds"]) for record in records),
        "environment steps": f"{sum(map(steps_of, records)) / 1e6:.1f} million",
        "time to train them": f"{sum(map(seconds_of, records)) / 60:.0f} core-minutes",
        "commits of the code": _each(records, lambda r: r.provenance["commit"][:SHOWN] or "none"),
        "trained with uncommitted changes in the package": sum(r.provenance["dirty"] for r in records),
        "numerics": _each(records, lambda r: ", ".join(f"{k} {v}" for k, v in r.numerics.items())),
        "Python": _each(records, lambda r: r.provenance["python"]),
        "trained on": _each(records, lambda r: r.provenance["date"][:10]),
    }
    return cards(("fact", "found"), (Row(fact) for fact in facts.items()), "The stored records")


def _each(records: Iterable[Record], fact: Callable[[Record], str]) -> str:
    """Every different answer, with the number of records that give it where they differ."""
    counts = pd.Series([fact(record) for record in records], dtype=str).value_counts(sort=False)
    if len(counts) < 2:
        return "".join(counts.index) or "–"
    return "; ".join(f"{answer} ({n} records)" for answer, n in counts.items())


def steps_of(record: Record) -> int:
    """Environment steps of all its seeds."""
    return record.settings["total_steps"] * len(record.settings["seeds"])


def seconds_of(record: Record) -> float:
    """Seconds that its training took of all the cores it had."""
    return float(record.provenance["wall_clock_s"]) * record.provenance["threads"]


def seconds_a_million_steps(records: Sequence[Record]) -> float:
    """Seconds of one thread for a million environment steps, all arms together; NaN without records."""
    steps = sum(map(steps_of, records))
    return sum(map(seconds_of, records)) / steps * 1e6 if steps else np.nan
