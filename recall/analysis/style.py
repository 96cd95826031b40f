"""How every figure looks: one colour, line style, marker and name for each arm, in the whole book."""

from dataclasses import dataclass, replace
from typing import Any

LineStyle = str | tuple[float, tuple[float, ...]]

PANEL = 3.5
"""Width in inches of a figure that stands beside another on a desk and alone on a phone."""

INK, FAINT = "#222222", "#9a9a9a"
"""Colours of text and of guide lines."""

STYLE: dict[str, Any] = {
    # DejaVu Sans comes with Matplotlib, so the layout is the same on every machine; a reader without it sees the next.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.bottom": False,  # the grid's lines are enough
    "ytick.left": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.25,
    "lines.markeredgecolor": "white",
    "lines.markeredgewidth": 0.5,
    "lines.markersize": 5,
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.7,  # of the faint lines; shorter paths are never simplified
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "recall",  # the same figure is the same bytes
}
"""Matplotlib's settings for all figures."""


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn, everywhere."""

    label: str
    """Its name for people."""
    color: str
    """Tells it apart in colour, and by its lightness in grey."""
    line: LineStyle
    """Tells it apart without either."""
    marker: str
    """The same for single points."""

    @property
    def of_line(self) -> dict[str, Any]:
        """Arguments of a line."""
        return {"color": self.color, "linestyle": self.line, "label": self.label}

    @property
    def of_point(self) -> dict[str, Any]:
        """Arguments of a point."""
        return {"color": self.color, "marker": self.marker, "label": self.label}


ARMS: dict[str, ArmStyle] = {
    "baseline": ArmStyle("baseline", "#1a5a9e", "-", "o"),
    "baseline-entropy": ArmStyle("untuned baseline", "#6aaede", (0, (5, 2)), "v"),
    "true": ArmStyle("true model", "#1f8a55", (0, (8, 1.5)), "s"),
    "true-uniform": ArmStyle("true model, uniform", "#7cc49c", (0, (3, 2)), "D"),
    "learned": ArmStyle("learned model", "#ee7d11", "-", "^"),
    "learned-both": ArmStyle("fully learned model", "#a34700", (0, (6, 2, 1, 2)), "<"),
    "untrained": ArmStyle("untrained model", "#7a7a7a", (0, (2, 1.2)), "X"),
    "untrained-network": ArmStyle("untrained network", "#b3b3b3", (0, (1, 1.5)), "P"),
    "known-goal": ArmStyle("true model, goal known", "#8a4fb5", (0, (6, 2, 1, 2, 1, 2)), "*"),
}
"""Arms of the four rooms. Blue without recall, orange as in Fig. 2 of the paper with a learned model, green with the
true one, grey with an untrained one, purple for controls."""


PARTS = {"traces": "recalled actions", "policy": "policy's own"}
"""Parts of an arm that are compared with each other, `arm/part`."""


def arm_style(arm: str) -> ArmStyle:
    """The style of an arm; its policy's part is drawn dark and dashed beside the part of its traces."""
    whole, _, part = arm.partition("/")
    style = replace(ARMS[whole], label=f"{ARMS[whole].label}: {PARTS[part]}") if part else ARMS[whole]
    return replace(style, color=INK, line=(0, (4, 1.5)), marker="d") if part == "policy" else style


def environment_name(label: str) -> str:
    """`side-19-hard` for people: side 19, hard."""
    return label.replace("-hard", ", hard").replace("-", " ")
