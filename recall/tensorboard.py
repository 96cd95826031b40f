"""TensorBoard's view of trainings: their evaluations as curves, while they run. The records' tables stay the truth."""

from collections.abc import Iterable
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any, Self

from recall.analysis.records import Record
from recall.errors import ConfigError
from recall.progress import SHOWN, Report
from recall.store import refuse_unwritable

WRITER = "tensorboardX"
"""Package that writes TensorBoard's files."""

BESIDE = ("seed", "step")
"""Columns that say where a row belongs."""


class TensorBoard:
    """Writes rows of tables into a folder, `RUN/seed-N` each; one that it has written already is left out.

    Args:
        folder: which; what earlier trainings left for the same runs is hidden.

    Raises:
        ConfigError: the package that writes is not installed.
        RecordError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        if find_spec(WRITER) is None:
            raise ConfigError(
                f"--tensorboard needs {WRITER}, which is not installed; leave the option out, or "
                "pip install 'recall-traces[tensorboard]'"
            )
        refuse_unwritable(folder)
        self.folder = folder
        self._writers: dict[Path, Any] = {}
        self._written: dict[tuple[Path, str], int] = {}

    def reported(self, report: Report) -> None:
        """Write what is new of a training."""
        self._write(Path(report.run).name, report.rows)

    def complete(self, record: Record) -> None:
        """Write what was not reported of a finished training, from its record."""
        for name in SHOWN:
            if record.has(name):
                self._write(record.path.name, [(name, row) for row in record.table(name).to_dict("records")])

    def _write(self, run: str, rows: Iterable[tuple[str, dict[str, float]]]) -> None:
        for table, row in rows:
            place, step = self.folder / run / f"seed-{row['seed']}", int(row["step"])
            if step > self._written.get((place, table), 0):
                self._written[place, table] = step
                for name, value in row.items():
                    if name not in BESIDE and isfinite(value):
                        self._writer(place).add_scalar(f"{table}/{name}", value, step)
        for writer in self._writers.values():
            writer.flush()

    def _writer(self, place: Path) -> Any:
        if place not in self._writers:
            from tensorboardX import SummaryWriter  # an extra, which nothing else needs

            self._writers[place] = SummaryWriter(str(place), purge_step=0)
        return self._writers[place]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for writer in self._writers.values():
            writer.close()
