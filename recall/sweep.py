"""Train what is missing, a process a core, and store each record the moment it is finished."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty

import torch
from tqdm import tqdm

from recall.checkpoints import scratch_folder
from recall.errors import TrainingStoppedError
from recall.identity import settings_key
from recall.runs import Result, RunSpec, numerics, write_record
from recall.training import Training, train

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Store:
    """A folder of records, and the hashes of the rules they will be judged by."""

    root: Path
    """The folder."""
    claims: Mapping[str, Mapping[str, str]]
    """Hash of every claim's rule by page and claim id."""

    def path(self, spec: RunSpec) -> Path:
        """Where the record of a specification lies or would lie."""
        return self.root / spec.folder

    def __contains__(self, spec: RunSpec) -> bool:
        return (self.path(spec) / "spec.json").is_file()


def train_missing(specs: Sequence[RunSpec], store: Store, workers: int | None = None, progress: bool = True) -> None:
    """Train every specification that the store lacks.

    A kill or Ctrl-C loses nothing that was finished, and of the rest only the time since the last checkpoint: the same
    call goes on from there.
    """
    missing = [spec for spec in specs if spec not in store]
    if not missing:
        return
    total = sum(steps_of(spec) for spec in missing)
    title = f"training {len(missing)} of {len(specs)}"
    with (
        tqdm(total=total, unit="step", unit_scale=True, desc=title, disable=not progress) as bar,
        closing(train_all(missing, workers, bar.update)) as finished,
    ):
        for spec, result in finished:
            write_record(store.root, spec, result, store.claims.get(spec.page, {}))


def steps_of(spec: RunSpec) -> int:
    """Environment steps of all its seeds."""
    return spec.n_updates * spec.agent.n_envs * spec.agent.n_steps * len(spec.seeds)


def train_all(
    specs: Sequence[RunSpec],
    workers: int | None = None,
    on_steps: Callable[[int], object] = lambda steps: None,
) -> Generator[tuple[RunSpec, Result], None, None]:
    """Train specifications in parallel, one thread a process; yields each as it ends.

    Whatever stops the caller stops the workers after their current update.

    Raises:
        TrainingStoppedError: a worker was killed.
    """
    context = multiprocessing.get_context("spawn")
    steps, stop = context.Queue(), context.Event()
    count = min(workers or cores(), len(specs))
    with one_thread(), ProcessPoolExecutor(count, context, _start_worker, (steps, stop)) as pool:
        try:
            with interrupt_held_back():
                futures = {pool.submit(_work, spec): spec for spec in sorted(specs, key=steps_of, reverse=True)}
            while futures:
                done, _ = wait(futures, timeout=0.5, return_when=FIRST_COMPLETED)
                on_steps(_drain(steps))
                for future in done:
                    spec = futures.pop(future)
                    yield spec, future.result()
                    checkpoint_of(spec).unlink(missing_ok=True)  # only here has the caller stored the result
        except BrokenProcessPool:
            raise TrainingStoppedError(
                "a training process was killed, perhaps for want of memory; "
                "the same command goes on from its last checkpoint"
            ) from None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


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


def _drain(steps: Queue) -> int:
    """Steps reported since the last call."""
    total = 0
    while True:
        try:
            total += steps.get_nowait()
        except Empty:
            return total


class _Reporter:
    """Tells the parent every half second how many steps were taken, and stops when it asks."""

    def __init__(self, steps: Queue, stop: Event) -> None:
        self.steps, self.stop = steps, stop
        self.parent = os.getppid()
        self.taken, self.reported, self.sent = 0, 0, time.monotonic()

    def __call__(self, training: Training) -> None:
        self.taken = training.steps * len(training.spec.seeds)
        if self.stop.is_set() or os.getppid() != self.parent:  # asked to stop, or orphaned
            raise TrainingStoppedError("the training was stopped; the same command goes on from there")
        if time.monotonic() - self.sent > 0.5:
            self.flush()

    def flush(self) -> None:
        """Send what was not yet sent."""
        self.steps.put(self.taken - self.reported)
        self.reported, self.sent = self.taken, time.monotonic()


def _start_worker(steps: Queue, stop: Event) -> None:
    global _channel
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    _channel = steps, stop


def checkpoint_of(spec: RunSpec) -> Path:
    """Where an unfinished training waits: the same settings and numerics go on from it."""
    return scratch_folder() / f"{spec.key}-{settings_key(numerics(len(spec.seeds)))}.checkpoint"


def _work(spec: RunSpec) -> Result:
    reporter = _Reporter(*_channel)
    result = train(spec, checkpoint_of(spec), reporter)
    reporter.flush()
    return result


_channel: tuple[Queue, Event]
"""How a worker process reaches its parent."""
