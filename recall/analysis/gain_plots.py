"""Dots beside a line that means something: gains over the baseline, how likely one is, credibility, recall's time."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recall.analysis.control_plots import RECALLING
from recall.analysis.costs import LEARNING
from recall.analysis.gains import GAIN, MEAN, chances
from recall.analysis.interval_plots import ROW, draw_interval, name_rows
from recall.analysis.panels import Panel, listed, name_lines, new_figure
from recall.analysis.reference import MARGIN
from recall.analysis.stats import Interval
from recall.analysis.style import FAINT, INK, STYLE, arm_style, environment_name
from recall.analysis.wording import percentage, share_in_words

ZONE = 0.1
"""Differences up to this share are no effect, as on the scorecard."""

FARTHEST = 1.0
"""End of the axis of differences; intervals beyond it get arrows."""

MOST = 0.15
"""Share of the training's time that recall may take at its usual schedule."""


@rc_context(STYLE)
def gain_dots(gains: pd.DataFrame) -> list[Panel]:
    """Relative differences to the baseline with their 95 % intervals; a panel an endpoint, a row an environment.

    Args:
        gains: a table of `gains.gains`; where it is empty there is no figure.
    """
    return [_gain_panel(str(endpoint), rows) for endpoint, rows in gains.groupby("endpoint", sort=False)]


def _gain_panel(endpoint: str, rows: pd.DataFrame) -> Panel:
    figure, ax = _dots(rows, _limits(rows), even=0)
    seeds = int(rows["seeds"].min())
    ax.axvspan(-ZONE, ZONE, color="#ececec", linewidth=0, zorder=0)
    _percent(ax)
    ax.set_title(endpoint)
    ax.set_xlabel(f"difference to the baseline, {seeds} seed{'s' * (seeds > 1)} an arm", loc="right")
    words = _in_words(rows, share_in_words)
    return Panel(figure, f"Difference to the baseline in {endpoint}, with 95 % intervals: {words}.", rows[GAIN])


@rc_context(STYLE)
def chance_dots(scores: pd.DataFrame, title: str, arms: Sequence[str] = RECALLING) -> list[Panel]:
    """Probability that a seed of an arm scores higher than one of the baseline, a row an environment.

    Args:
        scores: a row a seed: env, arm, seed, value, more being better.
        title: what is scored.
        arms: those wanted; what the table lacks is left out.
    """
    found = chances(scores, arms)
    if found.empty:
        return []
    figure, ax = _dots(found, (0.0, 1.0), even=0.5)
    ax.set_title("probability of improvement")
    ax.set_xlabel(f"probability of a higher {title}\nthan a seed of the baseline", loc="right")
    words = _in_words(found, lambda chance: f"{chance.estimate:.2f} ({chance.low:.2f} to {chance.high:.2f})")
    alt = f"Probability of a higher {title} than a seed of the baseline, with 95 % intervals: {words}."
    return [Panel(figure, alt, found)]


def _dots(rows: pd.DataFrame, limits: tuple[float, float], even: float) -> tuple[Figure, Axes]:
    """A row an environment, their mean last, with a dot and an interval an arm, beside a line where arms are even."""
    environments = [*sorted(set(rows["env"]) - {MEAN}), *({MEAN} & set(rows["env"]))]
    arms = list(dict.fromkeys(rows["arm"]))
    figure = new_figure(1.15 + ROW * len(arms) * (0.4 + len(environments)) / 1.4)
    ax = figure.subplots()
    ax.axvline(even, color=FAINT, linewidth=1, zorder=1)
    for row in rows.itertuples():
        place = len(environments) - 1 - environments.index(row.env) - dodge(arms, row.arm)
        interval = known_part(Interval(row.estimate, row.low, row.high))
        draw_interval(ax, place, interval, arm_style(row.arm), limits)
    name_rows(ax, [environment_name(env) for env in environments], limits)
    name_arms(ax, arms)
    name_lines(figure, ax)
    return figure, ax


def _in_words(rows: pd.DataFrame, write: Callable[[Interval], str]) -> str:
    """Every arm in every environment with its interval."""
    return "; ".join(
        f"{arm_style(r.arm).label} in {environment_name(r.env)} {write(Interval(r.estimate, r.low, r.high))}"
        for r in rows.itertuples()
    )


def known_part(interval: Interval) -> Interval:
    """An interval that is the whole line, of which nothing is known, as a bare dot."""
    known = np.isfinite([interval.low, interval.high]).any()
    return interval if known else Interval(*[interval.estimate] * 3)


def dodge(arms: Sequence[str], arm: str) -> float:
    """How far below the middle of its row an arm lies."""
    return (arms.index(arm) - (len(arms) - 1) / 2) * 0.8 / len(arms)


def name_arms(ax: Axes, arms: Sequence[str]) -> None:
    """Enter arms in the legend, as dots have them."""
    for arm in arms:
        style = arm_style(arm)
        ax.plot([], [], color=style.color, marker=style.marker, label=style.label)


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """What the table spans, the zone of no effect within it, and no more than `FARTHEST`."""
    ends = rows[["estimate", "low", "high"]].to_numpy()
    ends = ends[np.isfinite(ends)]
    low, high = min(-0.25, *ends), max(0.25, *ends)
    return max(1.05 * low, -FARTHEST), min(1.05 * high, FARTHEST)


def _percent(ax: Axes) -> None:
    ax.locator_params(axis="x", nbins=5)
    ax.xaxis.set_major_formatter(lambda value, _: f"{percentage(value)} %" if value else "0")


@rc_context(STYLE)
def credibility_dots(compared: pd.DataFrame, theirs: str = "stable-baselines3") -> list[Panel]:
    """(ours - theirs) / theirs with its 95 % interval, beside the margin that it must stay above.

    Args:
        compared: a table of `reference.compare_with_reference`; where it is empty there is no figure.
        theirs: whose runs ours are held against.
    """
    if compared.empty:
        return []
    figure = new_figure(1.1 + 1.4 * ROW * len(compared))
    ax = figure.subplots()
    limits = _limits(compared)
    ax.axvline(0, color=FAINT, linewidth=1, zorder=1)
    ax.axvline(MARGIN, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    names, words = [], []
    for place, row in zip(range(len(compared))[::-1], compared.itertuples(), strict=True):
        interval = Interval(row.estimate, row.low, row.high)
        draw_interval(ax, place, known_part(interval), arm_style("baseline"), limits)
        names.append(f"{environment_name(row.env)}\n{row.ours_seeds} and {row.theirs_seeds} seeds")
        words.append(f"{environment_name(row.env)} {share_in_words(interval)}, {row.finding}")
    name_rows(ax, names, limits)
    _percent(ax)
    ax.set_title("final return, ours beside theirs")
    ax.set_xlabel(f"difference to {theirs};\ndashed: the least that counts as credible", loc="right")
    alt = (
        f"Difference of our final return to that of {theirs}, with 95 % intervals, beside a line at "
        f"{percentage(MARGIN)} %: {'; '.join(words)}."
    )
    return [Panel(figure, alt, compared)]


@rc_context(STYLE)
def recall_shares(timing: pd.DataFrame, arms: Sequence[str] = RECALLING, most: float | None = MOST) -> list[Panel]:
    """What share of the training's own time recall took: a dot a seed.

    Args:
        timing: tidy table of that name, with a seed in each row; evaluation and diagnosis are not counted.
        arms: those wanted; what the table lacks is left out.
        most: share that recall may take, as a line; None draws none.
    """
    shares = time_shares(timing)
    shares = shares[shares["arm"].isin(arms)]
    if shares.empty:
        return []
    shown = [arm for arm in arms if arm in set(shares["arm"])]
    environments = sorted(set(shares["env"]))
    figure = new_figure(1.15 + ROW * len(shown) * (0.4 + len(environments)) / 1.4)
    ax = figure.subplots()
    if most is not None:
        ax.axvline(most, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    for row in shares.itertuples():
        y, style = len(environments) - 1 - environments.index(row.env) - dodge(shown, row.arm), arm_style(row.arm)
        ax.plot(row.share, y, style.marker, color=style.color, alpha=0.7, markersize=6)
    name_rows(ax, [environment_name(env) for env in environments], (0, max(0.2, 1.1 * shares["share"].max())))
    ax.locator_params(axis="x", nbins=5)
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    name_arms(ax, shown)
    name_lines(figure, ax)
    ax.set_title("time spent on recall")
    ax.set_xlabel("share of the training's time,\na dot a seed", loc="right")
    means = shares.groupby(["arm", "env"])["share"].mean()
    words = [f"{arm_style(a).label} in {environment_name(e)} {100 * s:.1f} %" for (a, e), s in means.items()]
    line = "" if most is None else f", beside a line at {100 * most:.0f} %"
    alt = f"Share of the training's time that recall took{line}: {'; '.join(words)}."
    return [Panel(figure, alt, shares)]


def shares_in_words(timing: pd.DataFrame, arm: str = "recall") -> str:
    """Recall's share of the time of an arm, mean of the seeds, environment by environment; a dash without that arm."""
    shares = time_shares(timing)
    means = shares[shares["arm"] == arm].groupby("env")["share"].mean()
    return listed([f"{100 * share:.0f} % in {environment_name(str(env))}" for env, share in means.items()]) or "–"


def time_shares(timing: pd.DataFrame) -> pd.DataFrame:
    """Recall's share of the seconds of environment, recall and learner: env, arm, record (in their order), share."""
    if timing.empty:
        return pd.DataFrame(columns=["env", "arm", "record", "share"])
    counted = timing[timing["phase"].isin(LEARNING)]
    place = counted.groupby(["env", "arm", "phase"]).cumcount()
    wide = counted.assign(record=place).pivot(index=["env", "arm", "record"], columns="phase", values="seconds")
    return (wide["recall"] / wide.sum(axis=1)).rename("share").reset_index()
