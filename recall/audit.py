"""Audit of the stored runs: some, drawn by chance, are trained again and compared with their records."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import numpy as np
import pandas as pd

from recall.analysis.records import Record
from recall.errors import RecordError
from recall.repetition import Repetition, repeat
from recall.training import train_as_always

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

COLUMNS = ("run", "updates", "compared", "values", "result")


def drawn(records: Sequence[Record], n: int, seed: int) -> list[Record]:
    """So many of the records by chance, or all where there are no more."""
    order = np.random.default_rng(seed).permutation(len(records))
    return [records[i] for i in order[:n]]


def audit(chosen: Sequence[Record], stored: Sequence[Record], updates: int) -> Iterator[Repetition]:
    """Train runs again, each in a process set up as those were that trained the records.

    Args:
        chosen: the runs.
        stored: all records, for the bands of other numerics.
        updates: of the learner, of a run that is not trained to its end.
    """
    context = multiprocessing.get_context("spawn")
    with one_thread(), ProcessPoolExecutor(1, context, train_as_always) as pool:
        for record in chosen:
            yield pool.submit(repeat, record, stored, updates).result()


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
    return dict(zip(COLUMNS, values, strict=True))


def table(rows: Sequence[dict[str, str]]) -> str:
    """The rows for a terminal."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).to_string(index=False)


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
