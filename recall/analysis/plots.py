"""Curves over training: the IQM of the seeds, its 95 % band, every seed faint behind; a panel an environment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes

from recall.analysis.panels import Panel, in_words, listed, new_figure
from recall.analysis.stats import iqm, iqm_band, survival
from recall.analysis.style import STYLE, arm_style, environment_name

MAIN = ("baseline", "learned", "true", "untrained")
"""Arms of Fig. 2 and Fig. 10."""

HEIGHT = 2.7
"""Inches."""

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


STEPS = Quantity("step", "environment steps, thousands", 1000)
SUCCESS = Quantity("success", "success rate")


class Curve:
    """One arm in one environment; where a seed has no value, the others speak for the arm if they are half of it."""

    def __init__(self, frame: pd.DataFrame, y: Quantity, x: Quantity) -> None:
        wide = frame.pivot(index=x.column, columns="seed", values=y.column) / y.scale
        self.seeds = wide.set_axis(wide.index / x.scale)
        spoken_for = self.seeds[2 * self.seeds.notna().sum(1) >= max(2, wide.shape[1])]
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
    tables = _split(frame.dropna(subset=[y.column]), arms)
    drawn = {env: {arm: Curve(rows, y, x) for arm, rows in of_env.items()} for env, of_env in tables.items()}
    tops = [top for of_env in drawn.values() for curve in of_env.values() for top in (*curve.iqm, *curve.high)]
    limits = limits or (0, 1.05 * float(np.nanmax(tops, initial=0)))
    columns = ["env", "arm", "seed", x.column, y.column]
    return [
        _curve_panel(env, of_env, y, x, limits, pd.concat(tables[env].values())[columns])
        for env, of_env in drawn.items()
    ]


def _split(frame: pd.DataFrame, arms: Sequence[str]) -> dict[str, dict[str, pd.DataFrame]]:
    """Rows by environment and arm, the arms in the order asked for; environments without any are left out."""
    environments = {env: dict(list(rows.groupby("arm"))) for env, rows in frame.groupby("env", sort=False)}
    tables = {env: {arm: rows[arm] for arm in arms if arm in rows} for env, rows in environments.items()}
    return {env: of_env for env, of_env in tables.items() if of_env}


def _curve_panel(
    env: str,
    drawn: Mapping[str, Curve],
    y: Quantity,
    x: Quantity,
    limits: tuple[float, float],
    data: pd.DataFrame,
) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    for order, (arm, curve) in enumerate(drawn.items()):
        draw_curve(ax, arm, curve, order)
    ax.set(title=environment_name(env), xlabel=x.label, ylabel=y.label, ylim=limits, xlim=(0, None))
    ax.legend()
    halves = [
        in_words({arm_style(arm).label: curve.at(share) for arm, curve in drawn.items()}) for share in (0.5, 1)
    ]
    alt = (
        f"{y.label} over {x.label}, {environment_name(env)}, interquartile mean of the seeds. "
        f"At half the budget {halves[0]}; at its end {halves[1]}."
    )
    return Panel(figure, alt[0].upper() + alt[1:], data)


def draw_curve(ax: Axes, arm: str, curve: Curve, order: int = 0) -> None:
    """Draw seeds, band, IQM, and now and then a marker, the arms' in turn."""
    style = arm_style(arm)
    ax.plot(*_one_line(curve.seeds), color=style.color, linewidth=0.5, alpha=0.22, zorder=1)
    ax.fill_between(curve.x, curve.low, curve.high, color=style.color, alpha=0.22, linewidth=0, zorder=2)
    every = max(1, len(curve.x) // 6)
    ax.plot(curve.x, curve.iqm, **style.of_line, marker=style.marker, markevery=(order % every, every), linewidth=1.7)


def _one_line(seeds: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """All seeds as one line with gaps: far smaller in a file than a line each."""
    wide = seeds.reindex([*seeds.index, np.nan])
    return np.tile(wide.index.to_numpy(float), wide.shape[1]), wide.to_numpy().T.ravel()


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
    words = {}
    for order, (arm, rows) in enumerate(tables.items()):
        budget, times = rows["budget"].max(), rows["value"].to_numpy(float)
        steps = np.concatenate([[0], np.sort(times[np.isfinite(times)]), [budget]])
        share = survival(times, steps, budget)
        never = int(np.isinf(times).sum())
        style = arm_style(arm)
        label = f"{style.label} ({never} of {len(times)} never)" if never else style.label
        ax.step(
            steps / STEPS.scale, share, where="post", **style.of_line | {"label": label}, linewidth=1.7,
            marker=style.marker, markevery=[-1] if never else (order + 1, 6), clip_on=False,
        )  # fmt: skip
        middle = f"half of the seeds at {np.median(times) / 1000:.0f}k steps" if 2 * never < len(times) else "not half"
        words[style.label] = f"{middle}, {never} of {len(times)} never"
    ax.set(title=environment_name(env), xlabel=STEPS.label, ylabel=f"share of seeds not yet\n{title}")
    ax.set(xlim=(0, None), ylim=(0, 1.02))
    ax.legend()
    alt = f"When seeds are {title}, {environment_name(env)}: " + "; ".join(f"{k}: {v}" for k, v in words.items()) + "."
    return Panel(figure, alt, pd.concat(tables.values()))
