"""Curves over training: the IQM of the seeds, its 95 % band, every seed faint behind; a panel an environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.panels import Panel, in_words, name_lines, new_figure, sentence
from recall.analysis.stats import iqm, iqm_band, survival
from recall.analysis.style import FAINT, STYLE, ArmStyle, arm_style, environment_name
from recall.analysis.ticks import label, ticks

MAIN = ("baseline", "learned", "true", "untrained")
"""Arms of Fig. 2 and Fig. 10."""

HEIGHT = 2.9
"""Inches."""

ROOM = 0.12
"""Share of the seeds that a line of text is high."""

BAND_SEED = 0
"""Of the resamples behind every band, so that a figure is the same each time."""


@dataclass(frozen=True)
class Quantity:
    """A column of a table, as an axis shows it."""

    column: str
    """Its name in the table."""
    label: str
    """Its name for people, with the unit."""
    scale: float = 1
    """What its values are divided by."""
    is_log: bool = False
    """Whether its axis is logarithmic."""
    guide: float | None = None
    """A value worth a line across."""
    seeds: bool = True
    """Whether every seed is drawn, faint; not where others of the same seeds say it, so that a page stays small."""


STEPS = Quantity("step", "environment steps, thousands", 1000, is_log=True)
SUCCESS = Quantity("success", "success rate")
PATH = Quantity("path_length", "steps to the goal,\nsuccessful episodes", is_log=True)
STATES = Quantity("states_visited", "distinct states visited")
DISTANCE = Quantity("model_tv", "total variation distance\nto the true posterior")
RETURN = Quantity("value", "discounted return from\nthe traces' first states")


class Curve:
    """One arm in one environment; where a seed has no value, the others speak for the arm if they are half of it."""

    def __init__(self, frame: pd.DataFrame, y: Quantity, x: Quantity) -> None:
        wide = frame.pivot(index=x.column, columns="seed", values=y.column) / y.scale
        self.seeds = wide.set_axis(wide.index / x.scale)
        spoken_for = self.seeds[self.seeds.notna().mean(axis=1) >= 0.5]
        self.x = spoken_for.index.to_numpy(float)
        self.iqm, self.low, self.high = np.full((3, len(self.x)), np.nan)
        for silent, alike in spoken_for.groupby(spoken_for.isna().apply(tuple, axis=1), sort=False):
            rows = spoken_for.index.get_indexer(alike.index)
            values = alike.loc[:, np.logical_not(silent)].to_numpy().T
            self.iqm[rows] = iqm(values)
            self.low[rows], self.high[rows] = iqm_band(values, np.random.default_rng(BAND_SEED))

    def at(self, place: float) -> float:
        """The IQM there, or last before; NaN if nothing was known yet."""
        before = np.flatnonzero(self.x <= place)
        return float(self.iqm[before[-1]]) if len(before) else np.nan


@rc_context(STYLE)
def curves(
    frame: pd.DataFrame,
    y: Quantity = SUCCESS,
    arms: Sequence[str] = MAIN,
    limits: tuple[float, float] | None = None,
    x: Quantity = STEPS,
) -> list[Panel]:
    """A quantity over training.

    Args:
        frame: a tidy table with env, arm, seed and both columns; empty cells are left out.
        y: what is drawn.
        arms: those wanted; what the table lacks is left out.
        limits: of the vertical axis; None goes from 0 to the highest line.
        x: what it is drawn over.
    """
    if frame.empty:
        return []
    known = frame.groupby(["env", "arm"])[y.column].transform("count") > 0
    tables = _split(frame[known], arms)
    drawn = {env: {arm: Curve(rows, y, x) for arm, rows in of_env.items()} for env, of_env in tables.items()}
    heights = [h for of_env in drawn.values() for curve in of_env.values() for h in (*curve.iqm, *curve.high)]
    if limits is None and heights:
        limits = (np.nanmin(heights) / 1.2 if y.is_log else 0, 1.05 * np.nanmax(heights))
    columns = ["env", "arm", "seed", x.column, y.column]
    return [
        _curve_panel(env, of_env, y, x, limits, pd.concat(tables[env].values())[columns])
        for env, of_env in drawn.items()
    ]


def _split(frame: pd.DataFrame, arms: Sequence[str]) -> dict[str, dict[str, pd.DataFrame]]:
    """Rows by environment and arm, the arms in the order asked for; environments without any are left out."""
    environments = {env: dict(list(rows.groupby("arm"))) for env, rows in frame.groupby("env")}
    tables = {env: {arm: rows[arm] for arm in arms if arm in rows} for env, rows in environments.items()}
    return {env: of_env for env, of_env in tables.items() if of_env}


def _curve_panel(
    env: str,
    drawn: Mapping[str, Curve],
    y: Quantity,
    x: Quantity,
    limits: tuple[float, float] | None,
    data: pd.DataFrame,
) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    for order, (arm, curve) in enumerate(drawn.items()):
        draw_curve(ax, arm, curve, order, y.seeds)
    ax.set(title=environment_name(env), xlabel=x.label, ylabel=y.label)
    if y.guide is not None:
        ax.axhline(y.guide, color=FAINT, linewidth=1, zorder=1)
    firsts, lasts = zip(*((curve.seeds.index[0], curve.seeds.index[-1]) for curve in drawn.values()), strict=True)
    scale_axis(ax, "x", x, (min(firsts), max(lasts)) if x.is_log else (0, 1.02 * max(lasts)))
    scale_axis(ax, "y", y, limits)
    name_lines(figure, ax)
    shortest = min(lasts)
    early, late = (
        in_words({arm_style(arm).label: curve.at(place) for arm, curve in drawn.items()})
        for place in (0.1 * shortest, shortest)
    )
    training, end = (
        ("the training", "at its end") if shortest == max(lasts) else ("the shortest training", "where it ends")
    )
    alt = (
        f"{sentence(y.label)} over {' '.join(x.label.split())}, {environment_name(env)}, interquartile mean of the "
        f"seeds: a tenth into {training} {early}; {end} {late}."
    )
    return Panel(figure, alt, data)


def scale_axis(ax: Axes, axis: Literal["x", "y"], quantity: Quantity, limits: tuple[float, float] | None) -> None:
    """Set the range of an axis, logarithmic where the quantity asks for it, with round ticks."""
    ax.set(**{f"{axis}lim": limits})
    if not quantity.is_log or limits is None:
        ax.locator_params(axis=axis, nbins=5)
        return
    ax.set(**{f"{axis}scale": "log"})
    shown = ticks(*limits)
    ax.set(**{f"{axis}ticks": shown, f"{axis}ticklabels": list(map(label, shown))})
    ax.minorticks_off()


def draw_curve(ax: Axes, arm: str, curve: Curve, order: int = 0, seeds: bool = True) -> None:
    """Draw seeds, band, IQM, and now and then a marker, the arms' in turn."""
    style = arm_style(arm)
    if seeds:
        ax.plot(*_one_line(curve.seeds), color=style.color, linewidth=0.5, alpha=0.22, zorder=1)
    ax.fill_between(curve.x, curve.low, curve.high, color=style.color, alpha=0.22, linewidth=0, zorder=2)
    every = max(1, len(curve.x) // 4)
    ax.plot(curve.x, curve.iqm, **style.of_line, marker=style.marker, markevery=(order % every, every), linewidth=1.7)


def _one_line(seeds: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """All seeds as one line with gaps: far smaller in a file than a line each."""
    wide = seeds.reindex([*seeds.index, np.nan])
    return np.tile(wide.index.to_numpy(float), wide.shape[1]), wide.to_numpy().T.ravel()


def trace_returns(recall: pd.DataFrame, arms: Sequence[str] = ("learned",)) -> list[Panel]:
    """What the traces' actions earn from their first states, beside what the policy earns there.

    Args:
        recall: tidy table of that name.
        arms: those wanted; what the table lacks is left out.
    """
    if recall.empty:
        return []
    halves = [
        recall.assign(arm=recall["arm"] + f"/{part}", value=recall[column])
        for part, column in (("traces", "trace_return"), ("policy", "policy_return"))
    ]
    parts = [f"{arm}/{part}" for arm in arms for part in ("traces", "policy")]
    return curves(pd.concat(halves), RETURN, parts, (0, 1.02))


@rc_context(STYLE)
def survivals(times: pd.DataFrame, title: str, arms: Sequence[str] = MAIN) -> list[Panel]:
    """Share of the seeds that are not there yet; those that never come stay in until the end, and are counted.

    Args:
        times: a row a seed: env, arm, seed, value (steps, inf for never) and budget.
        title: what is waited for.
        arms: those wanted; what the table lacks is left out.
    """
    return [_survival_panel(env, of_arm, title) for env, of_arm in _split(times, arms).items()]


def _survival_panel(env: str, tables: Mapping[str, pd.DataFrame], title: str) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    data = pd.concat(tables.values())
    limits = float(data[["value", "budget"]].min(axis=None)) / 1.3, float(data["budget"].max())
    widths = np.linspace(3, 1.4, len(tables))  # where arms coincide, all of them stay visible
    for width, (arm, rows) in zip(widths, tables.items(), strict=True):
        _draw_survival(ax, rows, limits, arm_style(arm), width)
    _count_failures(ax, data)
    ax.set(title=environment_name(env), xlabel=STEPS.label, ylabel=f"share of seeds\nnot yet {title}", ylim=(0, 1.03))
    scale_axis(ax, "x", STEPS, (limits[0] / STEPS.scale, limits[1] / STEPS.scale))
    name_lines(figure, ax)
    words = "; ".join(_times_in_words(arm, rows["value"]) for arm, rows in tables.items())
    alt = f"Share of seeds not yet {title} over environment steps, {environment_name(env)}. {words}."
    return Panel(figure, alt, data)


def _draw_survival(ax: Axes, rows: pd.DataFrame, limits: tuple[float, float], style: ArmStyle, width: float) -> None:
    """Stairs with a marker where half of the seeds are through, and one at the end for those that never are."""
    times = rows["value"].to_numpy(float)
    steps = np.concatenate([limits[:1], np.sort(times[np.isfinite(times)]), limits[1:]])
    share = survival(times, steps, limits[1])
    half = int((share > 0.5).sum())
    marked = [place for place in (half, -1) if place < len(steps) and (place == half or share[-1] > 0)]
    line = style.of_line | {"linewidth": width, "marker": style.marker, "markevery": marked}
    ax.step(steps / STEPS.scale, share, where="post", **line)


def _count_failures(ax: Axes, data: pd.DataFrame) -> None:
    """Write at the right end how many seeds never came, above the line where there is no room below it."""
    failures = data.groupby("arm")["value"].agg(lambda times: int(np.isinf(times).sum()))
    total, counts = int(data.groupby("arm").size().max()), sorted(set(failures[failures > 0]))
    for below, never in zip([0, *counts], counts, strict=False):
        place = (0, 4) if (never - below) / total < ROOM else (0, -10)
        end = float(data["budget"].max()) / STEPS.scale, never / total
        ax.annotate(f"{never} of {total} never", end, place, textcoords="offset points", ha="right", fontsize=8)


def _times_in_words(arm: str, times: pd.Series) -> str:
    half, never = float(times.median()), int(np.isinf(times).sum())
    middle = f"half of the seeds by {half / 1000:.0f}k steps" if np.isfinite(half) else "half of the seeds never"
    return f"{arm_style(arm).label}: {middle}, {never} of {len(times)} never"
