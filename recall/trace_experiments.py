"""The page trace-sweeps: recall traces in the four rooms, one of their settings moved at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from recall.experiments import ARENAS, ARMS, Arena, four_rooms
from recall.runs import RunSpec

ALL_GRIDS = ARENAS[:3]
"""Where lengths are tried: the sizes of Fig. 2."""

CLOSE_GRIDS = ARENAS[1:2]
"""Where the other settings are tried too: of the two smaller grids, the one in which recall traces gain more over the
baseline on the page four-rooms."""

LEARNED = "learned"
"""The arm whose model learns; a quantile changes nothing for the true one."""

SHARED = ("baseline", LEARNED, "true")
"""Arms of the page four-rooms that are shown again: what every setting is tried around, and the agent alone."""

LENGTHS = (1, 2, 5, 10, 20, 100)
"""Steps of a trace, besides the default of three sides of the grid."""

COUNTS = (1, 3, 10, 30)
"""Traces an update, N of Algorithm 2."""

QUANTILES = (5.0, 10.0, 25.0, 100.0)
"""Percent of the rewarded trajectories the model learns from, k of Algorithm 2."""


def trace_sweeps(
    arenas: Iterable[Arena],
    seeds: Iterable[int],
    lengths: Sequence[int],
    counts: Sequence[int],
    quantiles: Sequence[float],
) -> list[RunSpec]:
    """Three arms of the page four-rooms, and around those with recall traces every value of each setting.

    An arm that has a value already stands for it, so that no run is trained twice.
    """
    shared = four_rooms(arenas, {name: ARMS[name] for name in SHARED}, seeds)
    runs = list(shared)
    for spec in (spec for spec in shared if spec.recall is not None):
        runs += around(spec, "length", "length", {f"{length}": length for length in lengths})
        runs += around(spec, "traces", "n_traces", {f"{count}": count for count in counts})
        if spec.arm == LEARNED:
            runs += around(spec, "best", "top_fraction", {f"{percent:g}": percent / 100 for percent in quantiles})
    return runs


def around(spec: RunSpec, name: str, setting: str, values: dict[str, float]) -> list[RunSpec]:
    """A run with other values of one setting of its recaller.

    Args:
        spec: what they are tried around.
        name: of the setting in the arms' names.
        setting: field of the recaller's settings.
        values: by what the arms are called.
    """
    others = {word: value for word, value in values.items() if value != getattr(spec.recall, setting)}
    return [
        replace(
            spec,
            page="trace-sweeps",
            arm=f"{spec.arm}-{name}-{word}",
            recall=spec.recall and replace(spec.recall, **{setting: value}),
        )
        for word, value in others.items()
    ]
