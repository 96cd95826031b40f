"""Figures of continuous control: returns over training, what traces are like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.endpoints import LAST
from recall.analysis.panels import Panel, name_lines, new_figure, sentence
from recall.analysis.plots import HEIGHT, Quantity, curves, scale_axis
from recall.analysis.style import FAINT, STYLE, arm_style, environment_name
from recall.analysis.ticks import around

CONTROL = ("baseline", "recall", "as-written")
"""Arms of Fig. 6, and the one that follows Algorithm 2 to the letter."""

RECALLING = CONTROL[1:]
"""Those with recall traces."""

LARGEST = float(np.finfo(np.float32).max)
"""What has overflowed is drawn as this."""

THOUSANDS = Quantity("step", "environment steps, thousands", 1000)
EPISODE_RETURN = Quantity("return", "return")
ENTROPY = Quantity("entropy", "entropy of the policy, nats")
TEMPERATURE = Quantity("temperature", "temperature", is_log=True)
PULL = "imitation gradient as a share\nof the policy's own"
RATIO = Quantity("gradient_ratio", PULL, is_log=True, guide=0.01, seeds=False)
COSINE = Quantity("gradient_cosine", "cosine of imitation and\npolicy gradient", guide=0, seeds=False)
KL = Quantity("imitation_kl", "KL of one imitation, nats", is_log=True, seeds=False)
ADVANTAGE = Quantity("trace_advantage", "Q of recalled actions less\nQ of the policy's mean ones", guide=0, seeds=False)
LIKELIHOOD = Quantity("nll", "negative log-likelihood of\nEq. 5, nats a transition", seeds=False)
STATE_LIKELIHOOD = Quantity("nll", "negative log-likelihood of the\nstate before, nats, held out")
PREDICTING = ("predict-change", "predict-state")
"""Arms of the page delta-state."""


@dataclass(frozen=True)
class Drift:
    """A measure taken at a trace's first and last step back, and on real transitions."""

    stem: str
    """Of its columns: `stem_1`, `stem_last`, `stem_real`."""
    label: str
    """Its name for people, with the unit."""

    @property
    def columns(self) -> list[str]:
        """Its columns in a table."""
        return [f"{self.stem}_{place}" for place in ("1", "last", "real")]


REACH = Drift("reach", "error of one step in the\nsimulator, standard deviations")
DISTANCE_TO_DATA = Drift("data_distance", "distance to the nearest known\nstate, standard deviations")


def over_training(
    frame: pd.DataFrame,
    y: Quantity,
    arms: Sequence[str] = CONTROL,
    limits: tuple[float, float] | None = None,
    x: Quantity = THOUSANDS,
) -> list[Panel]:
    """A quantity over training; each environment has a range of its own, for their units differ.

    Args:
        frame: a tidy table; without the column, or without any value in it, there is nothing to draw.
        y: what is drawn.
        arms: those wanted; what the table lacks is left out.
        limits: of every vertical axis, where environments share one.
        x: what it is drawn over.
    """
    if y.column not in frame:
        return []
    known = frame[frame["arm"].isin(arms)].dropna(subset=y.column)
    known = known.assign(**{y.column: known[y.column].clip(upper=LARGEST)})
    if y.is_log:
        known = known[known[y.column] > 0]
    by_environment = (rows for _, rows in known.groupby("env"))
    return [p for rows in by_environment for p in curves(rows, y, arms, limits or axis_limits(rows[y.column], y), x)]


def axis_limits(values: pd.Series, y: Quantity) -> tuple[float, float]:
    """A range that holds all values and the guide: from 0, or logarithmic between round numbers."""
    guide = [] if y.guide is None else [y.guide]
    held = [*values, *guide]
    if y.is_log:
        return around(min(held), max(held))
    low, high = min(*held, 0.0), max(*held, 0.0)
    room = 0.04 * (high - low) or 1.0
    return low - room * (low < 0), high + room


def likelihoods(recall: pd.DataFrame, arms: Sequence[str] = RECALLING) -> list[Panel]:
    """How likely the model holds what it learned from and what was held out; a panel an arm, for their units differ.

    Args:
        recall: tidy table of that name.
        arms: those wanted; what the table lacks is left out.
    """
    columns = {"training": ("action_nll", "state_nll"), "held-out": ("held_out_action_nll", "held_out_state_nll")}
    known = recall.reindex(columns=[*recall.columns.union([name for pair in columns.values() for name in pair])])
    halves = [
        known.assign(arm=known["arm"] + f"/{part}", nll=known[actions] + known[states])
        for part, (actions, states) in columns.items()
    ]
    both = pd.concat(halves).dropna(subset="nll")
    return [panel for arm in arms for panel in over_training(both, LIKELIHOOD, [f"{arm}/{part}" for part in columns])]


def state_likelihoods(recall: pd.DataFrame) -> pd.DataFrame:
    """Negative log-likelihood of held-out states before, in the environment's units, as the column `nll`."""
    return recall.assign(nll=recall["held_out_state_nll"] + recall["state_unit"])


@rc_context(STYLE)
def along_traces(recall: pd.DataFrame, drift: Drift, arms: Sequence[str] = RECALLING) -> list[Panel]:
    """From the first step back to the last: each seed's mean over its last evaluations, beside real transitions.

    Args:
        recall: tidy table of that name.
        drift: what is measured; environments where it could not be are left out.
        arms: those wanted; what the table lacks is left out.
    """
    if not {*drift.columns, "trace_length"} <= set(recall):
        return []
    wanted = recall[recall["arm"].isin(arms)].sort_values("step")
    ends = wanted.groupby(["env", "arm", "seed"])[[*drift.columns, "trace_length"]].agg(
        lambda column: column.tail(LAST).mean()
    )
    known = ends.dropna(subset=drift.columns).reset_index()
    return [
        _drift_panel(str(env), rows, drift, [a for a in arms if a in set(rows["arm"])])
        for env, rows in known.groupby("env")
    ]


def _drift_panel(env: str, rows: pd.DataFrame, drift: Drift, arms: Sequence[str]) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    first, last, real = drift.columns
    words = {}
    for arm in arms:
        of_arm, style = rows[rows["arm"] == arm], arm_style(arm)
        middle = of_arm[[first, last]].median().to_numpy()
        length = f"{of_arm['trace_length'].mean():.0f} steps"
        ax.plot([0, 1], of_arm[[first, last]].to_numpy().T, color=style.color, linewidth=0.5, alpha=0.4)
        line = style.of_line | {"label": f"{style.label}, {length}"}
        ax.plot([0, 1], middle, **line, marker=style.marker, linewidth=1.7)
        words[style.label] = f"{middle[0]:.2g} at the first step back, {middle[1]:.2g} at the last ({length})"
    floor = float(rows[real].median())
    top = float(rows[[first, last]].max(axis=None))
    _scale_drift(ax, top, float(rows[[first, last]].min(axis=None)), floor)
    ax.set(title=environment_name(env), ylabel=drift.label, xlim=(-0.25, 1.25))
    ax.set_xticks([0, 1], ["first step back", "last step back"])
    name_lines(figure, ax)
    each = "; ".join(f"{label}: {what}" for label, what in words.items())
    alt = (
        f"{sentence(drift.label)}, {environment_name(env)}, median of the seeds. {each}. Real transitions: {floor:.2g}."
    )
    return Panel(figure, alt, rows[["env", "arm", "seed", *drift.columns, "trace_length"]])


def _scale_drift(ax: Axes, top: float, bottom: float, floor: float) -> None:
    """A logarithmic axis with the level of real transitions, or, where that is far below, a word about it."""
    values = pd.Series([value for value in (top, bottom) if value > 0])
    far = floor < bottom / 30
    held = values if far or floor <= 0 else pd.concat([values, pd.Series([floor])])
    if held.empty:
        return
    quantity = Quantity("", "", is_log=True)
    low, high = axis_limits(pd.concat([held / 1.3, held * 1.3]), quantity)
    scale_axis(ax, "y", quantity, (low, high))
    if far:
        ax.annotate(
            f"▾ real transitions: {floor:.0e}", (0.5, low), (0, 4), textcoords="offset points", ha="center", fontsize=8
        )
    else:
        ax.axhline(floor, color=FAINT, linewidth=1.4, linestyle=(0, (4, 2)), zorder=1, label="real transitions")
