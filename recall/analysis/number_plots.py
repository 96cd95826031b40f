"""A score against the number that tells the arms apart, such as the weight of imitation; a panel an environment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from pandas.api.typing import DataFrameGroupBy

from recall.analysis.control_plots import LARGEST, RATIO, axis_limits
from recall.analysis.gains import MEAN, SCORES
from recall.analysis.panels import Panel, listed, name_lines, new_figure, sentence
from recall.analysis.plots import HEIGHT, Quantity, scale_axis
from recall.analysis.stats import Interval, mean_interval
from recall.analysis.style import STYLE, arm_style, environment_name
from recall.analysis.wording import percentage, ratio_in_words, share_in_words

JITTER = 0.16
"""Width over which the seeds of an arm are spread."""

LEAST_SHOWN = 3
"""Seeds from which on the axis holds an arm's whole interval; of two it is so wide that nothing else is seen."""


@dataclass(frozen=True)
class Number:
    """What tells the arms apart: `weight-0.03` has the weight 0.03."""

    name: str
    """Before the dash in the name of an arm."""
    label: str
    """Its name for people, with the unit."""
    without: float | None = None
    """The value that does nothing; its arm is drawn as a band across."""

    def of(self, arm: str) -> float:
        """The value of an arm, NaN where it has none."""
        name, _, value = arm.rpartition("-")
        return float(value) if name == self.name else np.nan


RETURN = Quantity("value", "mean return over training")
FINAL_RETURN = Quantity("value", "final return")
REACH_FIRST = Quantity("value", "error of the first step back in the\nsimulator, standard deviations", is_log=True)
REACH_LAST = Quantity("value", "error of the last step back in the\nsimulator, standard deviations", is_log=True)
IN_RANGE = Quantity("value", "share of a trace's steps in the\nrange of the states seen")
WEIGHT = Number("weight", "imitation weight", without=0.0)
LENGTH = Number("length", "length of traces, steps")


def at_each(frame: pd.DataFrame, number: Number) -> list[str]:
    """Arms of a tidy table that have the number, the one without effect left out, the smallest value first."""
    values = {arm: number.of(arm) for arm in frame["arm"].unique()}
    return sorted(
        (arm for arm, value in values.items() if value != number.without and np.isfinite(value)), key=values.__getitem__
    )


def over_training_mean(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean over a seed's evaluations that have a value: env, arm, seed, value."""
    if column not in frame:
        return pd.DataFrame(columns=["env", "arm", "seed", "value"])
    values = frame.assign(value=frame[column].clip(upper=LARGEST))
    return values.groupby(["env", "arm", "seed"])["value"].mean().reset_index()


def doses_in_words(recall: pd.DataFrame, differences: pd.DataFrame) -> dict[str, str]:
    """`felt`: from which weight on imitation pulls with 1 % of the policy's own gradient; `best`: the best weight."""
    ratio = over_training_mean(recall, RATIO.column)
    ratio = ratio.assign(number=ratio["arm"].map(WEIGHT.of)).groupby(["env", "number"])["value"].mean()
    felt = [_first_felt(str(env), of_env.droplevel("env")) for env, of_env in ratio.groupby("env")]
    return {
        "felt": f"Imitation is felt {listed(felt)}." if felt else "–",
        "best": best_in_words(differences, WEIGHT),
    }


def best_in_words(differences: pd.DataFrame, number: Number) -> str:
    """The value of each environment with the largest gain in the first endpoint, and that gain; a dash if none has."""
    picked = [of_env.loc[of_env["estimate"].idxmax()] for _, of_env in _of_environments(differences)]
    named = ((f"{number.of(row.arm):g} in {environment_name(row.env)}", row) for row in picked)
    words = [f"{name}, {share_in_words(Interval(row.estimate, row.low, row.high))}" for name, row in named]
    return "; ".join(words) or "–"


def spread_in_words(differences: pd.DataFrame, number: Number) -> str:
    """In each environment, between what the gains in the first endpoint lie, and whose intervals exclude zero."""
    return "; ".join(_spread(str(env), of_env, number) for env, of_env in _of_environments(differences)) or "–"


def _spread(env: str, rows: pd.DataFrame, number: Number) -> str:
    ends = " to ".join(dict.fromkeys(percentage(end) for end in (rows["estimate"].min(), rows["estimate"].max())))
    sure = rows[(rows["low"] > 0) | (rows["high"] < 0)]
    values = listed([f"{value:g}" for value in sorted(map(number.of, sure["arm"]))])
    known = np.isfinite(rows[["low", "high"]]).any(axis=None)
    without = f"shown at {values or 'none'}" if known else "no intervals"
    return f"{ends} % in {environment_name(env)} ({without})"


def _of_environments(differences: pd.DataFrame) -> DataFrameGroupBy:
    """Rows of the first endpoint, by environment."""
    return differences[(differences["endpoint"] == next(iter(SCORES))) & (differences["env"] != MEAN)].groupby("env")


def pulls_in_words(recall: pd.DataFrame, arm: str) -> str:
    """Ratio of imitation to policy gradient of an arm, mean over training and seeds: `3.7 % in Hopper-v5`."""
    ratios = over_training_mean(recall[recall["arm"] == arm], RATIO.column).groupby("env")["value"].mean().dropna()
    return listed([f"{ratio_in_words(ratio)} in {environment_name(str(env))}" for env, ratio in ratios.items()]) or "–"


def _first_felt(env: str, ratio: pd.Series) -> str:
    above = ratio.index[ratio >= RATIO.guide]
    return f"from weight {above[0]:g} on in {env}" if len(above) else f"at no weight in {env}"


@rc_context(STYLE)
def against(scores: pd.DataFrame, number: Number, y: Quantity, baseline: pd.DataFrame | None = None) -> list[Panel]:
    """Every seed as a dot, the mean of an arm with its 95 % interval; values stand side by side, evenly.

    Args:
        scores: a row a seed: env, arm, seed, value. Arms without the number, and values that are NaN, are left out.
        number: what tells the arms apart.
        y: what `value` is; on a logarithmic axis the mean is the geometric one.
        baseline: scores of an arm without the number, drawn as a band where it has the environment: env, seed, value.
    """
    scores = scores.assign(number=scores["arm"].map(number.of)).dropna(subset=["number", "value"])
    if y.is_log:
        scores = scores[scores["value"] > 0]
    alone = {} if baseline is None else dict(iter(baseline.groupby("env")))
    return [_panel(str(env), rows, number, y, alone.get(env)) for env, rows in scores.groupby("env")]


def _panel(env: str, rows: pd.DataFrame, number: Number, y: Quantity, alone: pd.DataFrame | None) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    groups = [(float(value), of_arm.sort_values("seed")) for value, of_arm in rows.groupby("number")]
    found = {value: _mean(of_arm["value"], y.is_log) for value, of_arm in groups}
    if y.guide is not None:
        ax.axhline(y.guide, color="#666666", linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    if number.without in found:
        draw_band(ax, found[number.without])
    shown, without = [], ""
    if alone is not None:
        band = _mean(alone["value"], y.is_log)
        draw_band(ax, band)
        name_lines(figure, ax)
        shown += _shown(alone, band)
        without = f" Without recall traces: {interval_in_words(band)}."
    for place, (value, of_arm) in enumerate(groups):
        arm = "baseline" if value == number.without else of_arm["arm"].iloc[0]
        draw_arm(ax, place, of_arm["value"], found[value], arm)
        shown += _shown(of_arm, found[value])
    ax.set(title=environment_name(env), xlabel=number.label, ylabel=y.label, xlim=(-0.5, len(found) - 0.5))
    ax.set_xticks(range(len(found)), [f"{value:g}" for value in found])
    ax.grid(axis="x", visible=False)
    scale_axis(ax, "y", y, axis_limits(pd.Series(shown), y))
    words = listed([f"{interval_in_words(interval)} at {value:g}" for value, interval in found.items()])
    what = f"{sentence(y.label)} by {number.label}, {environment_name(env)}"
    alt = f"{what}, mean of the seeds with 95 % interval: {words}.{without}"
    return Panel(figure, alt, pd.concat([alone, rows])[["env", "arm", "seed", "number", "value"]])


def _shown(of_arm: pd.DataFrame, interval: Interval) -> list[float]:
    """What of an arm the axis holds: its seeds, and its interval where they are enough."""
    ends = interval if of_arm["seed"].nunique() >= LEAST_SHOWN else ()
    return [*of_arm["value"], *(end for end in ends if np.isfinite(end))]


def _mean(values: pd.Series, is_log: bool) -> Interval:
    """Mean and interval; of the logarithms where the axis is logarithmic."""
    found = mean_interval(np.log(values) if is_log else values)
    return Interval(*(float(np.exp(end)) for end in found)) if is_log else found


def draw_band(ax: Axes, interval: Interval) -> None:
    """Draw the baseline's mean across, and its interval."""
    style = arm_style("baseline")
    ax.axhline(interval.estimate, color=style.color, linewidth=1, zorder=1, label=style.label)
    if np.isfinite([interval.low, interval.high]).all():
        ax.axhspan(interval.low, interval.high, color=style.color, alpha=0.13, linewidth=0, zorder=0)


def draw_arm(
    ax: Axes, place: float, values: Sequence[float], interval: Interval, arm: str, width: float = JITTER
) -> None:
    """Draw the seeds of an arm as dots, spread over a width to either side, and their mean with its interval."""
    style = arm_style(arm)
    spread = [place] if len(values) == 1 else place + np.linspace(-width, width, len(values))
    ax.plot(spread, values, "o", color=style.color, alpha=0.35, markersize=3.5, zorder=2)
    if np.isfinite([interval.low, interval.high]).all():
        ax.plot([place, place], [interval.low, interval.high], color=style.color, linewidth=1.6, zorder=3)
    ax.plot(place, interval.estimate, style.marker, color=style.color, markersize=7, zorder=4)


def interval_in_words(interval: Interval) -> str:
    """A mean with its interval, if it has one: 0.91 (0.87 to 0.95)."""
    if not np.isfinite([interval.low, interval.high]).all():
        return f"{interval.estimate:.3g}"
    return f"{interval.estimate:.3g} ({interval.low:.3g} to {interval.high:.3g})"
