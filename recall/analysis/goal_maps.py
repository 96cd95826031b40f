"""Where goals are reached: coverage as maps of success, as Fig. 3, 8 and 9 of the paper show it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from recall.analysis.control_plots import CONTROL
from recall.analysis.grid_plots import OVER, WALL
from recall.analysis.panels import Panel, listed, new_figure
from recall.analysis.style import INK, STYLE, ArmStyle, arm_style, environment_name

REACHED = LinearSegmentedColormap.from_list("reached", ["#86b9e6", "#b2182b"])
"""Of success: pale blue is never, dark red always, as the paper's blue and red, but told apart in grey as well."""

SHARES = Normalize(0, 1)

SHADES = 6
"""Steps in which dots go from one colour to the other."""

DOT = 4.0
"""Points that a dot is wide."""

SCALE = {0.0: "never", 0.5: "half of the time", 1.0: "always"}
"""Names along the scale of the colours."""

LATTICE = 2.0
"""Places lie on a lattice if it has fewer nodes than this for each of them; else they are anywhere."""

STRIP, SQUARE = 1.55, 0.7
"""Inches that a map is high, of places anywhere in a box and of those on a lattice."""

START: dict[str, Any] = {"color": "none", "markeredgewidth": 1.1, "markersize": 4}
"""Arguments of the ring where every episode starts."""


@rc_context(STYLE)
def coverage_maps(coverage: pd.DataFrame, arms: Sequence[str] = CONTROL) -> list[Panel]:
    """Success at every feasible goal, mean of the seeds: a panel a task, a row an arm, a column a snapshot.

    Args:
        coverage: tidy table of that name. Snapshots that an arm of the task lacks are left out.
        arms: those wanted; what the table lacks is left out.
    """
    wanted = coverage[coverage["arm"].isin(arms)]
    keys = ["env", "arm", "outer_step", "x", "y"]
    means = wanted.groupby(keys, as_index=False)["success"].mean()
    seeds = wanted.groupby("env")["seed"].nunique()
    return [_task_panel(str(env), rows, arms, int(seeds[env])) for env, rows in means.groupby("env")]


def _task_panel(env: str, rows: pd.DataFrame, arms: Sequence[str], seeds: int) -> Panel:
    shown = [arm for arm in arms if arm in set(rows["arm"])]
    known = rows.groupby("outer_step")["arm"].nunique() == len(shown)
    snapshots = [int(step) for step in known.index[known]]
    height = SQUARE if on_lattice(rows) else STRIP
    figure = new_figure(0.85 + len(shown) * (height + 0.55))
    figure.suptitle(_title(env), **OVER)
    axes = figure.subplots(len(shown), len(snapshots), squeeze=False)
    words = []
    for line, arm in zip(axes, shown, strict=True):
        maps = [rows[(rows["arm"] == arm) & (rows["outer_step"] == step)] for step in snapshots]
        for ax, step, places in zip(line, snapshots, maps, strict=True):
            draw_places(ax, places)
            ax.set_xlabel(f"{when(step)}\n{covered(places)}", fontsize=7.5)
        style = arm_style(arm)
        _name_row(line[0], style)
        shares = [f"{covered(places)} {when(step)}" for step, places in zip(snapshots, maps, strict=True)]
        words.append(f"{style.label} {listed(shares)}")
    bar = figure.colorbar(ScalarMappable(SHARES, REACHED), ax=axes, location="bottom", aspect=35, pad=0.02)
    bar.set_ticks(list(SCALE), labels=list(SCALE.values()))
    bar.set_label("the goal is reached")
    count = f"{seeds} seed{'s' * (seeds > 1)}"
    alt = f"Share of the goals that are reached, {_title(env)}, mean of {count}: {'; '.join(words)} outer steps."
    return Panel(figure, alt, rows[rows["outer_step"].isin(snapshots)])


def _name_row(ax: Axes, style: ArmStyle) -> None:
    """Write an arm's name over its first map, as far as it goes; a title would push the other maps away."""
    ax.set_title(" ", fontsize=STYLE["font.size"])
    name = ax.annotate(style.label, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points")
    name.set(color=style.color, fontweight="bold", in_layout=False)


def _title(env: str) -> str:
    """Name of a task, and that a map of more than two dimensions shows two of them."""
    name = environment_name(env)
    return f"{name}: first two coordinates" if env.startswith("point-mass-") else name


def when(outer_step: int) -> str:
    """`after 5`, or `before` any."""
    return f"after {outer_step}" if outer_step else "before"


def covered(places: pd.DataFrame) -> str:
    """The coverage that a map shows: the mean success over its places."""
    return f"{100 * places['success'].mean():.0f} %"


def on_lattice(places: pd.DataFrame) -> bool:
    """Whether places lie on a lattice, as those of a maze do: x and y of each, which may come again and again."""
    different = places[["x", "y"]].drop_duplicates()
    return different["x"].nunique() * different["y"].nunique() < LATTICE * len(different)


def draw_places(ax: Axes, places: pd.DataFrame) -> None:
    """Draw success at places, x and y of each: as cells with walls between them on a lattice, else as dots."""
    free = not on_lattice(places)
    if not free:
        grid = places.pivot(index="y", columns="x", values="success")
        x, y = (np.array(each, float) for each in (grid.columns, grid.index))
        extent = (*_edges(x), *_edges(y))
        ax.set_facecolor(WALL)
        masked = np.ma.masked_invalid(grid.to_numpy())
        ax.imshow(masked, cmap=REACHED, norm=SHARES, interpolation="none", origin="lower", extent=extent)
    else:
        for shade, dots in places.groupby((SHADES * places["success"]).round() / SHADES):
            ax.add_patch(dots_as_one(dots[["x", "y"]].to_numpy(), REACHED(float(shade))))
        ax.autoscale_view()
        ax.margins(0.1, 0.03)
    ax.plot(0, 0, "o", **START | {"markeredgecolor": INK if free else "white"})
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.patch.set(edgecolor="#cccccc", linewidth=1.2 * free)  # one object where spines are four
    ax.grid(False)


def dots_as_one(places: np.ndarray, colour: tuple[float, float, float, float]) -> PathPatch:
    """Dots at places (n, 2) as one path, lines without length but with round ends: far smaller than an object each."""
    path = Path(places.repeat(2, 0), [Path.MOVETO, Path.LINETO] * len(places))
    path.should_simplify = False  # or nothing would be left of them
    return PathPatch(path, edgecolor=colour, facecolor="none", linewidth=DOT, capstyle="round")


def _edges(middles: np.ndarray) -> tuple[float, float]:
    """Where cells with these middles begin and end."""
    half = (middles[1] - middles[0]) / 2
    return middles[0] - half, middles[-1] + half
