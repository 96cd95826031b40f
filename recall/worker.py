"""What a worker of a cluster does: trains a specification, tells how far it is, stops when nobody waits for it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Status, get_worker
from filelock import FileLock, Timeout

from recall.checkpoints import Checkpoint, scratch_folder
from recall.errors import CheckpointError, TrainingStoppedError
from recall.loop import Training
from recall.progress import SHOWN, Report
from recall.runs import RunSpec
from recall.store import Store
from recall.training import checkpoint_of, train, train_as_always

TOPIC = "recall"
"""Of the events that workers send."""

REPORT_SECONDS = 1.0
"""Between two events of a training: a thousand workers send a thousand a second."""

STOP_SECONDS = 60.0
"""What a worker has to save its state after it was asked to stop."""

at_work: set[str] = set()
"""Records that this process is training for."""


class Reporter:
    """Called after every update of a training; tells, and stops it when it is no longer wanted."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec, self.worker = spec, get_worker()
        self.key = self.worker.get_current_task()
        self.begun = self.sent = time.monotonic()
        self.earlier: int | None = None
        self.told = dict.fromkeys(SHOWN, 0)
        """Last step of each table that was sent."""

    def __call__(self, training: Training) -> None:
        """Take note of an update.

        Raises:
            TrainingStoppedError: nobody waits for the training any more.
        """
        self.refuse_unwanted()
        if self.earlier is None:
            self.earlier = (training.steps - self.spec.agent.steps_per_update) * len(self.spec.seeds)
        elif time.monotonic() - self.sent < REPORT_SECONDS and training.update < self.spec.n_updates:
            return
        self.sent = time.monotonic()
        steps, value = training.steps * len(self.spec.seeds), training.log.latest("metrics", "return")
        report = Report(self.spec.folder, steps, self.earlier, self.sent - self.begun, value, self._news(training))
        self.worker.log_event(TOPIC, report._asdict())

    def _news(self, training: Training) -> list[tuple[str, dict[str, float]]]:
        """Rows that were not sent yet, with the names of their tables."""
        news = [(table, row) for table, last in self.told.items() for row in training.log.after(table, last)]
        self.told |= {table: int(row["step"]) for table, row in news}
        return news

    def refuse_unwanted(self) -> None:
        """Raise TrainingStoppedError if whoever asked for the training is gone, or has changed his mind."""
        task = self.worker.state.tasks.get(self.key)
        wanted = task is not None and task.state == "executing"
        if not wanted or self.worker.status not in (Status.running, Status.paused):
            raise TrainingStoppedError("the training was stopped; the same command goes on from there")


def work(spec: RunSpec, store: Store) -> dict[str, bytes] | None:
    """Train a specification to its end; the files of its record, None if it was stored in the meantime.

    Raises:
        TrainingStoppedError: nobody waits for it any more; its checkpoint is up to date.
        CheckpointError: its state cannot be written.
        NonFiniteError: a number of it is NaN or infinite.
    """
    train_as_always()
    report = Reporter(spec)
    at_work.add(spec.folder)
    try:
        with alone(spec, report.refuse_unwanted):
            if spec in store:
                return None
            return store.files(spec, train(spec, checkpoint_of(spec), report))
    finally:
        at_work.remove(spec.folder)


@contextmanager
def alone(spec: RunSpec, while_waiting: Callable[[], object]) -> Iterator[None]:
    """Keep other processes of this machine from training the same specification; wait for one that does."""
    lock = _lock(spec)
    while True:
        while_waiting()
        try:
            lock.acquire(timeout=REPORT_SECONDS)
        except Timeout:
            continue
        try:
            yield
        finally:
            lock.release()
        return


def forget(spec: RunSpec) -> None:
    """Remove the checkpoint of a training whose record is stored, unless another process is just reading it."""
    try:
        with _lock(spec).acquire(timeout=0) as held:
            Checkpoint(checkpoint_of(spec)).remove()
            Path(held.lock_file).unlink()
    except Timeout:
        return


async def rest() -> None:
    """Return when this worker's training has ended or saved its state."""
    async with asyncio.timeout(STOP_SECONDS):
        while at_work:
            await asyncio.sleep(0.05)


def _lock(spec: RunSpec) -> FileLock:
    folder = scratch_folder() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"scratch space {scratch_folder()} cannot be used ({error.strerror}); make room there, or set "
            "RECALL_SCRATCH to another folder"
        ) from error
    return FileLock(folder / f"{checkpoint_of(spec).stem}.lock")
