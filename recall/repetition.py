"""A stored run trained again, whole or in part, beside what its record holds."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from recall.analysis.ledger import BYTES
from recall.analysis.records import TABLES, Record
from recall.errors import RecordError
from recall.loop import Training
from recall.runs import csv, numerics
from recall.specs import spec_from_json
from recall.training import begin

WHOLE_SECONDS = 60
"""A run that took no longer is trained again to its end."""

SEEDS = 4
"""Seeds that tell how far apart seeds are, at least."""

ERROR = 0.001
"""How often an honest repetition with other numerics may be taken for another run. Ours."""

SLACK = 0.02
"""Share of a stored value by which the repeated one may differ even where all seeds agree. Ours."""


@dataclass(frozen=True)
class Repetition:
    """What training a run again showed."""

    record: Record
    """What was stored."""
    updates: int
    """Updates of the repetition."""
    of: int
    """Updates of the stored run."""
    comparison: str
    """How the two were compared; empty if they were not."""
    values: int
    """Stored values that were compared."""
    finding: str
    """That they agree, the first value that does not, or why nothing could be compared."""
    differs: bool = False
    """Whether one does not."""


def repeat(record: Record, stored: Iterable[Record], updates: int) -> Repetition:
    """Train a stored run again and compare.

    Where the numerics here are those of the record, every value must be the same text. Elsewhere rounding differs and
    grows, until a repetition is as far from its record as another seed would be. Then that is what is asked of it.

    Args:
        record: the run.
        stored: all records, for the spread of seeds.
        updates: updates of the learner after those that only gather data; a run that took less than `WHOLE_SECONDS` is
            trained to its end.
    """
    try:
        spec = spec_from_json(record.spec)
    except RecordError as error:
        return Repetition(record, 0, 0, "", 0, f"not comparable: {error}")
    whole = record.provenance["wall_clock_s"] <= WHOLE_SECONDS
    training = begin(spec)
    end = spec.n_updates if whole else min(spec.n_updates, training.audited(updates))
    while training.update < end:
        training.step()
    if record.numerics == numerics(spec):
        comparison, agree, (values, difference) = BYTES, "equal", by_bytes(record, training)
    else:
        spread = seeds_like(record, stored)
        comparison, agree = f"spread of {spread.groupby(['record', 'seed']).ngroups} seeds", "as close as seeds are"
        values, difference = by_spread(record.table("metrics"), training.tables()["metrics"], spread)
    finding = difference or (agree if values else "not comparable: too little is stored that early")
    return Repetition(record, training.update, spec.n_updates, comparison, values, finding, bool(difference))


def by_bytes(record: Record, training: Training) -> tuple[int, str]:
    """How many stored values there are up to where the training stands, and the first that is another there."""
    done, count, again = training.update == training.spec.n_updates, 0, training.tables()
    for name in (each for each in TABLES if f"{each}.csv" in record.provenance["sha256"]):
        expected = as_text((record.path / f"{name}.csv").read_text())
        if not (done or "step" in expected):
            continue
        found = as_text(csv(again[name])) if name in again else expected.head(0)
        if "step" in expected:
            expected = expected[expected["step"].astype(int) <= training.steps].reset_index(drop=True)
        if not set(found) <= set(expected) or len(found) != len(expected):
            return count, f"{name}.csv has other rows or columns"
        found = found.reindex(columns=expected.columns, fill_value="")  # of what is learned later
        count += expected.size
        row, column = np.nonzero((found != expected).to_numpy())
        if len(row):
            i, j = row[0], expected.columns[column[0]]
            place = ", ".join(f"{key} {expected[key][i]}" for key in ("seed", "step") if key in expected)
            return count, f"{name}.csv, {place}: {j} is {expected[j][i]}, trained again {found[j][i]}"
    return count, ""


def by_spread(stored: pd.DataFrame, again: pd.DataFrame, spread: pd.DataFrame) -> tuple[int, str]:
    """How many metrics were compared with what is stored, and that which lies farther from it than a seed would.

    A metric is its mean over the evaluations so far and over the seeds. That of the repetition and the stored one may
    differ as two draws from the seeds' distribution do, by Student's t with Bonferroni's correction for the metrics.

    Args:
        stored: metrics of the record.
        again: metrics of the run trained again, so far.
        spread: metrics of the seeds that say how far apart seeds are.
    """
    of_seeds = means(spread, again)
    columns = [name for name in of_seeds if of_seeds[name].notna().all()]
    if len(of_seeds) < SEEDS or again.empty or not columns:
        return 0, ""
    quantile = student_t.isf(ERROR / 2 / len(columns), len(of_seeds) - 1)
    allowed = quantile * of_seeds[columns].std() * np.sqrt(2 / stored["seed"].nunique())
    expected, found = (means(table, again)[columns].mean() for table in (stored, again))
    apart = (found - expected).abs() / (allowed + SLACK * expected.abs())  # NaN where all are 0
    if not (apart > 1).any():
        return again[columns].size, ""
    name = apart.idxmax()
    both = f"{expected[name]:.6g}, trained again {found[name]:.6g}"
    return again[columns].size, f"metrics.csv: mean {name} is {both}; seeds may differ by {allowed[name]:.3g}"


def means(metrics: pd.DataFrame, until: pd.DataFrame) -> pd.DataFrame:
    """Mean of every metric over the evaluations that `until` has too, a row a seed."""
    common = metrics[metrics["step"].isin(until["step"])].groupby(["record", "seed"] if "record" in metrics else "seed")
    return common.mean(numeric_only=True).drop(columns="step")


def seeds_like(record: Record, stored: Iterable[Record]) -> pd.DataFrame:
    """Metrics of a record's own seeds if it has several, else of the records that differ from it in the seed alone."""

    def but_seeds(each: Record) -> tuple:
        return each.labels, {**each.settings, "seeds": None}

    alone = len(record.settings["seeds"]) == 1
    others = [each for each in stored if each.path != record.path and but_seeds(each) == but_seeds(record)]
    known = others if alone else [record]
    frames = [each.table("metrics").assign(record=number) for number, each in enumerate(known)]
    return pd.concat(frames) if frames else record.table("metrics").head(0).assign(record=0)


def as_text(table: str) -> pd.DataFrame:
    """The cells of a table as they are written."""
    return pd.read_csv(io.StringIO(table), dtype=str, keep_default_na=False)
