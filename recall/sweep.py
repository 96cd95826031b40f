"""Train what is missing, a process a core, and store each record the moment it is finished."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty

from recall.checkpoints import Checkpoint, scratch_folder
from recall.errors import CheckpointError, NonFiniteError, RecallError, RecordError, TrainingStoppedError
from recall.identity import settings_key
from recall.loop import Training
from recall.progress import Progress, Steps
from recall.runs import Result, RunSpec, numerics, write_record
from recall.training import train, train_as_always

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

ORPHAN_SECONDS = 30.0
"""What a worker has to save its state after its parent was killed."""


@dataclass(frozen=True)
class Store:
    """A folder of records, and the hashes of the rules they will be judged by."""

    root: Path
    """The folder."""
    claims: Mapping[str, Mapping[str, str]]
    """Hash of every claim's rule by page and claim id."""
    policy_seeds: Collection[int] | None = None
    """Seeds whose policies are kept, so that a checkout stays small; None keeps all."""

    def path(self, spec: RunSpec) -> Path:
        """Where the record of a specification lies or would lie."""
        return self.root / spec.folder

    def __contains__(self, spec: RunSpec) -> bool:
        return (self.path(spec) / "spec.json").is_file()

    def add(self, spec: RunSpec, result: Result) -> None:
        """Store what a training gave.

        Raises:
            RecordError: it could not be written; nothing of it is left, and what was stored before is.
        """
        if self.policy_seeds is not None and not set(self.policy_seeds) & set(spec.seeds):
            result = replace(result, policy={})
        try:
            write_record(self.root, spec, result, self.claims.get(spec.page, {}))
        except OSError as error:
            raise RecordError(
                f"the record {self.path(spec)} could not be written ({error.strerror}); make room and give the same "
                "command again: what was trained is kept in scratch space"
            ) from error


def train_missing(specs: Sequence[RunSpec], store: Store, workers: int | None = None, progress: bool = True) -> None:
    """Train every specification that the store lacks.

    A kill or Ctrl-C loses nothing that was finished, and of the rest only the time since the last checkpoint: the same
    call goes on from there.

    Raises:
        TrainingStoppedError: a worker was killed, or a run stopped before its end; all the others are stored.
        RecordError: a record could not be written.
    """
    missing = [spec for spec in specs if spec not in store]
    if not missing:
        return
    total = sum(steps_of(spec) for spec in missing)
    title = f"training {len(missing)} of {len(specs)}"
    with (
        Progress(total, title, progress) as bar,
        closing(train_all(missing, workers, bar.add)) as finished,
    ):
        for spec, result in finished:
            store.add(spec, result)


def steps_of(spec: RunSpec) -> int:
    """Environment steps of all its seeds."""
    return spec.n_updates * spec.agent.steps_per_update * len(spec.seeds)


def train_all(
    specs: Sequence[RunSpec],
    workers: int | None = None,
    on_steps: Callable[[Steps], object] = lambda steps: None,
) -> Generator[tuple[RunSpec, Result], None, None]:
    """Train specifications in parallel, one thread a process; yields each as it ends.

    Whatever stops the caller stops the workers after their current update. A run that cannot go on stops alone.

    Raises:
        TrainingStoppedError: a worker was killed or, once the others have ended, a run could not go on.
    """
    stopped: list[str] = []
    context = multiprocessing.get_context("spawn")
    steps, stop = context.Queue(), context.Event()
    count = min(workers or cores(), len(specs))
    with one_thread(), ProcessPoolExecutor(count, context, _start_worker, (steps, stop)) as pool:
        try:
            with interrupt_held_back():
                longest_first = sorted(specs, key=steps_of, reverse=True)
                futures = {pool.submit(_work, spec, checkpoint_of(spec)): spec for spec in longest_first}
            while futures:
                done, _ = wait(futures, timeout=0.5, return_when=FIRST_COMPLETED)
                on_steps(_drain(steps))
                for future in done:
                    spec = futures.pop(future)
                    try:
                        result = future.result()
                    except (NonFiniteError, CheckpointError) as error:
                        stopped.append(_stopped(spec, error))
                        continue
                    yield spec, result
                    Checkpoint(checkpoint_of(spec)).remove()  # only here has the caller stored the result
        except BrokenProcessPool:
            raise TrainingStoppedError(
                "a training process was killed, perhaps for want of memory; "
                "the same command goes on from its last checkpoint"
            ) from None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    if stopped:
        raise TrainingStoppedError("; ".join(sorted(stopped)))


def _stopped(spec: RunSpec, error: RecallError) -> str:
    """Why a run could not go on, and what to do."""
    again = "; the same settings stop there again, so choose others" if isinstance(error, NonFiniteError) else ""
    return f"{spec.folder} stopped: {error}{again}"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def interrupt_held_back() -> Iterator[None]:
    """Let Ctrl-C wait. Processes started inside never get it: the parent, which does, asks them to stop."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def _drain(steps: Queue) -> Steps:
    """Steps reported since the last call."""
    total = Steps()
    while True:
        try:
            total = total.plus(steps.get_nowait())
        except Empty:
            return total


class _Reporter:
    """Tells the parent every half second how many steps were taken, and stops when it asks."""

    def __init__(self, steps: Queue, stop: Event) -> None:
        self.steps, self.stop = steps, stop
        self.parent = os.getppid()
        self.reported: int | None = None
        self.taken, self.sent = 0, time.monotonic()

    def __call__(self, training: Training) -> None:
        n_seeds = len(training.spec.seeds)
        self.taken = training.steps * n_seeds
        if self.reported is None:
            self.reported = self.taken - training.spec.agent.steps_per_update * n_seeds
            self.steps.put(Steps(earlier=self.reported))
        if self.stop.is_set() or os.getppid() != self.parent:  # asked to stop, or orphaned
            raise TrainingStoppedError("the training was stopped; the same command goes on from there")
        if time.monotonic() - self.sent > 0.5:
            self.flush()

    def flush(self) -> None:
        """Send what was not yet sent."""
        self.steps.put(Steps(self.taken - (self.reported or 0)))
        self.reported, self.sent = self.taken, time.monotonic()


def _start_worker(steps: Queue, stop: Event) -> None:
    global _channel
    train_as_always()
    _channel = steps, stop
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process some time after its parent, which a kill may have left no chance to ask for it."""
    while os.getppid() == parent:
        time.sleep(1)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def checkpoint_of(spec: RunSpec) -> Path:
    """Where an unfinished training waits: the same settings and numerics go on from it."""
    return scratch_folder() / f"{spec.key}-{settings_key(numerics(spec))}.checkpoint"


def _work(spec: RunSpec, checkpoint: Path) -> Result:
    reporter = _Reporter(*_channel)
    result = train(spec, checkpoint, reporter)
    reporter.flush()
    return result


_channel: tuple[Queue, Event]
"""How a worker process reaches its parent."""
