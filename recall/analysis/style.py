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


GRID_ARMS: dict[str, ArmStyle] = {
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

CONTROL_ARMS: dict[str, ArmStyle] = {
    "baseline": GRID_ARMS["baseline"],
    "recall": ArmStyle("recall traces", "#ee7d11", "-", "^"),
    "as-written": ArmStyle("recall traces, as written", "#b8232f", (0, (6, 1.5)), "s"),
    "stable-baselines3": ArmStyle("stable-baselines3", "#5c5c5c", (0, (3, 1.5)), "D"),
}
"""Arms of continuous control: blue without recall, orange with a learned model, red as the paper writes it, grey for
what others have written."""

CHECK_ARMS: dict[str, ArmStyle] = {
    "baseline-fixed": ArmStyle("baseline, fixed temperature", "#6aaede", (0, (5, 2)), "v"),
    "recall-fixed": ArmStyle("recall traces, fixed temperature", "#a34700", (0, (6, 2, 1, 2)), "<"),
}
"""The same with a fixed temperature: lighter blue, darker orange, both dashed."""

PREDICTION_ARMS: dict[str, ArmStyle] = {
    "predict-change": ArmStyle("predicts the change", "#ee7d11", "-", "^"),
    "predict-state": ArmStyle("predicts the state", "#00827f", (0, (5, 1.5)), "v"),
}
"""Models of what led to a state: orange as usual where they predict changes, teal where they predict states."""

VARIANT_ARMS: dict[str, ArmStyle] = {
    "recall-trajectories": ArmStyle("model of fresh trajectories", "#8a4fb5", (0, (1, 1.5)), "v"),
    "recall-reward-to-go": ArmStyle("ranked by reward-to-go", "#c39ad9", (0, (6, 2, 1, 2)), "P"),
    "baseline-nagabandi": ArmStyle("baseline, settings of Nagabandi et al.", "#6aaede", (0, (5, 2)), "h"),
}
"""On trust regions: variants of recall, purple as controls are, and another baseline, lighter blue."""

PEER_ARMS: dict[str, ArmStyle] = {"sb3-contrib": replace(CONTROL_ARMS["stable-baselines3"], label="sb3-contrib")}
"""What others have written of trust regions; in no figure with what they have written of another agent."""

CALLBACK_ARMS: dict[str, ArmStyle] = {
    "steps-10": ArmStyle("10 steps of imitation", "#ee7d11", "-", "^"),
    "steps-100": ArmStyle("100 steps of imitation", "#a34700", (0, (6, 2, 1, 2)), "<"),
}
"""Beside an agent of stable-baselines3: the harder it imitates, the darker."""

ARMS = GRID_ARMS | CONTROL_ARMS | CHECK_ARMS | PREDICTION_ARMS | VARIANT_ARMS | PEER_ARMS | CALLBACK_ARMS
"""Every arm of the book, in the order in which arms are shown."""

NUMBERED = {"weight": "weight {}", "length": "length {}", "traces": "N = {}", "best": "best {} %"}
"""Settings that tell arms apart by their value, and how they are named: `weight-0.03`, `learned-best-25`."""

PARTS = {
    "traces": "recalled actions",
    "policy": "policy's own",
    "training": "what it learned from",
    "held-out": "held out",
    "imitation": "imitation",
    "trust-region": "trust-region step",
}
"""Parts of an arm that are compared with each other, `arm/part`."""

DARK = ("policy", "training", "trust-region")
"""Parts that are drawn dark and dashed beside another one in the arm's colour."""


GOAL_TASKS = {
    "point-mass": "point mass (N = 2)",
    **{f"point-mass-{n}": f"point mass (N = {n})" for n in range(3, 7)},
    "point-u-maze": "point mass (U-maze)",
    "ant-u-maze": "ant (U-maze)",
}
"""Tasks of Goal GAN, and how they are named."""


def arm_style(arm: str) -> ArmStyle:
    """The style of an arm, of one among a number's values, or of a part of one."""
    whole, _, part = arm.partition("/")
    setting, _, value = whole.rpartition("-")
    model, _, setting = setting.rpartition("-")
    style = _numbered(model, NUMBERED[setting].format(value)) if setting in NUMBERED else ARMS[whole]
    style = replace(style, label=f"{style.label}: {PARTS[part]}") if part else style
    return replace(style, color=INK, line=(0, (4, 1.5)), marker="d") if part in DARK else style


def _numbered(model: str, name: str) -> ArmStyle:
    """That of the arm which the number varies; of recall traces where none is named."""
    style = ARMS[model or "recall"]
    return replace(style, label=f"{style.label}, {name}" if model else name)


def environment_name(label: str) -> str:
    """`side-19-hard` for people: side 19, hard; `point-mass-3` has N = 3. An id of Gymnasium is shown as it is."""
    if label in GOAL_TASKS:
        return GOAL_TASKS[label]
    if not label.startswith("side-"):
        return label.replace("-full", ", full observation")
    return label.replace("-hard", ", hard").replace("-", " ")
