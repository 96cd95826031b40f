"""Figures of continuous control: returns over training, the environments together, what traces are like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.panels import Panel, in_words, name_lines, new_figure, sentence
from recall.analysis.plots import BAND_SEED, HEIGHT, TICKS, Quantity, curves, scale_axis
from recall.analysis.stats import iqm, stratified_iqm_band
from recall.analysis.style import FAINT, STYLE, arm_style, environment_name

CONTROL = ("baseline", "recall", "as-written")
"""Arms of Fig. 6, and the one that follows Algorithm 2 to the letter."""

RECALLING = CONTROL[1:]
"""Those with recall traces."""

LAST = 10
"""Evaluations that count as the end of training."""

THOUSANDS = Quantity("step", "environment steps, thousands", 1000)
EPISODE_RETURN = Quantity("return", "return")
ENTROPY = Quantity("entropy", "entropy of the policy, nats")
TEMPERATURE = Quantity("temperature", "temperature", is_log=True)
RATIO = Quantity("gradient_ratio", "imitation gradient as a share\nof the policy's own", is_log=True, guide=0.01)
COSINE = Quantity("gradient_cosine", "cosine of imitation and\npolicy gradient", guide=0)
KL = Quantity("imitation_kl", "KL of one imitation, nats", is_log=True)
ADVANTAGE = Quantity("trace_advantage", "Q of recalled actions less\nQ of the policy's own", guide=0)
LIKELIHOOD = Quantity("nll", "negative log-likelihood of\nEq. 5, nats a transition")
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
    frame: pd.DataFrame, y: Quantity, arms: Sequence[str] = CONTROL, limits: tuple[float, float] | None = None
) -> list[Panel]:
    """A quantity over environment steps; each environment has a range of its own, for their units differ.

    Args:
        frame: a tidy table; without the column, or without any value in it, there is nothing to draw.
        y: what is drawn.
        arms: those wanted; what the table lacks is left out.
        limits: of every vertical axis, where environments share one.
    """
    if y.column not in frame:
        return []
    known = frame[frame["arm"].isin(arms)].dropna(subset=y.column)
    if y.is_log:
        known = known[known[y.column] > 0]
    by_environment = (rows for _, rows in known.groupby("env"))
    return [
        p for rows in by_environment for p in curves(rows, y, arms, limits or axis_limits(rows[y.column], y), THOUSANDS)
    ]


def axis_limits(values: pd.Series, y: Quantity) -> tuple[float, float]:
    """A range that holds all values and the guide: from 0, or on a logarithmic axis from tick to tick."""
    guide = [] if y.guide is None else [y.guide]
    low, high = min([*values, *guide]), max([*values, *guide])
    if y.is_log:
        above = [tick for tick in TICKS if tick > high] or [2 * high]
        below = [tick for tick in TICKS if tick < low] or [low / 2]
        return below[-1], above[0]
    low, high = min(low, 0.0), max(high, 0.0)
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
def aggregate(metrics: pd.DataFrame, arms: Sequence[str] = CONTROL, baseline: str = "baseline") -> list[Panel]:
    """All environments together: returns in units of the baseline's at the end, the IQM over seeds and environments.

    Args:
        metrics: tidy table of that name.
        arms: those wanted; what the table lacks is left out.
        baseline: the arm whose mean return over its last evaluations is 1 in each environment. One in which that is
            not positive, or that lacks an arm, is left out; of fewer than two there is no figure.
    """
    scores = {env: _in_units_of(rows, baseline) for env, rows in metrics.groupby("env")}
    shown = [arm for arm in arms if arm in set(metrics["arm"])]
    scores = {env: of_env for env, of_env in scores.items() if set(shown) <= of_env.keys()}
    if len(scores) < 2 or baseline not in shown:
        return []
    steps = sorted(set.intersection(*(set(wide.index) for of_env in scores.values() for wide in of_env.values())))
    if not steps:
        return []
    groups = {arm: [of_env[arm].loc[steps].to_numpy().T for of_env in scores.values()] for arm in shown}
    return [_aggregate_panel(np.array(steps) / THOUSANDS.scale, groups, sorted(map(str, scores)))]


def _in_units_of(rows: pd.DataFrame, baseline: str) -> dict[str, pd.DataFrame]:
    """Returns of each arm, (steps, seeds), in units of the baseline's final one; nothing where that is not positive."""
    wide = {arm: of_arm.pivot(index="step", columns="seed", values="return") for arm, of_arm in rows.groupby("arm")}
    unit = wide[baseline].iloc[-LAST:].mean(axis=None) if baseline in wide else 0.0
    return {str(arm): table / unit for arm, table in wide.items()} if unit > 0 else {}


def _aggregate_panel(steps: np.ndarray, groups: dict[str, list[np.ndarray]], environments: Sequence[str]) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    ax.axhline(1, color=FAINT, linewidth=1, zorder=1)
    tables = []
    for order, (arm, seeds) in enumerate(groups.items()):
        style, every = arm_style(arm), max(1, len(steps) // 4)
        middle, band = iqm(np.concatenate(seeds)), stratified_iqm_band(seeds, np.random.default_rng(BAND_SEED))
        ax.fill_between(steps, *band, color=style.color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(steps, middle, **style.of_line, marker=style.marker, markevery=(order % every, every), linewidth=1.7)
        columns = {"step": steps * THOUSANDS.scale, "iqm": middle, "low": band[0], "high": band[1]}
        tables.append(pd.DataFrame({"arm": arm, **columns}))
    data = pd.concat(tables)
    ax.set(title=f"{len(environments)} environments together", xlabel=THOUSANDS.label)
    ax.set_ylabel("return, in units of the\nbaseline's at its end")
    ax.set_xlim(0, 1.02 * steps[-1])
    ax.set_ylim(*axis_limits(data[["iqm", "low", "high"]].stack(), EPISODE_RETURN))
    name_lines(figure, ax)
    ends = in_words({arm_style(arm).label: float(rows["iqm"].iloc[-1]) for arm, rows in data.groupby("arm")})
    alt = (
        f"Return in units of the baseline's final one, interquartile mean over the seeds of {', '.join(environments)}: "
        f"at the end {ends}."
    )
    return Panel(figure, alt, data)


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
