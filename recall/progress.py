"""What a person sees while runs are trained: steps, their rate, and the time that is left."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Self

from tqdm import tqdm

QUIET_SECONDS = 3.0
"""Without a step for so long, the bar says why that may be."""


SHOWN = ("metrics", "recall")
"""Tables of a record whose rows are told of while it is trained."""


class Report(NamedTuple):
    """How far a training is."""

    run: str
    """Folder of its record."""
    steps: int
    """Environment steps of all its seeds so far."""
    earlier: int
    """Those that its checkpoint had when a process took it up: they say nothing of how fast it goes."""
    seconds: float
    """Time since then."""
    value: float | None
    """Return at its last evaluation, mean over seeds; None before the first."""
    rows: Sequence[tuple[str, dict[str, float]]] = ()
    """Rows of `SHOWN` that are new since the last report, each with the name of its table."""


Listener = Callable[[Report], object]
"""Somebody who is told how far trainings are."""


class Ended(NamedTuple):
    """How a training ended."""

    run: str
    """Folder of its record."""
    state: Literal["finished", "skipped", "failed"]
    """Skipped: somebody else stored its record in the meantime."""
    reason: str = ""
    """Why it failed, a sentence without its full stop."""


def nobody(report: Report) -> None:
    """Who hears nothing."""


class Progress:
    """A progress bar over the environment steps of several trainings.

    Args:
        totals: environment steps of each training.
        title: of the bar.
        shown: whether there is a bar.
        listener: is handed every report.
    """

    def __init__(self, totals: Mapping[str, int], title: str, shown: bool = True, listener: Listener = nobody) -> None:
        self.totals, self.listener = totals, listener
        self.steps = dict.fromkeys(totals, 0)
        self.earlier = dict.fromkeys(totals, 0)
        self.total = sum(totals.values())
        """Steps that were done or will be."""
        self.bar = tqdm(total=self.total, unit="step", unit_scale=True, desc=title, disable=not shown)
        self.last_step = time.monotonic()

    def reported(self, report: Report) -> None:
        """Take in how far a training is."""
        self.earlier[report.run] = report.earlier
        self._set(report.run, report.steps)
        self.listener(report)

    def ended(self, run: Ended) -> None:
        """A training needs no more time; what one that failed has not done will not be done."""
        if run.state == "failed":
            self.total -= self.totals[run.run] - self.steps[run.run]
        else:
            self._set(run.run, self.totals[run.run])

    def _set(self, run: str, steps: int) -> None:
        if steps != self.steps[run]:
            self.last_step = time.monotonic()
        self.steps[run] = steps

    def tick(self) -> None:
        """Draw; call it from time to time, so that the clock goes on."""
        if self.bar.disable:
            return
        quiet = time.monotonic() - self.last_step
        self.bar.set_postfix_str(
            f"compiling or evaluating for {quiet:.0f} s" if quiet > QUIET_SECONDS else "", refresh=False
        )
        self.bar.initial = sum(self.earlier.values())
        self.bar.n, self.bar.total = sum(self.steps.values()), self.total
        self.bar.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()
