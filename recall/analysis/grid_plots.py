"""Pictures of the grid: recall traces on the value map, and where the agents have been."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import PercentFormatter

from recall.analysis.panels import Panel, listed, new_figure
from recall.analysis.style import INK, STYLE, arm_style, environment_name

WALL, GOAL = "#3b3f47", "#c2185b"
VALUES = LinearSegmentedColormap.from_list("values", ["#ffffff", "#d6e4ef", "#9dbdd8"])
"""Of the critic's values, 0 to 1; pale, so that the traces stand out."""

VISITS = LinearSegmentedColormap.from_list("visits", ["#f4f8fb", "#8fbbdc", "#0b3c6f"])

MOMENTS = {"early": "early, 15 % of training", "midway": "midway, 40 % of training", "late": "late, 100 % of training"}
"""Names of a record's snapshots, for people."""

HEIGHT = 2.15

BADGE: dict[str, Any] = {
    "ha": "center", "va": "center", "fontsize": 7.5, "fontweight": "bold", "zorder": 6,
    "bbox": {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": INK, "linewidth": 0.7},
}  # fmt: skip
"""Arguments of a number on a trace."""

OVER: dict[str, Any] = {"x": 0.01, "ha": "left", "fontsize": STYLE["axes.titlesize"], "fontweight": "bold"}
"""Arguments of the title of a figure with several maps."""

LEVELS = ((0.0, 0.7), (0.15, 1.4), (0.4, 2.4), (0.8, 3.6))
"""Width of a step's line by the share of the traces that take it."""

READING = (
    "★  Begin at a state that paid.",
    "1  Ask the model which step\n    may have led here.",
    "2  And which led there?\n    Again, {n} steps back.",
    "3  Imitate the steps in the\n    order of time: the arrows.",
)
"""Beside one trace."""


def pick_environment(frame: pd.DataFrame, preferred: str) -> str:
    """The preferred environment if the table holds it, else its first."""
    held = list(frame["env"].unique())
    return preferred if preferred in held else held[0]


def as_map(cells: pd.DataFrame, column: str) -> np.ndarray:
    """A column of a table of cells as (side, side); NaN in the walls, which are the cells the table lacks."""
    grid = np.full((int(cells["row"].max()) + 2, int(cells["col"].max()) + 2), np.nan)
    grid[cells["row"], cells["col"]] = cells[column]
    return grid


def goal_of(grid: np.ndarray) -> tuple[int, int]:
    """The goal lies in the last free corner."""
    return grid.shape[0] - 2, grid.shape[1] - 2


def draw_map(ax: Axes, grid: np.ndarray, colours: LinearSegmentedColormap, norm: Normalize) -> None:
    """Draw cells, walls, and a star at the goal."""
    ax.set_facecolor(WALL)
    ax.imshow(np.ma.masked_invalid(grid), cmap=colours, norm=norm, interpolation="none")
    rows, cols = grid.shape
    ax.plot(*goal_of(grid)[::-1], "*", color=GOAL, markersize=10, markeredgewidth=0.7, zorder=5)
    ax.set(xlim=(0, cols - 1), ylim=(rows - 1, 0), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)


def steps_of(traces: pd.DataFrame, goal: tuple[int, int]) -> pd.DataFrame:
    """How often the traces step from a cell to another: row, col, to_row, to_col, share of the traces.

    A table of traces runs backward: position 0 is the step that reaches the goal, and every other step leads
    to the cell of the position before it. A learned state predictor may stay where it is; that is no step.
    """
    ordered = traces.sort_values(["trace", "position"])
    steps = ordered[["row", "col"]].copy()
    for axis, end in zip(("row", "col"), goal, strict=True):
        steps[f"to_{axis}"] = ordered.groupby("trace")[axis].shift(1).fillna(end).astype(int)
    steps = steps[(steps["row"] != steps["to_row"]) | (steps["col"] != steps["to_col"])]
    return (steps.value_counts() / traces["trace"].nunique()).rename("share").reset_index()


def draw_steps(ax: Axes, steps: pd.DataFrame, colour: str) -> None:
    """Draw every step as a line with an arrow head, the wider the more traces take it.

    Few large paths and not an object a step: a tenth of the file.
    """
    tail, head = steps[["col", "row"]].to_numpy(float), steps[["to_col", "to_row"]].to_numpy(float)
    for i, (share, width) in enumerate(LEVELS):
        upper = LEVELS[i + 1][0] if i + 1 < len(LEVELS) else np.inf
        chosen = (steps["share"] > share) & (steps["share"] <= upper)
        gaps = np.full_like(tail[chosen], np.nan)
        x, y = np.stack([tail[chosen], head[chosen], gaps], 1).reshape(-1, 2).T
        ax.plot(x, y, color=colour, linewidth=width, solid_capstyle="round", zorder=3)
    way = head - tail
    along = way / np.linalg.norm(way, axis=1, keepdims=True)
    size = 0.16 + 0.14 * np.sqrt(steps[["share"]].to_numpy())
    across, tip = size * along[:, ::-1] * (1, -1), tail + 0.62 * way + size * along
    corners = np.stack([tip, tip - 1.7 * size * along + across, tip - 1.7 * size * along - across, tip], 1)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(steps)
    ax.add_patch(PathPatch(Path(corners.reshape(-1, 2), codes), color=colour, linewidth=0, zorder=4))


@rc_context(STYLE)
def trace_pictures(
    traces: pd.DataFrame,
    values: pd.DataFrame,
    env: str,
    arms: Sequence[str] = ("learned", "untrained"),
) -> list[Panel]:
    """How to read a trace, then the traces of the arms side by side, early, midway and late in training.

    Args:
        traces: tidy table of that name.
        values: tidy table of that name.
        env: the environment shown.
        arms: the arms shown; without a record of all of them there is no picture.
    """
    traces, values = (frame[(frame["env"] == env) & frame["arm"].isin(arms)] for frame in (traces, values))
    if set(arms) - set(values["arm"]):
        return []
    moments = [moment for moment in MOMENTS if moment in set(values["snapshot"])]
    panels = [_moment(traces[traces["snapshot"] == m], values[values["snapshot"] == m], m, arms) for m in moments]
    return [*_how_to_read(traces[traces["arm"] == arms[0]], values), *panels]


def _how_to_read(traces: pd.DataFrame, values: pd.DataFrame) -> list[Panel]:
    """The trace that begins farthest from the goal midway in training, with numbers on it."""
    traces, values = (frame[frame["snapshot"] == "midway"] for frame in (traces, values))
    if traces.empty:
        return []
    grid = as_map(values[values["arm"] == traces["arm"].iloc[0]], "value")
    first = traces.assign(near=traces["row"] + traces["col"]).sort_values(["near", "trace", "position"]).iloc[0]
    one = traces[(traces["trace"] == first["trace"]) & (traces["position"] <= first["position"])]
    figure = new_figure(HEIGHT)
    figure.suptitle("how to read the traces", **OVER)
    ax, words = figure.subplots(1, 2)
    draw_map(ax, grid, VALUES, Normalize(0, 1))
    draw_steps(ax, steps_of(one, goal_of(grid)).assign(share=0.2), arm_style(first["arm"]).color)
    places = one.sort_values("position")[["col", "row"]].to_numpy()
    for number, place in enumerate(places[[min(2, len(one) - 1), len(one) // 2, -1]], 1):
        ax.text(*place, str(number), **BADGE)
    words.axis("off")
    text = "\n\n".join(READING).format(n=len(one))
    words.text(0, 0.97, text, va="top", fontsize=8, transform=words.transAxes)
    return [Panel(figure, f"One trace on the map of values, and how to read it. {' '.join(text.split())}", one)]


def _moment(traces: pd.DataFrame, values: pd.DataFrame, moment: str, arms: Sequence[str]) -> Panel:
    figure = new_figure(HEIGHT)
    when = f"{environment_name(values['env'].iloc[0])}, {MOMENTS[moment]}"
    figure.suptitle(when, **OVER)
    reached = []
    for ax, arm in zip(figure.subplots(1, len(arms), squeeze=False)[0], arms, strict=True):
        grid = as_map(values[values["arm"] == arm], "value")
        draw_map(ax, grid, VALUES, Normalize(0, 1))
        style, of_arm = arm_style(arm), traces[traces["arm"] == arm]
        back = int(of_arm["position"].max()) + 1 if len(of_arm) else 0
        title = f"{style.label}, {back} steps" if back else style.label
        ax.set_title(title, loc="center", fontsize=STYLE["font.size"], fontweight="normal")
        if len(of_arm):
            draw_steps(ax, steps_of(of_arm, goal_of(grid)), style.color)
        else:
            ax.text(*np.divide(grid.shape[::-1], 2), "no reward yet,\nnothing to recall", ha="center", va="center")
        cells = of_arm[["row", "col"]].drop_duplicates()
        reached.append(
            f"the traces of the {style.label}, {back} steps long, pass {len(cells)} of {np.isfinite(grid).sum()} cells"
        )
    return Panel(figure, f"Value map and recall traces, {when}: {listed(reached)}.", traces)


@rc_context(STYLE)
def occupancy_pictures(occupancy: pd.DataFrame, env: str, arms: Sequence[str] = ("baseline", "learned")) -> list[Panel]:
    """Where agents have been before and after their first reward; a panel an arm, all with the same colours.

    Args:
        occupancy: tidy table of that name: phase, row, col and visits, the cell's share of all visits.
        env: the environment shown.
        arms: those wanted; what the table lacks is left out.
    """
    shown = occupancy[(occupancy["env"] == env) & occupancy["arm"].isin(arms)]
    norm = LogNorm(shown.loc[shown["visits"] > 0, "visits"].min(), shown["visits"].max())
    return [_visits(shown[shown["arm"] == arm], norm) for arm in arms if arm in set(shown["arm"])]


def _visits(cells: pd.DataFrame, norm: LogNorm) -> Panel:
    figure = new_figure(HEIGHT + 0.55)
    style, env = arm_style(cells["arm"].iloc[0]), environment_name(cells["env"].iloc[0])
    figure.suptitle(f"{style.label}, {env}", **OVER)
    axes = figure.subplots(1, 2)
    halves = []
    for ax, phase in zip(axes, ("before", "after"), strict=True):
        of_phase = cells[cells["phase"] == phase]
        grid = as_map(of_phase, "visits")
        draw_map(ax, np.clip(grid, norm.vmin, None), VISITS, norm)
        ax.set_title(f"{phase} the first reward", loc="center", fontsize=STYLE["font.size"], fontweight="normal")
        near = of_phase["row"] + of_phase["col"] >= sum(goal_of(grid)) / 2 + 1
        halves.append(f"{of_phase.loc[near, 'visits'].sum():.0%} {phase} the first reward")
    bar = figure.colorbar(axes[0].images[0], ax=axes, location="bottom", aspect=45, pad=0.04)
    bar.set_label("share of all visits")
    bar.formatter = PercentFormatter(1, decimals=2)
    bar.minorticks_off()
    alt = f"Where the agent was, {style.label}, {env}: visits to the goal's half of the grid were {listed(halves)}."
    return Panel(figure, alt, cells)
