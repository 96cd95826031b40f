"""A figure together with what it shows in words and the data behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recall.analysis.style import PANEL, STYLE
from recall.analysis.svg import smaller

SHORT = 23
"""Letters of a name that leaves room for another beside it."""


@dataclass(frozen=True)
class Panel:
    """One figure."""

    figure: Figure
    """What is drawn."""
    alt: str
    """What it shows, for who cannot see it."""
    data: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The numbers it is drawn from."""

    def svg(self) -> str:
        """The figure as SVG, its title the text of `alt`; the same figure gives the same bytes."""
        out = StringIO()
        with rc_context(STYLE):
            metadata = {"Date": None, "Creator": None, "Title": self.alt}
            self.figure.savefig(out, format="svg", metadata=metadata)
        return smaller(out.getvalue())


def new_figure(height: float, width: float = PANEL) -> Figure:
    """An empty figure that arranges its own margins."""
    return Figure(figsize=(width, height), layout="constrained")


def name_lines(figure: Figure, ax: Axes) -> None:
    """A legend below the axes, where it hides no line; two columns where the names are short."""
    handles, names = ax.get_legend_handles_labels()
    columns = 2 if max(map(len, names)) <= SHORT else 1
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def behind(panels: Sequence[Panel]) -> pd.DataFrame:
    """The data of several panels as one table."""
    return pd.concat([panel.data for panel in panels], ignore_index=True)


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def in_words(values: Mapping[str, float]) -> str:
    """Named numbers, the largest first: 0.93 (learned model) and 0.81 (baseline)."""
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    ranked = sorted(known.items(), key=lambda item: -item[1])
    return listed([f"{_short(value)} ({name})" for name, value in ranked]) or "nothing is known"


def _short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def sentence(label: str) -> str:
    """The label of an axis as the beginning of a sentence."""
    text = " ".join(label.split())
    return text[0].upper() + text[1:]
