"""Runs trained again beside the stored ones: the same digits, or at least the same picture?"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from recall.analysis.records import LABELS, OF_RECALL, Record
from recall.analysis.stats import iqm
from recall.errors import RecordError

PLACE = [*LABELS, "seed", "step"]
"""Columns that say what a number is of; every other column of a table is a curve."""

SLACK = 0.02
"""Share of a curve's range by which the band is widened: where all stored seeds agree it has no width. Ours."""

RESULT = ["env", "arm", "seed", "curve", "holds", "step"]
"""Columns of a comparison; `step` is where a curve first differs, empty where it holds."""


def same_numerics(stored: Iterable[Record], now: Iterable[Record]) -> bool:
    """Whether equal digits may be expected: one engine, precision, group, versions and processor family."""
    found = [record.numerics for record in (*stored, *now)]
    kinds = {tuple(sorted((name, value) for name, value in each.items() if name not in OF_RECALL)) for each in found}
    models = {tuple(each[name] for name in OF_RECALL) for each in found if each.keys() >= set(OF_RECALL)}
    return len(kinds) == 1 and len(models) <= 1


def compare(stored: pd.DataFrame, now: pd.DataFrame, same_numerics: bool) -> pd.DataFrame:
    """Hold every curve against the stored one.

    Args:
        stored: a tidy table, as the records hold it.
        now: the same table of the runs trained again, written and read back in the same way.
        same_numerics: then every digit of every seed must be as stored. Else rounding differs and small differences
            grow, so the IQM over the seeds must lie between the lowest and the highest stored seed at each step.

    Returns:
        A row a curve, columns `RESULT`; of a band the seed is "all".
    """
    if set(stored) != set(now):
        odd = ", ".join(sorted(set(stored) ^ set(now)))
        raise RecordError(f"the stored table and the new one differ in their columns {odd}; compare one version")
    rows = _digits(stored, now) if same_numerics else _bands(stored, now)
    return pd.DataFrame(rows, columns=RESULT)


def differing(comparison: pd.DataFrame) -> list[str]:
    """Curves that do not hold, by name: `side-11, learned, seed 3: success from step 2560 on`."""
    wrong = comparison[~comparison["holds"]]
    return [f"{row.env}, {row.arm}, seed {row.seed}: {row.curve} from step {row.step} on" for row in wrong.itertuples()]


def _digits(stored: pd.DataFrame, now: pd.DataFrame) -> list[tuple]:
    both = stored.merge(now, "outer", PLACE, suffixes=("", " now"), indicator=True)
    rows = []
    for (env, arm, seed), of_seed in both.groupby(["env", "arm", "seed"]):
        for curve in stored.columns.drop(PLACE):
            a, b = of_seed[curve], of_seed[f"{curve} now"]
            equal = ((a == b) | (a.isna() & b.isna())) & (of_seed["_merge"] == "both")
            rows.append((env, arm, seed, curve, *_verdict(equal.to_numpy(), of_seed["step"])))
    return rows


def _bands(stored: pd.DataFrame, now: pd.DataFrame) -> list[tuple]:
    rows = []
    for (env, arm), old in stored.groupby(["env", "arm"]):
        new = now[(now["env"] == env) & (now["arm"] == arm)]
        for curve in stored.columns.drop(PLACE):
            band = old.pivot(index="step", columns="seed", values=curve)
            middle = new.groupby("step")[curve].agg(lambda seeds: iqm(seeds.dropna())).reindex(band.index)
            slack = SLACK * (band.max(axis=None) - band.min(axis=None))
            inside = (middle >= band.min(axis=1) - slack) & (middle <= band.max(axis=1) + slack)
            unknown = middle.isna() & band.isna().any(axis=1)
            rows.append((env, arm, "all", curve, *_verdict((inside | unknown).to_numpy(), band.index)))
    return rows


def _verdict(holds: np.ndarray, steps: Iterable[int]) -> tuple[bool, str]:
    """Whether a curve holds everywhere, and the first step where it does not."""
    first = next((str(step) for step, each in zip(steps, holds, strict=True) if not each), "")
    return not first, first
