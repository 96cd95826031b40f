"""Which of two models gives held-out transitions the higher likelihood."""

import numpy as np
import pandas as pd

from recall.analysis.control_plots import PREDICTING
from recall.analysis.endpoints import LAST
from recall.analysis.panels import listed
from recall.analysis.stats import Interval, mean_interval
from recall.analysis.wording import signed


def likelier(held_out: pd.DataFrame) -> dict[str, str]:
    """How many nats a transition a model of changes gains over one of states at the last evaluation, seed by seed.

    Args:
        held_out: tidy table of both arms with the column nll; a seed that lacks an arm is left out.

    Returns:
        `count`: in how many environments the whole interval lies above 0; `each`: the gain of each.
    """
    last = held_out.dropna(subset="nll").sort_values("step").groupby(["env", "seed", "arm"])["nll"].last()
    change, state = (last.unstack().reindex(columns=PREDICTING)[arm] for arm in PREDICTING)
    gains = {env: mean_interval(of_env) for env, of_env in (state - change).dropna().groupby("env")}
    each = [f"{env} {_in_words(gain)}" for env, gain in gains.items()]
    above = sum(gain.low > 0 for gain in gains.values())
    return {
        "count": f"{above} of {len(gains)} environments",
        "each": listed(each) or "–",
    }


def drift_in_words(recall: pd.DataFrame) -> dict[str, str]:
    """The error of a step back in the simulator by a model of changes and by one of states, environment by environment.

    Args:
        recall: tidy table of both arms.

    Returns:
        `first` and `last`: of that step of a trace, standard deviations, means of the last evaluations and all seeds;
        `length`: steps of a trace. A dash where nothing was measured.
    """
    last = recall.sort_values("step").groupby(["env", "arm", "seed"]).tail(LAST)
    columns = {"first": ("reach_1", 2), "last": ("reach_last", 2), "length": ("trace_length", 0)}
    return {name: _beside(last, column, digits) for name, (column, digits) in columns.items()}


def _beside(rows: pd.DataFrame, column: str, digits: int) -> str:
    if column not in rows:
        return "–"
    means = rows.groupby(["env", "arm"])[column].mean().unstack().reindex(columns=PREDICTING).dropna()
    each = [f"{env} {change:.{digits}f} and {state:.{digits}f}" for env, change, state in means.itertuples()]
    return "; ".join(each) or "–"


def _in_words(gain: Interval) -> str:
    known = np.isfinite([gain.low, gain.high]).all()
    interval = f"{signed(gain.low, 1)} to {signed(gain.high, 1)}" if known else "no interval"
    return f"{signed(gain.estimate, 1)} ({interval})"
