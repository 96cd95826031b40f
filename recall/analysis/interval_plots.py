"""Dots and intervals: probability of improvement, speed-ups and how they grow, the tuning grid."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.panels import Panel, in_words, listed, name_lines, new_figure
from recall.analysis.plots import MAIN
from recall.analysis.stats import Interval, probability_of_improvement, restricted_speedup, speedup_slope
from recall.analysis.style import ARMS, FAINT, PANEL, STYLE, ArmStyle, arm_style, environment_name

ROW = 0.25
"""Inches of a row."""

SETTINGS = {
    "learning_rate": "step size {:g}",
    "entropy": "entropy {:g}",
    "weight": "weight {:g}",
    "sides": "length {:g} sides",
}
"""What the grid varies, for people."""


def draw_intervals(ax: Axes, intervals: Mapping[str, Interval], even: float, limits: tuple[float, float]) -> None:
    """A row an arm, dot and interval, beside a line where the arms are even; ends outside the limits get arrows."""
    rows = np.arange(len(intervals))[::-1]
    ax.axvline(even, color=FAINT, linewidth=1, zorder=1)
    for y, (arm, interval) in zip(rows, intervals.items(), strict=True):
        draw_interval(ax, y, interval, arm_style(arm), limits)
    name_rows(ax, [arm_style(arm).label for arm in intervals], limits)


def draw_interval(ax: Axes, y: float, interval: Interval, style: ArmStyle, limits: tuple[float, float]) -> None:
    """A dot on its interval at a height; an end outside the limits gets an arrow."""
    ends = np.clip([interval.low, interval.high], *limits)
    ax.plot(ends, [y, y], color=style.color, linewidth=1.6, solid_capstyle="butt")
    ax.plot(np.clip(interval.estimate, *limits), y, style.marker, color=style.color, markersize=6.5, clip_on=False)
    for end, mark in zip((interval.low < limits[0], interval.high > limits[1]), "<>", strict=True):
        if end:
            ax.plot(limits["<>".index(mark)], y, mark, color=style.color, markersize=5, clip_on=False)


def name_rows(ax: Axes, names: Sequence[str], limits: tuple[float, float]) -> None:
    """Rows with their names, the first on top, and no more ornament than that."""
    ax.set(yticks=np.arange(len(names))[::-1], yticklabels=names)
    ax.set(xlim=limits, ylim=(-0.6, len(names) - 0.4))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)


@rc_context(STYLE)
def improvements(scores: pd.DataFrame, title: str, baseline: str = "baseline") -> list[Panel]:
    """Probability that a seed of an arm scores higher than a seed of the baseline; a panel an environment.

    Args:
        scores: a row a seed: env, arm, seed, value, more being better.
        title: what is scored.
        baseline: the arm the others are held against.
    """
    panels = []
    for env, rows in scores.groupby("env"):
        values = {arm: of_arm["value"].to_numpy(float) for arm, of_arm in rows.groupby("arm")}
        others = [arm for arm in ARMS if arm in values and arm != baseline]
        if baseline in values and others:
            found = {arm: probability_of_improvement(values[arm], values[baseline]) for arm in others}
            panels.append(_improvement_panel(str(env), found, title, arm_style(baseline).label))
    return panels


def _improvement_panel(env: str, found: Mapping[str, Interval], title: str, baseline: str) -> Panel:
    figure = new_figure(0.85 + ROW * len(found))
    ax = figure.subplots()
    draw_intervals(ax, found, 0.5, (0, 1))
    ax.set_title(environment_name(env))
    ax.set_xlabel(f"probability of a higher {title}\nthan a seed of the {baseline}", loc="right")
    means = in_words({arm_style(arm).label: interval.estimate for arm, interval in found.items()})
    certain = [arm_style(arm).label for arm, interval in found.items() if interval.low > 0.5]
    alt = (
        f"Probability of a higher {title} than a seed of the {baseline}, {environment_name(env)}: {means}. "
        f"The 95 % interval lies above one half for {listed(certain) or 'no arm'}."
    )
    return Panel(figure, alt, interval_table(env, found))


def interval_table(env: str, found: Mapping[str, Interval]) -> pd.DataFrame:
    """Intervals as rows: env, arm, estimate, low, high."""
    rows = [(env, arm, *interval) for arm, interval in found.items()]
    return pd.DataFrame(rows, columns=["env", "arm", "estimate", "low", "high"])


def side_of(env: str) -> int | None:
    """The side of an environment named `side-N`; None for one that differs in more than its side."""
    number = env.removeprefix("side-")
    return int(number) if number.isdigit() else None


@rc_context(STYLE)
def speedups(times: pd.DataFrame, arms: Sequence[str] = MAIN[1:], baseline: str = "baseline") -> list[Panel]:
    """How many times fewer steps an arm needs than the baseline, against the side; then how that grows with the side.

    Args:
        times: a row a seed: env, arm, seed, value (steps, inf for never) and budget. A seed that never came counts as
            the budget, so what fails makes a speed-up look smaller than it is.
        arms: those wanted; what the table lacks is left out, and so is everything if there are no two seeds an arm.
        baseline: the arm the others are held against.
    """
    sized = times.assign(side=times["env"].map(side_of)).dropna(subset="side")
    sized = sized.astype({"side": int}).sort_values("side")
    cells = dict(list(sized.groupby(["arm", "side"])))
    sides = [int(side) for side in sized["side"].unique() if (baseline, side) in cells]
    shown = [arm for arm in arms if all((arm, side) in cells for side in sides)]
    if not sides or not shown or min(map(len, cells.values())) < 2:
        return []
    value = {key: rows["value"].to_numpy(float) for key, rows in cells.items()}
    budget = {side: float(cells[baseline, side]["budget"].max()) for side in sides}
    found = {
        arm: [restricted_speedup(value[arm, side], value[baseline, side], budget[side]) for side in sides]
        for arm in shown
    }
    panels = [_speedup_panel(sides, found)]
    if len(sides) > 1:
        slopes = {arm: _growth(value, budget, arm, baseline, sides) for arm in shown}
        panels.append(_growth_panel(sides, slopes))
    return panels


def _growth(
    value: Mapping[tuple[str, int], np.ndarray],
    budget: Mapping[int, float],
    arm: str,
    baseline: str,
    sides: Sequence[int],
) -> Interval:
    """By what factor the speed-up changes from the smallest side to the largest."""
    fast, slow = ([value[name, side] for side in sides] for name in (arm, baseline))
    slope = speedup_slope(fast, slow, sides, list(budget.values()))
    return Interval(*np.exp(np.array(slope) * (max(sides) - min(sides))).tolist())


def _speedup_panel(sides: Sequence[int], found: Mapping[str, Sequence[Interval]]) -> Panel:
    figure = new_figure(2.9)
    ax = figure.subplots()
    ax.axhline(1, color=FAINT, linewidth=1, zorder=1)
    for shift, (arm, intervals) in zip(np.linspace(-0.25, 0.25, len(found)), found.items(), strict=True):
        style, x = arm_style(arm), np.array(sides) + shift
        estimate, low, high = np.array(intervals).T
        ax.vlines(x, np.maximum(low, 1e-3), np.minimum(high, 1e3), color=style.color, linewidth=1.6)
        ax.plot(x, estimate, style.marker, color=style.color, markersize=6.5)
        if len(sides) > 1:
            line = np.polynomial.Polynomial.fit(sides, np.log(estimate), 1)
            ax.plot(sides, np.exp(line(np.array(sides))), color=style.color, linestyle=style.line, linewidth=1)
        ax.plot([], [], **style.of_line, marker=style.marker)
    ends = np.array([end for intervals in found.values() for interval in intervals for end in interval])
    ends = ends[np.isfinite(ends) & (ends > 0)]
    ax.set_yscale("log")
    ax.set(title="speed-up", xlabel="side of the grid, cells", xticks=sides)
    ax.set_ylabel("times fewer steps\nto 90 % success")
    ax.set_ylim(min(0.9, 0.9 * ends.min()), 1.15 * min(ends.max(), 50))
    ticks = [tick for tick in (0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 20) if ax.get_ylim()[0] <= tick <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    name_lines(figure, ax)
    words = []
    for arm, intervals in found.items():
        each = [f"{i.estimate:.1f} at side {side}" for side, i in zip(sides, intervals, strict=True)]
        words.append(f"{arm_style(arm).label} {listed(each)}")
    table = [interval_table(f"side-{side}", {arm: found[arm][i] for arm in found}) for i, side in enumerate(sides)]
    return Panel(figure, f"How many times fewer steps than the baseline: {'; '.join(words)}.", pd.concat(table))


def _growth_panel(sides: Sequence[int], found: Mapping[str, Interval]) -> Panel:
    figure = new_figure(1.2 + ROW * len(found))
    ax = figure.subplots()
    span = f"side {min(sides)} to {max(sides)}"
    far = max(3.0, *(i.high for i in found.values() if np.isfinite(i.high)))
    draw_intervals(ax, found, 1, (min(0.3, *(i.low for i in found.values())), min(1.05 * far, 20)))
    ax.set_xscale("log")
    ticks = [tick for tick in (0.25, 0.5, 1, 2, 4, 8, 16) if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set(title="its growth", xlabel=f"factor on the speed-up, {span};\n1 is no growth")
    words = [f"{i.estimate:.2f} ({i.low:.2f} to {i.high:.2f}) for the {arm_style(a).label}" for a, i in found.items()]
    alt = f"By what factor the speed-up grows from {span}, with 95 % intervals: {listed(words)}."
    return Panel(figure, alt, interval_table(span, found))


@rc_context(STYLE)
def tuning_grid(table: pd.DataFrame) -> list[Panel]:
    """Every configuration that was tried, a dot each, the best of each arm named.

    Args:
        table: papermill_runs/tuning/four-rooms.csv: arm, settings (JSON), seed, auc.
    """
    means = table.groupby(["arm", "settings"], as_index=False)["auc"].agg(["mean", "sem"])
    arms = [arm for arm in ARMS if arm in set(means["arm"])]
    lowest = float(means.groupby("arm")["mean"].median().min()) - 0.05
    figure = new_figure(0.9 + 1.5 * ROW * len(arms), 1.45 * PANEL)
    ax = figure.subplots()
    words = []
    for y, arm in enumerate(reversed(arms)):
        style, rows = arm_style(arm), means[means["arm"] == arm].sort_values("mean")
        best, shown = rows.iloc[-1], rows["mean"] >= lowest
        ax.plot(rows["mean"][shown], [y] * shown.sum(), style.marker, color=style.color, alpha=0.45)
        ax.plot(best["mean"], y, style.marker, color=style.color, markersize=8)
        chosen = ", ".join(SETTINGS[name].format(value) for name, value in json.loads(best["settings"]).items())
        ax.annotate(chosen, (best["mean"], y), (0, 6), textcoords="offset points", ha="right", fontsize=7.5)
        if not shown.all():
            ax.text(lowest, y, f"◂ {(~shown).sum()} below", color=style.color, va="center", fontsize=7.5)
        words.append(f"{style.label} {best['mean']:.3f} ({chosen})")
    ax.set_xlim(lowest, None)
    ax.set(yticks=range(len(arms)), yticklabels=[arm_style(arm).label for arm in reversed(arms)])
    ax.set(xlabel="mean success rate over training, side 15", ylim=(-0.6, len(arms) - 0.2))
    ax.grid(axis="y", visible=False)
    counts = sorted(set(means.groupby("arm").size()))
    alt = f"Tuning grid, {' or '.join(map(str, counts))} settings an arm; the best: {'; '.join(words)}."
    return [Panel(figure, alt, means)]
