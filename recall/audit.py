"""Audit of the stored runs: some, drawn by chance, are trained again and compared with their records."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from recall.analysis.ledger import COLUMNS, read_ledger
from recall.analysis.records import Record
from recall.errors import RecordError
from recall.repetition import Repetition, repeat
from recall.runs import csv, git, processor_family
from recall.storage import write_atomic
from recall.training import train_as_always

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

SHOWN = ("run", "updates", "compared", "values", "result")


def drawn(records: Sequence[Record], n: int, seed: int) -> list[Record]:
    """So many of the records by chance, or all where there are no more."""
    order = np.random.default_rng(seed).permutation(len(records))
    return [records[i] for i in order[:n]]


def audit(chosen: Sequence[Record], stored: Sequence[Record], updates: int) -> Iterator[Repetition]:
    """Train runs again, each in a process set up as those were that trained the records.

    Args:
        chosen: the runs.
        stored: all records, for the spread of seeds where numerics are others.
        updates: of the learner, of a run that is not trained to its end.

    Raises:
        RecordError: the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with one_thread(), ProcessPoolExecutor(1, context, train_as_always) as pool:
        for record in chosen:
            try:
                yield pool.submit(repeat, record, stored, updates).result()
            except BrokenProcessPool as error:
                raise RecordError(
                    f"the process that trained {record.path.name} again was killed, perhaps for want of memory; what "
                    "was found before it stands above"
                ) from error


def row(found: Repetition) -> dict[str, str]:
    """What a repetition showed, for a table."""
    record = found.record
    values = (
        f"{record.labels['page']}/{record.path.name}",
        f"{found.updates:,} of {found.of:,}" if found.of else "–",
        found.comparison or "–",
        f"{found.values:,}",
        found.finding,
    )
    return dict(zip(SHOWN, values, strict=True))


def table(rows: Sequence[dict[str, str]]) -> str:
    """The rows for a terminal."""
    return pd.DataFrame(rows, columns=list(SHOWN)).to_string(index=False)


def write_down(found: Sequence[Repetition], seed: int, file: Path) -> None:
    """Add what repetitions showed to the ledger.

    Raises:
        RecordError: it cannot be read or written, or is another table; it stays as it was.
    """
    code = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": git("rev-parse", "HEAD")[:10], "seed": seed}
    lines = [{**code, "processor": processor_family(), **_line(each)} for each in found]
    try:
        with FileLock(f"{file}.lock"):
            try:
                ledger = pd.concat([ledger_of(file), pd.DataFrame(lines, columns=list(COLUMNS))], ignore_index=True)
                write_atomic(file, csv(ledger).encode())
            finally:
                Path(f"{file}.lock").unlink()
    except OSError as error:
        raise RecordError(f"the ledger {file} cannot be written ({error}); name another file") from error


def ledger_of(file: Path) -> pd.DataFrame:
    """The ledger as it stands; empty where there is no file.

    Raises:
        RecordError: it cannot be read, or is another table.
    """
    try:
        ledger = read_ledger(file)
    except (OSError, ValueError) as error:
        raise RecordError(f"the ledger {file} cannot be read ({error}); name another file") from error
    if list(ledger) != list(COLUMNS):
        raise RecordError(f"{file} is no ledger of audits; name another file")
    return ledger


def _line(found: Repetition) -> dict[str, object]:
    """What a ledger holds of a repetition."""
    record = found.record
    return {
        "page": record.labels["page"],
        "run": record.path.name,
        **{name: getattr(found, name) for name in ("updates", "of", "comparison", "values", "differs", "finding")},
    }


def refuse_differences(found: Sequence[Repetition]) -> None:
    """Fail where a repetition was another run than the stored one.

    Raises:
        RecordError: one was.
    """
    differ = [each.record.path.name for each in found if each.differs]
    if differ:
        raise RecordError(
            f"{len(differ)} of {len(found)} runs are not what training them again gives: {', '.join(differ)}; restore "
            "their records, or train them again and say in the changelog why their numbers moved"
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let processes started inside use one thread each: their libraries read these variables when they load."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
