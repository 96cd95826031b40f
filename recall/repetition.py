"""A stored run trained again, whole or in part, beside what its record holds."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recall.analysis.ledger import BYTES
from recall.analysis.records import Record
from recall.errors import RecordError
from recall.loop import Training
from recall.runs import csv, numerics
from recall.specs import spec_from_json
from recall.training import begin

WHOLE_SECONDS = 60
"""A run that took no longer is trained again to its end."""

BAND_SEEDS = 3
"""Other stored seeds that a band needs at least."""


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

    Where the numerics here are those of the record, every value must be the same text. Elsewhere the last digits differ
    and then grow, so every metric must lie in the band of the other stored seeds, widened on either side by its width.

    Args:
        record: the run.
        stored: all records, for the band.
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
        seeds = others(record, stored)
        comparison, agree = f"band of {len(seeds)} other records", "inside"
        values, difference = by_band(seeds, training)
    finding = difference or (agree if values else "not comparable: too little is stored that early")
    return Repetition(record, training.update, spec.n_updates, comparison, values, finding, bool(difference))


def by_bytes(record: Record, training: Training) -> tuple[int, str]:
    """How many stored values there are up to where the training stands, and the first that is another there."""
    done, count = training.update == training.spec.n_updates, 0
    for name, table in training.tables().items():
        if not record.has(name) or not (done or "step" in table):
            continue
        found, expected = as_text(csv(table)), as_text((record.path / f"{name}.csv").read_text())
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


def by_band(seeds: Sequence[Record], training: Training) -> tuple[int, str]:
    """How many metrics were compared with those of other seeds, and the first that lies far from them."""
    if len(seeds) < BAND_SEEDS:
        return 0, ""
    stored = pd.concat([record.table("metrics") for record in seeds]).groupby("step")
    low, high = stored.min(), stored.max()
    found = training.tables()["metrics"].set_index("step")
    columns = [name for name in found if name in low and name != "seed"]
    found, low, high = found[columns], low.loc[found.index, columns], high.loc[found.index, columns]
    outside = (found < low - (high - low)) | (found > high + (high - low))
    row, column = np.nonzero(outside.to_numpy())
    if not len(row):
        return int(found.notna().to_numpy().sum()), ""
    step, name = found.index[row[0]], columns[column[0]]
    value, least, most = (frame.loc[step, name] for frame in (found, low, high))
    return found.size, f"metrics.csv, step {step}: {name} is {value:.6g}, of the others {least:.6g} to {most:.6g}"


def others(record: Record, stored: Iterable[Record]) -> list[Record]:
    """Records that differ from this one in their seeds alone."""

    def but_seeds(each: Record) -> tuple:
        return each.labels, {**each.settings, "seeds": None}

    return [each for each in stored if each.path != record.path and but_seeds(each) == but_seeds(record)]


def as_text(table: str) -> pd.DataFrame:
    """The cells of a table as they are written."""
    return pd.read_csv(io.StringIO(table), dtype=str, keep_default_na=False)
