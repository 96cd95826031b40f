"""Curves over training: the IQM of the seeds, its 95 % band, every seed faint behind; a panel an environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.panels import Panel, in_words, name_lines, new_figure
from recall.analysis.stats import iqm, iqm_band, survival
from recall.analysis.style import STYLE, arm_style, environment_name

MAIN = ("baseline", "learned", "true", "untrained")
"""Arms of Fig. 2 and Fig. 10."""

HEIGHT = 2.9
"""Inches."""

TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Of a logarithmic axis."""

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


STEPS = Quantity("step", "environment steps, thousands", 1000)
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
        known = [row.dropna().to_numpy()[:, None] for _, row in spoken_for.iterrows()]
        bands = [iqm_band(values, np.random.default_rng(BAND_SEED)) for values in known]
        self.x = spoken_for.index.to_numpy(float)
        self.iqm = np.array([iqm(values)[0] for values in known])
        self.low, self.high = np.reshape(bands, (-1, 2)).T

    def at(self, share: float) -> float:
        """The IQM when this share of the budget is spent; NaN if nothing was known yet."""
        before = np.flatnonzero(self.x <= share * self.seeds.index[-1])
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
        draw_curve(ax, arm, curve, order)
    if y.is_log:
        ax.set_yscale("log")
        ticks = [tick for tick in TICKS if limits[0] <= tick <= limits[1]]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    ax.set(title=environment_name(env), xlabel=x.label, ylabel=y.label, ylim=limits, xlim=(0, None))
    ax.locator_params(axis="x", nbins=5)
    name_lines(figure, ax)
    early, late = (
        in_words({arm_style(arm).label: curve.at(share) for arm, curve in drawn.items()}) for share in (0.25, 1)
    )
    name = " ".join(y.label.split()).capitalize()
    alt = (
        f"{name} over {x.label}, {environment_name(env)}, interquartile mean of the seeds: "
        f"a quarter into the training {early}; at its end {late}."
    )
    return Panel(figure, alt, data)


def draw_curve(ax: Axes, arm: str, curve: Curve, order: int = 0) -> None:
    """Draw seeds, band, IQM, and now and then a marker, the arms' in turn."""
    style = arm_style(arm)
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
    words, failures = [], set()
    widths = np.linspace(3, 1.4, len(tables))  # where arms coincide, all of them stay visible
    for width, (arm, rows) in zip(widths, tables.items(), strict=True):
        never, total, half = int(np.isinf(rows["value"]).sum()), len(rows), float(rows["value"].median())
        style = arm_style(arm)
        _draw_survival(ax, rows, style.of_line | {"linewidth": width, "marker": style.marker})
        middle = f"half of the seeds by {half / 1000:.0f}k steps" if np.isfinite(half) else "half of the seeds never"
        words.append(f"{style.label}: {middle}, {never} of {total} never")
        failures.add((float(rows["budget"].max()) / STEPS.scale, never, total))
    for budget, never, total in failures:
        if never:
            above = 5 if never / total < 0.15 else -10
            place = {"xytext": (0, above), "textcoords": "offset points", "ha": "right"}
            ax.annotate(f"{never} of {total} never", (budget, never / total), fontsize=8, **place)
    ax.set(title=environment_name(env), xlabel=STEPS.label, ylabel=f"share of seeds\nnot yet {title}")
    ax.set(xlim=(0, None), ylim=(0, 1.02))
    ax.locator_params(axis="x", nbins=5)
    name_lines(figure, ax)
    alt = f"Share of seeds not yet {title} over environment steps, {environment_name(env)}. {'; '.join(words)}."
    return Panel(figure, alt, pd.concat(tables.values()))


def _draw_survival(ax: Axes, rows: pd.DataFrame, line: Mapping[str, Any]) -> None:
    """Stairs with a marker where half of the seeds are through, and one at the end for those that never are."""
    budget, times = float(rows["budget"].max()), rows["value"].to_numpy(float)
    steps = np.concatenate([[0], np.sort(times[np.isfinite(times)]), [budget]])
    share = survival(times, steps, budget)
    marked = {int((share > 0.5).sum()) % len(steps)} | ({len(steps) - 1} if share[-1] else set())
    ax.step(steps / STEPS.scale, share, where="post", markevery=sorted(marked), clip_on=False, **line)
