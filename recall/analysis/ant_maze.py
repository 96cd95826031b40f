"""What the page ant-maze says beside the curves of coverage: its floor, the paper's own numbers, and what it cost."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from recall.analysis.audit import seconds_of
from recall.analysis.claims import Judgement
from recall.analysis.endpoints import auc, final
from recall.analysis.goal_plots import in_words
from recall.analysis.goal_references import ANT as AUTHORS
from recall.analysis.goal_references import after, in_percent
from recall.analysis.panels import listed
from recall.analysis.plots import Quantity
from recall.analysis.records import Record
from recall.analysis.style import ARMS, arm_style

SCORES = {"mean return over training": auc, "return at the last measurement": partial(final, last=1)}
"""What is compared: with so few measurements the last ten would be most of the training."""

THRESHOLDS = (0.3, 0.48, 0.63)
"""Coverage that is waited for: one that these runs can reach, ours; that of Fig. 9 after 90 outer steps without and 56
with recall traces; and that of its last maps."""

PAPER: dict[int, dict[str, float]] = {
    5: {"baseline": 0.20, "recall": 0.22},
    56: {"recall": 0.48},
    90: {"baseline": 0.48},
    155: {"recall": 0.64},
    275: {"baseline": 0.63},
}
"""Coverage that the paper states, by outer steps and arm (Fig. 9)."""

STATED = {"the paper": PAPER, "Goal GAN's authors": AUTHORS}
"""Who states what."""

SETTINGS = {
    "goal-gan policy": "Settings of the policy",
    "goal-gan curriculum": "Settings of the goals",
    "goal-gan networks": "Settings of the networks that make goals",
    "goal-gan recall": "Settings of recall",
    "ant-maze maze": "Settings of the maze",
    "ant-maze run": "Settings of a run",
}
"""What the page lists, by its part of the specifications."""


def still_coverage(records: Sequence[Record]) -> float:
    """Share of the goals that an ant reaches which stands still at its start, (0, 0)."""
    goals = records[0].table("coverage")[["x", "y"]].drop_duplicates().to_numpy()
    return float((np.linalg.norm(goals, axis=1) < records[0].settings["env"]["reach"]).mean())


def above(quantity: Quantity, floor: float) -> Quantity:
    """The quantity, with a line at a floor."""
    return replace(quantity, guide=floor)


def limits(metrics: pd.DataFrame) -> tuple[float, float]:
    """Of an axis of coverage: up to where the paper's goes, or these runs do, and a little room."""
    highest = max(*(share for stated in PAPER.values() for share in stated.values()), metrics["coverage"].max())
    return 0, 1.1 * highest


def beside_paper(metrics: pd.DataFrame) -> pd.DataFrame:
    """Coverage that the paper and Goal GAN's authors have, and the mean of the seeds here, as `cards.grouped` takes it.

    A row an arm and number of outer steps. Here it is that of the last measurement until then; a dash stands where
    these runs are shorter, and where nothing is stated.

    Args:
        metrics: tidy table of that name.
    """
    rows: dict[tuple[str, str], list[str]] = {}
    for arm in ARMS:
        for outer_steps in sorted({steps for found in STATED.values() for steps in found if arm in found[steps]}):
            shares = [found.get(outer_steps, {}).get(arm, np.nan) for found in STATED.values()]
            shares.append(after(metrics[metrics["arm"] == arm], outer_steps))
            rows[arm_style(arm).label, f"{outer_steps} outer steps"] = list(map(in_percent, shares))
    index = pd.MultiIndex.from_tuples(rows, names=["arm", "after"])
    return pd.DataFrame(rows.values(), index, [*STATED, "here"])


def words(
    records: Sequence[Record],
    metrics: pd.DataFrame,
    differences: pd.DataFrame,
    timing: pd.DataFrame,
    judgements: Sequence[Judgement],
) -> dict[str, str]:
    """What the text of the page says of its runs: `goal_plots.in_words`, and the following.

    Args:
        records: of the page.
        metrics: tidy table of that name.
        differences: of `gains.gains`.
        timing: tidy table of that name.
        judgements: of the page's claims.

    Returns:
        Also `still` and `untrained`, the floor; `ends`, the coverage of each arm at its end; `hours`, those of all
        cores that a run had, each arm's mean; `steps`, of the training of a run, in millions.
    """
    first = metrics.loc[metrics["outer_step"] == 0, "coverage"]
    last = metrics[metrics["outer_step"] == metrics.groupby("arm")["outer_step"].transform("max")]
    ends, hours = last.groupby("arm")["coverage"].mean(), hours_of(records)
    arms = [arm for arm in ARMS if arm in ends]
    return in_words(metrics, differences, timing, judgements) | {
        "still": f"{100 * still_coverage(records):.0f} %",
        "untrained": f"{100 * first.mean():.0f} %",
        "ends": listed([f"{arm_style(arm).label} {100 * ends[arm]:.0f} %" for arm in arms]),
        "hours": listed([f"{hours[arm]:.1f} ({arm_style(arm).label})" for arm in arms]),
        "steps": f"{metrics['training_steps'].max() / 1e6:.0f}",
    }


def hours_of(records: Sequence[Record]) -> pd.Series:
    """Hours of all the cores a run had, mean of an arm's; measuring coverage and compiling included."""
    rows = [(record.labels["arm"], seconds_of(record) / 3600) for record in records]
    return pd.DataFrame(rows, columns=["arm", "hours"]).groupby("arm")["hours"].mean()
