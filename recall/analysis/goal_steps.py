"""How many steps it takes Goal GAN to cover half of the goals, and nearly all, and what the steps are spent on."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.control_plots import CONTROL
from recall.analysis.endpoints import steps_to_threshold
from recall.analysis.gain_plots import dodge, known_part, name_arms
from recall.analysis.goal_plots import ALL_STEPS, OUTER_STEPS, PURPOSES, in_all
from recall.analysis.interval_plots import ROW, draw_interval, name_rows
from recall.analysis.panels import Panel, name_lines, new_figure
from recall.analysis.plots import Quantity
from recall.analysis.stats import Interval, mean_interval
from recall.analysis.style import ARMS, FAINT, STYLE, arm_style, environment_name

THRESHOLDS = (0.5, 0.9)
"""Coverage that is waited for, unless a page has other numbers."""

CLOCKS = (OUTER_STEPS, ALL_STEPS)
"""What is counted until then."""

BEYOND = 0.1
"""How far beyond the end of the training, as a share of it, stands how many seeds never came."""

BELOW = 0.11
"""How far below the mean seeds are drawn, as a share of a row."""

MILLION = 1e6


def arrivals(metrics: pd.DataFrame, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """Steps of every seed until its coverage stays at a threshold for three measurements.

    Args:
        metrics: tidy table of that name.
        thresholds: shares of the goals.

    Returns:
        A row a seed, threshold and clock: env, arm, seed, threshold, clock, value (inf for never) and budget, both in
        the unit of the clock's axis.
    """
    clocks = {OUTER_STEPS.column: metrics[OUTER_STEPS.column], ALL_STEPS.column: in_all(metrics)}
    parts = [
        _scaled(steps_to_threshold(metrics.assign(step=clocks[clock.column]), "coverage", each, hold=3), clock, each)
        for clock in CLOCKS
        for each in thresholds
    ]
    return pd.concat(parts, ignore_index=True)


def _scaled(table: pd.DataFrame, clock: Quantity, threshold: float) -> pd.DataFrame:
    """Arrivals in the unit of a clock's axis."""
    scaled = table[["value", "budget"]] / clock.scale
    return table.assign(threshold=threshold, clock=clock.column, value=scaled["value"], budget=scaled["budget"])


def mean_arrival(times: pd.DataFrame) -> Interval:
    """Mean over the seeds of an arm with its 95 % interval; one that never came counts as its budget, so too early."""
    return mean_interval(times["value"].clip(upper=times["budget"]))


@rc_context(STYLE)
def arrival_dots(times: pd.DataFrame, arms: Sequence[str] = CONTROL) -> list[Panel]:
    """A panel a threshold and clock, a row a task: every seed faint, those that never came beyond the end, the mean.

    Args:
        times: a table of `arrivals`.
        arms: those wanted; what the table lacks is left out.
    """
    wanted = times[times["arm"].isin(arms)]
    return [
        _arrival_panel(wanted[(wanted["clock"] == clock.column) & (wanted["threshold"] == threshold)], clock, threshold)
        for clock in CLOCKS
        for threshold in sorted(set(wanted["threshold"]))
    ]


def _arrival_panel(times: pd.DataFrame, clock: Quantity, threshold: float) -> Panel:
    environments, arms = sorted(set(times["env"])), [arm for arm in ARMS if arm in set(times["arm"])]
    figure = new_figure(1.15 + ROW * len(arms) * (0.4 + len(environments)) / 1.4)
    ax = figure.subplots()
    end = float(times["budget"].max())
    ax.axvline(end, color=FAINT, linewidth=1, zorder=1)
    words = []
    for env, arm, rows in _cells(times, environments, arms):
        place = len(environments) - 1 - environments.index(env) - dodge(arms, arm)
        _draw_arrivals(ax, place, rows, arm, end)
        words.append(f"{arm_style(arm).label} in {environment_name(env)} {arrival_in_words(rows)}")
    limits = (0.0, (1 + 2 * BEYOND) * end)
    name_rows(ax, [environment_name(env) for env in environments], limits)
    shown = [tick for tick in ax.get_xticks() if tick <= (1 - BEYOND) * end]
    ax.set_xticks([*shown, (1 + BEYOND) * end], [*(f"{tick:g}" for tick in shown), "never"])
    name_arms(ax, arms)
    name_lines(figure, ax)
    until = f"until the coverage is {percent(threshold)}"
    ax.set_title(until)
    ax.set_xlabel(clock.label, loc="right")
    alt = f"How long {until}, in {clock.label}, with 95 % intervals: {'; '.join(words)}."
    return Panel(figure, alt, times)


def _cells(
    times: pd.DataFrame, environments: Sequence[str], arms: Sequence[str]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Every task and arm that there is, in this order."""
    cells = dict(list(times.groupby(["env", "arm"])))
    yield from ((env, arm, cells[env, arm]) for env in environments for arm in arms if (env, arm) in cells)


def _draw_arrivals(ax: Axes, place: float, rows: pd.DataFrame, arm: str, end: float) -> None:
    """Seeds as dots, how many never came beyond the end, and the mean with its interval if any came."""
    style, came = arm_style(arm), rows.loc[np.isfinite(rows["value"]), "value"]
    ax.plot(came, [place - BELOW] * len(came), "o", color=style.color, alpha=0.4, markersize=3.5, zorder=2)
    if len(came):
        draw_interval(ax, place, known_part(mean_arrival(rows)), style, (0, end))
    if len(came) < len(rows):
        count = f"{len(rows) - len(came)} of {len(rows)}"
        ax.text((1 + BEYOND) * end, place, count, color=style.color, fontsize=7.5, ha="center", va="center")


def percent(share: float) -> str:
    """50 %."""
    return f"{100 * share:.0f} %"


def arrival_in_words(rows: pd.DataFrame) -> str:
    """`12 (9 to 15)`, with how many never came, who make the mean a least one; `never` where nobody came."""
    never = int(np.isinf(rows["value"]).sum())
    if never == len(rows):
        return f"never ({never} of {never})"
    found = mean_arrival(rows)
    words = f"{'above ' * (never > 0)}{found.estimate:.3g}"
    if np.isfinite(found.low):
        words += f" ({max(found.low, 0):.3g} to {found.high:.3g})"
    return f"{words}, {never} of {len(rows)} never" if never else words


def arrivals_for_people(times: pd.DataFrame, clock: Quantity) -> pd.DataFrame:
    """One clock of a table of `arrivals` as text, as `cards.grouped` takes it: a column a threshold."""
    rows = times[times["clock"] == clock.column]
    environments, arms = sorted(set(rows["env"])), [arm for arm in ARMS if arm in set(rows["arm"])]
    cells = {
        f"coverage of {percent(threshold)}": {
            (environment_name(env), arm_style(arm).label): arrival_in_words(of_arm)
            for env, arm, of_arm in _cells(rows[rows["threshold"] == threshold], environments, arms)
        }
        for threshold in sorted(set(rows["threshold"]))
    }
    return _indexed(pd.DataFrame(cells, dtype=str))


def steps_by_purpose(metrics: pd.DataFrame) -> pd.DataFrame:
    """Millions of environment steps of a seed by what they were made for, mean, as `cards.grouped` takes it.

    Args:
        metrics: tidy table of that name.
    """
    last = metrics.sort_values("step").groupby(["env", "arm", "seed"])[list(PURPOSES)].last()
    means = last.groupby(["env", "arm"]).mean() / MILLION
    rows = [(env, arm) for env in means.index.unique("env") for arm in ARMS if (env, arm) in means.index]
    table = means.loc[rows].rename(columns=lambda name: name.removesuffix("_steps"))
    table = table.assign(all=table.sum(axis=1)).map(lambda value: f"{value:.2f}")
    return _indexed(table.set_axis([(environment_name(env), arm_style(arm).label) for env, arm in rows]))


def _indexed(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis(pd.MultiIndex.from_tuples(table.index, names=["task", "arm"]))
