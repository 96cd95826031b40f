"""What a sweep would ask of its scheduler and its disk with many workers, reckoned from what was measured."""

from collections.abc import Mapping, Sequence

import numpy as np

from recall.analysis.audit import seconds_of
from recall.analysis.records import Record
from recall.errors import RecordError


def on_paper(line: Mapping[str, float], records: Sequence[Record], workers: int) -> dict[str, str]:
    """A sweep of runs like the stored ones, as text.

    Args:
        line: what the benchmark of sweeps found: seconds of the scheduler for a thousand runs and as many reports.
        records: of runs as they would be trained.
        workers: processes that train, each of which reports once a second.

    Returns:
        `run_minutes`, `ended` runs a minute, the scheduler's share of a core for `reports` and `runs`, `kilobytes`
        and `files` of a record, `megabytes` a minute, and `most`, the runs a second that fill the scheduler's core.

    Raises:
        RecordError: there are no records.
    """
    if not records:
        raise RecordError("no records tell how long a run takes; train some with: recall run trpo")
    seconds = float(np.median([seconds_of(record) for record in records]))
    sizes = [sum(file.stat().st_size for file in record.path.iterdir()) for record in records]
    files = [len(list(record.path.iterdir())) for record in records]
    a_second, size = workers / seconds, float(np.median(sizes))
    per_run, per_report = line["seconds_1000_runs"] / 1000, line["seconds_1000_reports"] / 1000
    return {
        "workers": f"{workers:,}",
        "run_minutes": f"{seconds / 60:.0f}",
        "ended": f"{60 * a_second:.0f}",
        "reports": f"{100 * workers * per_report:.1f} %",
        "runs": f"{100 * a_second * per_run:.1f} %",
        "kilobytes": f"{size / 1000:.0f}",
        "files": f"{np.median(files):.0f}",
        "megabytes": f"{60 * a_second * size / 1e6:.0f}",
        "most": f"{1 / per_run:,.0f}",
    }
