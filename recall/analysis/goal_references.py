"""Coverage that the authors of Goal GAN have without recall traces, read off their figures, beside the one here."""

import numpy as np
import pandas as pd

from recall.analysis.style import arm_style, environment_name

OUTER_STEPS = 100
"""After so many the coverage in N dimensions is compared."""

IN_DIMENSIONS = {
    "point-mass": "about 100 %",
    "point-mass-3": "about 100 %",
    "point-mass-4": "about 100 %",
    "point-mass-5": "about 100 %",
    "point-mass-6": "about 90 % (81 to 99)",
}
"""Theirs, by task (Held et al. 2017)."""

ANT = {60: {"baseline": 0.38}, 120: {"baseline": 0.44}, 180: {"baseline": 0.50}, 300: {"baseline": 0.57}}
"""Theirs in the ant's maze, by outer steps and arm (the figure that comes with their code)."""


def beside_authors(metrics: pd.DataFrame) -> pd.DataFrame:
    """Coverage of the baseline in N dimensions, theirs and the mean of the seeds here, as `cards.grouped` takes it.

    A row a task that has runs of the baseline; a dash where these are shorter.

    Args:
        metrics: tidy table of that name.
    """
    baseline = metrics[metrics["arm"] == "baseline"]
    tasks = [task for task in IN_DIMENSIONS if task in set(baseline["env"])]
    rows = [(IN_DIMENSIONS[task], in_percent(after(baseline[baseline["env"] == task], OUTER_STEPS))) for task in tasks]
    names = [(arm_style("baseline").label, environment_name(task)) for task in tasks]
    index = pd.MultiIndex.from_tuples(names, names=["arm", "task"])
    return pd.DataFrame(rows, index, ["its authors", "here"])


def after(metrics: pd.DataFrame, outer_steps: int) -> float:
    """Mean coverage of the seeds at the last measurement up to so many outer steps; NaN if the runs are shorter."""
    if metrics.empty or metrics["outer_step"].max() < outer_steps:
        return np.nan
    known = metrics[metrics["outer_step"] <= outer_steps]
    return float(known.loc[known["outer_step"] == known["outer_step"].max(), "coverage"].mean())


def in_percent(share: float) -> str:
    """`38 %`, or a dash for NaN."""
    return "–" if np.isnan(share) else f"{100 * share:.0f} %"
