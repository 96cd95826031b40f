"""What the page trace-sweeps may be re-executed with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from recall.errors import ParameterError
from recall.experiments import Arena
from recall.page_parameters import FourRoomsParameters, numbers, whole_numbers
from recall.runs import RunSpec
from recall.trace_experiments import ALL_GRIDS, CLOSE_GRIDS, COUNTS, LENGTHS, QUANTILES, trace_sweeps

MOST_TRACES = 1000
"""Traces that an update may have."""


@dataclass(frozen=True)
class TraceSweepsParameters:
    """What the page trace-sweeps may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "trace-sweeps"
    shows: ClassVar[tuple[str, ...]] = ("trace-sweeps", "four-rooms")

    side: int | None = None
    """Side of the grid, outer wall included, odd, 7 to 101. None: 15, and for lengths 11 and 19 too."""
    seeds: int = 20
    """Seeds of every arm, 1 to 200."""
    first_seed: int = 0
    """The first of them, 0 to 2147483648."""
    total_steps: int | None = None
    """Environment steps of every seed, 20000 or more, where a side is given. None: as on the page four-rooms."""
    lengths: str = ",".join(map(str, LENGTHS))
    """Steps of a trace, 1 to 10000 each, with commas between them; three sides of the grid come in any case."""
    counts: str = ",".join(map(str, COUNTS))
    """Traces an update, 1 to 1000 each, with commas between them; 10 come in any case."""
    quantiles: str = ",".join(f"{percent:g}" for percent in QUANTILES)
    """Percent of the rewarded trajectories that the model learns from, above 0 to 100 each, with commas between them;
    100 come in any case."""

    def __post_init__(self) -> None:
        self.specs()

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        grids = FourRoomsParameters(self.side, self.seeds, self.first_seed, self.total_steps)
        if self.side is not None:
            return self._around(grids.arenas, others=True)
        others = [arena for arena in ALL_GRIDS if arena not in CLOSE_GRIDS]
        return [*self._around(CLOSE_GRIDS, others=True), *self._around(others, others=False)]

    def _around(self, arenas: Iterable[Arena], others: bool) -> list[RunSpec]:
        """Runs in some grids, with other settings than the length or without."""
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        lengths = whole_numbers("lengths", self.lengths, 10_000)
        counts = whole_numbers("counts", self.counts, MOST_TRACES)
        percents = self._percents()
        return trace_sweeps(arenas, seeds, lengths, counts if others else (), percents if others else ())

    def _percents(self) -> tuple[float, ...]:
        found = numbers("quantiles", self.quantiles)
        if wrong := [percent for percent in found if not 0 < percent <= 100]:
            raise ParameterError(f"quantiles has {wrong[0]:g}; it must be percents above 0, up to 100")
        return found
