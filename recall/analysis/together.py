"""All environments of continuous control in one figure."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context

from recall.analysis.control_plots import CONTROL, EPISODE_RETURN, THOUSANDS, axis_limits
from recall.analysis.endpoints import LAST
from recall.analysis.panels import Panel, in_words, name_lines, new_figure
from recall.analysis.plots import BAND_SEED, HEIGHT, Quantity
from recall.analysis.stats import iqm, stratified_iqm_band
from recall.analysis.style import FAINT, STYLE, arm_style


@rc_context(STYLE)
def aggregate(
    metrics: pd.DataFrame,
    arms: Sequence[str] = CONTROL,
    baseline: str = "baseline",
    x: Quantity = THOUSANDS,
    title: str = "",
) -> list[Panel]:
    """All environments together: returns in units of the baseline's at the end, the IQM over seeds and environments.

    Args:
        metrics: tidy table of that name.
        arms: those wanted. The first two of them that the table has choose the environments; another one that lacks
            any of these is left out.
        baseline: the arm whose mean return over its last evaluations is 1 in each environment. One in which that is
            not positive is left out; of fewer than two there is no figure.
        x: what it is drawn over, much the same for an arm in all environments; the mean of them is taken.
        title: what stands before the number of environments, where the page has several such figures.
    """
    scores = {env: _in_units_of(rows, baseline) for env, rows in metrics.groupby("env")}
    known = [arm for arm in arms if arm in set(metrics["arm"])]
    scores = {env: of_env for env, of_env in scores.items() if set(known[:2]) <= of_env.keys()}
    shown = [arm for arm in known if all(arm in of_env for of_env in scores.values())]
    if len(scores) < 2 or baseline not in shown:
        return []
    steps = sorted(set.intersection(*(set(wide.index) for of_env in scores.values() for wide in of_env.values())))
    if not steps:
        return []
    groups = {arm: [of_env[arm].loc[steps].to_numpy().T for of_env in scores.values()] for arm in shown}
    spent = metrics.assign(at=metrics["step"]).groupby(["arm", "at"])[x.column].mean()
    places = {arm: spent[arm].loc[steps].to_numpy() for arm in shown}
    return [_aggregate_panel(places, groups, sorted(map(str, scores)), x, title)]


def _in_units_of(rows: pd.DataFrame, baseline: str) -> dict[str, pd.DataFrame]:
    """Returns of each arm, (steps, seeds), in units of the baseline's final one; nothing where that is not positive."""
    wide = {arm: of_arm.pivot(index="step", columns="seed", values="return") for arm, of_arm in rows.groupby("arm")}
    unit = wide[baseline].iloc[-LAST:].mean(axis=None) if baseline in wide else 0.0
    return {str(arm): table / unit for arm, table in wide.items()} if unit > 0 else {}


def _aggregate_panel(
    places: Mapping[str, np.ndarray],
    groups: Mapping[str, list[np.ndarray]],
    environments: Sequence[str],
    x: Quantity,
    title: str,
) -> Panel:
    figure = new_figure(HEIGHT)
    ax = figure.subplots()
    ax.axhline(1, color=FAINT, linewidth=1, zorder=1)
    tables = []
    for order, (arm, seeds) in enumerate(groups.items()):
        style, place = arm_style(arm), places[arm] / x.scale
        every = max(1, len(place) // 4)
        middle, band = iqm(np.concatenate(seeds)), stratified_iqm_band(seeds, np.random.default_rng(BAND_SEED))
        ax.fill_between(place, *band, color=style.color, alpha=0.22, linewidth=0, zorder=2)
        ax.plot(place, middle, **style.of_line, marker=style.marker, markevery=(order % every, every), linewidth=1.7)
        columns = {x.column: places[arm], "iqm": middle, "low": band[0], "high": band[1]}
        tables.append(pd.DataFrame({"arm": arm, **columns}))
    data = pd.concat(tables).assign(env="together")
    ax.set(title=f"{title and f'{title}, '}{len(environments)} environments together", xlabel=x.label)
    ax.set_ylabel("return, in units of the\nbaseline's final return")
    ax.set_xlim(0, 1.02 * max(place[-1] for place in places.values()) / x.scale)
    ax.set_ylim(*axis_limits(data[["iqm", "low", "high"]].stack(), EPISODE_RETURN))
    name_lines(figure, ax)
    ends = in_words({arm_style(arm).label: float(rows["iqm"].iloc[-1]) for arm, rows in data.groupby("arm")})
    alt = (
        f"{title and f'{title}: '}Return in units of the baseline's final return over {' '.join(x.label.split())}, "
        "interquartile mean over the "
        f"seeds of {', '.join(environments)}: at the end {ends}."
    )
    return Panel(figure, alt, data)
