"""A figure together with what it shows in words and the data behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from recall.analysis.style import PANEL, STYLE
from recall.analysis.svg import smaller


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
    return listed([f"{value:.3g} ({name})" for name, value in ranked]) or "nothing is known"
