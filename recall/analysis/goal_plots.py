"""Quantities of the page goal-gan: coverage, and what it is drawn over."""

import pandas as pd

from recall.analysis.plots import Quantity

COVERAGE = Quantity("coverage", "coverage")
TRACE_LENGTH = Quantity("trace_length", "steps of a trace", seeds=False)
OUTER_STEPS = Quantity("outer_step", "outer steps")
ALL_STEPS = Quantity("all_steps", "environment steps of any purpose, millions", 1e6)

PURPOSES = ("training_steps", "visits_steps", "labels_steps", "evaluation_steps")
"""Columns that count environment steps."""


def with_all_steps(metrics: pd.DataFrame) -> pd.DataFrame:
    """The table with the environment steps of all purposes, `all_steps`, as the mean over the seeds of an arm.

    Seeds differ a little in them, since episodes end early; curves need common places.

    Args:
        metrics: tidy table of that name.
    """
    total = metrics[list(PURPOSES)].sum(axis=1)
    common = total.groupby([metrics["env"], metrics["arm"], metrics["outer_step"]]).transform("mean")
    return metrics.assign(all_steps=common)
