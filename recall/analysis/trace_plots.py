"""A score against one setting of recall traces, the learned and the true model side by side; a panel a grid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.number_plots import draw_arm, draw_band, interval_in_words, over_training_mean
from recall.analysis.panels import Panel, listed, name_lines, new_figure, sentence
from recall.analysis.plots import HEIGHT, Quantity
from recall.analysis.records import Record
from recall.analysis.stats import Interval, mean_interval
from recall.analysis.style import FAINT, STYLE, arm_style, environment_name
from recall.analysis.wording import signed

APART = 0.22
"""How far the models stand to the sides of a value."""

WIDTH = 0.1
"""Over which the seeds of an arm are spread."""

KEYS = ["env", "model", "seed"]


@dataclass(frozen=True)
class Setting:
    """A setting of recall traces that is varied while all others stay."""

    name: str
    """In the names of the arms: `learned-length-10`."""
    field: str
    """In the settings of a record."""
    label: str
    """Its name for people, with the unit."""
    scale: float = 1
    """What its values are multiplied by."""


LENGTH = Setting("length", "length", "length of traces, steps")
COUNT = Setting("traces", "n_traces", "traces an update, N")
QUANTILE = Setting("best", "top_fraction", "trajectories learned from, best k %", scale=100)

SUCCESS = Quantity("value", "mean success over training")
GAIN = Quantity("value", "success gained over the default,\npercentage points", guide=0)
RETURN_GAIN = Quantity("value", "discounted return gained over\nthe default, hundredths", guide=0)
BENT, BEND = (GAIN, RETURN_GAIN), 1.0
"""Axes that are even up to so much and logarithmic beyond, so that a ruined seed does not hide the rest."""
ADVANTAGE = Quantity("value", "return of a trace's actions less\nthat of the policy", guide=0, seeds=False)
ENTROPY = Quantity("value", "entropy of the policy, nats,\nmean over training", seeds=False)
DISTANCE = Quantity("value", "total variation distance\nto the true posterior")


SETTINGS = (LENGTH, COUNT, QUANTILE)
"""Those that are varied."""


def along(records: Iterable[Record], scores: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """Scores of the arms that one setting tells apart, and of those it is varied around.

    Args:
        records: that say what each arm's value is.
        scores: a row a seed: env, arm, seed, value.
        setting: the one.

    Returns:
        Their rows with `model` (the arm that is varied), `number` (its value) and `is_default`; without models that
        have one value alone.
    """
    places = [place for record in records if (place := _place(record, setting))]
    values = pd.DataFrame(places, columns=["env", "arm", "model", "number", "is_default"])
    several = values.groupby(["env", "model"])["number"].transform("nunique") > 1
    return scores.merge(values[several], on=["env", "arm"])


def _place(record: Record, setting: Setting) -> tuple[str, str, str, float, bool] | None:
    """Where an arm stands, if it stands on this axis: it has the model's name, with the setting's behind or alone."""
    arm, recall = record.labels["arm"], record.settings["recall"]
    if recall is None or not f"{arm}-{setting.name}-".startswith(f"{recall['model']}-{setting.name}-"):
        return None
    number = round(recall[setting.field] * setting.scale, 9)
    return record.labels["env_label"], arm, recall["model"], number, arm == recall["model"]


def over_default(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with 100 times what each value lies above that of the same seed with the default."""
    default = rows.loc[rows["is_default"], [*KEYS, "value"]]
    both = rows.merge(default, on=KEYS, suffixes=("", "_default"))
    return both.assign(value=100 * (both["value"] - both["value_default"])).drop(columns="value_default")


def advantage(recall: pd.DataFrame) -> pd.DataFrame:
    """Return of the traces' actions less that of the policy in the same states, mean over training: a row a seed."""
    if recall.empty:
        return over_training_mean(recall, "advantage")
    return over_training_mean(recall.assign(advantage=recall["trace_return"] - recall["policy_return"]), "advantage")


@rc_context(STYLE)
def beside(rows: pd.DataFrame, setting: Setting, y: Quantity, baseline: pd.DataFrame | None = None) -> list[Panel]:
    """Every seed as a dot, the mean of an arm with its 95 % interval, the models side by side at each value.

    Args:
        rows: of `along`; values that are NaN are left out.
        setting: what it went along.
        y: what `value` is.
        baseline: scores of the agent without recall, drawn as a band: a row a seed with env, arm and value.
    """
    rows = rows.dropna(subset=["value"])
    if rows.empty:
        return []
    held = [*rows["value"], *([] if y.guide is None else [y.guide])]
    room = 0.05 * (max(held) - min(held)) or 1.0
    limits = min(held) - room, max(held) + room
    alone = {} if baseline is None else {env: mean_interval(of["value"]) for env, of in baseline.groupby("env")}
    return [_panel(str(env), of_env, setting, y, limits, alone.get(env)) for env, of_env in rows.groupby("env")]


def _panel(
    env: str, rows: pd.DataFrame, setting: Setting, y: Quantity, limits: tuple[float, float], band: Interval | None
) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    if y.guide is not None:
        ax.axhline(y.guide, color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    if band is not None:
        draw_band(ax, band)
    numbers = sorted(set(rows["number"]))
    ax.axvline(numbers.index(rows.loc[rows["is_default"], "number"].iloc[0]), color=FAINT, linestyle=":", zorder=0)
    models = list(dict.fromkeys(rows["model"]))
    sides = np.linspace(-APART / 2, APART / 2, len(models)) if len(models) > 1 else [0.0]
    means = {
        model: _draw_model(ax, rows[rows["model"] == model], numbers, side, y.seeds)
        for model, side in zip(models, sides, strict=True)
    }
    ax.set(title=environment_name(env), xlabel=setting.label, ylabel=y.label, xlim=(-0.5, len(numbers) - 0.5))
    _scale(ax, y, limits)
    ax.set_xticks(range(len(numbers)), [f"{number:g}" for number in numbers])
    ax.grid(axis="x", visible=False)
    name_lines(figure, ax)
    words = "; ".join(f"{arm_style(model).label} {_means_in_words(found)}" for model, found in means.items())
    without = f" Without recall traces: {interval_in_words(band)}." if band is not None else ""
    what = f"{sentence(y.label)} by {setting.label}, {environment_name(env)}"
    alt = f"{what}, mean of the seeds with 95 % interval: {words}.{without}"
    return Panel(figure, alt, rows[["env", "arm", "seed", "model", "number", "value"]])


def _scale(ax: Axes, y: Quantity, limits: tuple[float, float]) -> None:
    """Set the range of the vertical axis, which bends where it shows what is gained."""
    if y not in BENT:
        ax.set(ylim=limits)
        return
    ax.set_yscale("symlog", linthresh=BEND)
    low, high = min(1.5 * limits[0], -2 * BEND), max(1.5 * limits[1], 2 * BEND)
    marks = [mark for mark in (-100, -10, -1, 0, 1, 10, 100) if low <= mark <= high]
    ax.set(ylim=(low, high))
    ax.set_yticks(marks, [signed(mark) for mark in marks])
    ax.minorticks_off()


def _draw_model(
    ax: Axes, rows: pd.DataFrame, numbers: Sequence[float], side: float, seeds: bool
) -> Mapping[float, Interval]:
    """Draw the arms of a model and a thin line through their means; returns these."""
    found, model = {}, str(rows["model"].iloc[0])
    for number, of_arm in rows.groupby("number"):
        found[float(number)] = mean_interval(of_arm["value"])
        place = numbers.index(float(number)) + side
        dots = of_arm.sort_values("seed")["value"].tolist() if seeds else []
        draw_arm(ax, place, dots, found[float(number)], model, WIDTH)
    style = arm_style(model)
    places = [numbers.index(number) + side for number in found]
    line = style.of_line | {"marker": style.marker, "linewidth": 0.9, "zorder": 2}
    ax.plot(places, [interval.estimate for interval in found.values()], **line)
    return found


def _means_in_words(found: Mapping[float, Interval]) -> str:
    return listed([f"{interval_in_words(interval)} at {number:g}" for number, interval in found.items()])


def extremes_in_words(gained: pd.DataFrame, model: str) -> str:
    """The worst and the best value other than the default, by environment, with what they gain.

    Args:
        gained: of `over_default`.
        model: the one that is spoken of.
    """
    rows = gained[(gained["model"] == model) & ~gained["is_default"]]
    each = []
    for env, of_env in rows.groupby("env"):
        found = {number: mean_interval(values) for number, values in of_env.groupby("number")["value"]}
        ranked = sorted(found, key=lambda number: found[number].estimate)
        ends = [f"{points_in_words(found[n])} at {n:g}" for n in dict.fromkeys((ranked[0], ranked[-1]))]
        each.append(f"{environment_name(str(env))} {'from ' * (len(ends) > 1)}{' to '.join(ends)}")
    return "; ".join(each) or "–"


def contrast_in_words(rows: pd.DataFrame, model: str, one: float, other: float) -> str:
    """By how many hundredths one value of a setting scores above another, by environment; a dash without both.

    Args:
        rows: of `along`, compared seed by seed.
        model: the one that is spoken of.
        one: the value.
        other: the value that it is held against.
    """
    of_model = rows[rows["model"] == model]
    each = []
    for env, of_env in of_model.groupby("env"):
        values = of_env.pivot(index="seed", columns="number", values="value")
        if {one, other} <= set(values):
            gained = mean_interval(100 * (values[one] - values[other]).dropna())
            each.append(f"{environment_name(str(env))} {points_in_words(gained)}")
    return "; ".join(each) or "–"


def points_in_words(points: Interval) -> str:
    """Hundredths with one digit behind the point: `−1.9 (−2.4 to −1.4)`."""
    if not np.isfinite([points.low, points.high]).all():
        return f"{signed(points.estimate, 1)} (no interval)"
    return f"{signed(points.estimate, 1)} ({signed(points.low, 1)} to {signed(points.high, 1)})"


def sweeps_for_people(records: Iterable[Record], scores: pd.DataFrame) -> pd.DataFrame:
    """Every arm's mean success and what it gains over the default, as `cards.grouped` takes it."""
    records, cells = list(records), {}
    for rows in (along(records, scores, setting) for setting in SETTINGS):
        gained = over_default(rows).groupby(["env", "arm"])["value"]
        for (env, arm), of_arm in rows.sort_values(["model", "number"]).groupby(["env", "arm"], sort=False):
            mean, points = of_arm["value"].mean(), mean_interval(gained.get_group((env, arm)))
            words = "default" if of_arm["is_default"].all() else points_in_words(points)
            cells[environment_name(str(env)), arm_style(str(arm)).label] = f"{mean:.3f}", words
    index = pd.MultiIndex.from_tuples(list(cells), names=["environment", "arm"]) if cells else None
    frame = pd.DataFrame(list(cells.values()), index, ["mean success", "points over the default"])
    return frame.sort_index(level=0, sort_remaining=False, kind="stable")
