"""Learning curves of other implementations, measured here; and whether ours learns as well."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from recall.analysis.endpoints import LAST, final
from recall.analysis.gains import relative_gain
from recall.analysis.panels import listed
from recall.analysis.records import LABELS
from recall.analysis.rules import MIN_SEEDS
from recall.analysis.stats import Interval
from recall.analysis.wording import in_thousands, percentage, share_in_words

MARGIN = -0.15
"""Ours is credible where the whole interval of its relative difference lies above this. Set before the runs."""

COLUMNS = [*LABELS, "seed", "step", "return", "episode_length"]
"""Of a table of curves: those of a record's metrics that others have too."""

SPREADS = ["ours_least", "ours_most", "theirs_least", "theirs_most"]
"""The lowest and the highest final return of a seed."""

COMPARED = [
    "env",
    "estimate",
    "low",
    "high",
    "ours",
    "theirs",
    *SPREADS,
    "ours_seeds",
    "theirs_seeds",
    "first",
    "steps",
    "finding",
]
"""Columns of a comparison."""


def reference_curves(folder: Path, arm: str, environments: Iterable[str]) -> pd.DataFrame:
    """Curves written by a script in benchmarks/, as `tidy` gives those of records.

    Args:
        folder: of files ENVIRONMENT-SEED.csv with columns seed, step, return, length.
        arm: the name they are shown under.
        environments: labels of those wanted; one without files adds nothing.
    """
    paths = [path for env in environments for path in sorted(folder.glob(f"{env}-*.csv")) if env_of(path) == env]
    frames = [pd.read_csv(path).assign(page="baselines", env=env_of(path), arm=arm) for path in paths]
    if not frames:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(frames, ignore_index=True).rename(columns={"length": "episode_length"})[COLUMNS]


def env_of(path: Path) -> str:
    """`HalfCheetah-v5-3.csv` -> `HalfCheetah-v5`."""
    return path.stem.rpartition("-")[0]


def reference_facts(folder: Path, environments: Iterable[str]) -> str:
    """Budget, versions and processors of the curves, on one line."""
    paths = [path for env in environments for path in sorted(folder.glob(f"{env}-*.json")) if env_of(path) == env]
    made = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    versions = dict.fromkeys(", ".join(f"{name} {number}" for name, number in m["versions"].items()) for m in made)
    steps = dict.fromkeys(in_thousands(m["settings"]["total_steps"]) for m in made)
    processors = dict.fromkeys(m["processor"] for m in made)
    return f"{' and '.join(steps)} steps; {' and '.join(versions)}; on {' and '.join(processors)}" if made else "none"


def compare_with_reference(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """`(ours - theirs) / |theirs|` in final return, a row an environment with evaluations of both.

    Only evaluations after as many steps as all seeds of both have one count: where one was trained for longer, or
    evaluated more often, its others are left out.

    Args:
        ours: tidy table with env, seed, step and return.
        theirs: the same of the reference.

    Returns:
        Columns `COMPARED`: the difference with its 95 % interval, both means, `SPREADS`, seeds, the steps of the first
        and last evaluation that is final, and the finding: credible, not shown, or few seeds.
    """
    rows = []
    for env in sorted(set(ours["env"]) & set(theirs["env"])):
        both = [table[table["env"] == env] for table in (ours, theirs)]
        common = set.intersection(*(set(seed) for table in both for _, seed in table.groupby("seed")["step"]))
        if not common:
            continue
        last = sorted(common)[-LAST:]
        a, b = (final(table[table["step"].isin(common)], "return")["value"].to_numpy(float) for table in both)
        difference = relative_gain(a, b)
        finding = "credible" if difference.low > MARGIN else "not shown"
        finding = "few seeds" if min(len(a), len(b)) < MIN_SEEDS else finding
        spreads = (a.min(), a.max(), b.min(), b.max())
        rows.append((env, *difference, a.mean(), b.mean(), *spreads, len(a), len(b), last[0], last[-1], finding))
    return pd.DataFrame(rows, columns=COMPARED)


def comparison_in_words(compared: pd.DataFrame, prefix: str = "") -> dict[str, str]:
    """Text of one: `differences`, `spreads`, `credible`, `seeds`, `steps`, `end` and `margin`, `prefix` before each."""
    each = [f"{row.env} {share_in_words(Interval(row.estimate, row.low, row.high))}" for row in compared.itertuples()]
    spreads = [
        f"in {row.env} between {row.theirs_least:,.0f} and {row.theirs_most:,.0f}, "
        f"ours between {row.ours_least:,.0f} and {row.ours_most:,.0f}"
        for row in compared.itertuples()
    ]
    counts = compared["theirs_seeds"]
    words = {
        "spreads": "; ".join(spreads),
        "differences": listed(each) or "not known, for no runs of it are stored",
        "credible": f"{(compared['finding'] == 'credible').sum()} of {len(compared)} environments",
        "seeds": " to ".join(map(str, dict.fromkeys([counts.min(), counts.max()]))) if each else "no",
        "steps": in_thousands(compared["steps"].max()) if each else "no",
        "end": " to ".join(map(in_thousands, (compared["first"].min(), compared["steps"].max()))) if each else "–",
        "margin": f"{percentage(MARGIN)} %",
    }
    return {prefix + name: said for name, said in words.items()}
