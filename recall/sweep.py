"""Train what is missing on a cluster, and store each record the moment it is finished."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from distributed import Client, Future, KilledWorker, wait

from recall import cluster
from recall.errors import NonFiniteError, RecallError, RecordError, TrainingStoppedError
from recall.progress import Ended, Listener, Progress, Report, nobody
from recall.runs import RunSpec, numerics
from recall.store import Store
from recall.training import steps_of
from recall.worker import TOPIC, forget, rest, work

TICK_SECONDS = 0.5
"""Between two looks at what was finished."""

AGAIN = "the same command goes on from the last checkpoints"

KILLED = (
    "its process was killed three times, perhaps for want of memory; the same command goes on from its last checkpoint"
)


class Watch(Protocol):
    """Somebody who is told how a sweep goes."""

    def reported(self, report: Report) -> None:
        """A training is so far."""

    def ended(self, run: Ended) -> None:
        """A training has come to an end."""

    def tick(self) -> None:
        """Half a second has passed."""


def train_missing(
    specs: Sequence[RunSpec],
    store: Store,
    workers: int | None = None,
    progress: bool = True,
    listener: Listener = nobody,
) -> None:
    """Train every specification that the store lacks, on this machine; a listener is told how far each is.

    A kill or Ctrl-C loses nothing that was finished, and of the rest only the time since the last checkpoint: the same
    call goes on from there.

    Raises:
        TrainingStoppedError: runs could not go on, or their records not be stored; all the others are stored.
    """
    missing = [spec for spec in specs if spec not in store]
    if not missing:
        return
    prepare(missing)
    title = f"training {len(missing)} of {len(specs)}"
    with (
        Progress({spec.folder: steps_of(spec) for spec in missing}, title, progress, listener) as bar,
        cluster.local(min(workers or cluster.cores(), len(missing))) as client,
    ):
        failed = [run for run in sweep(missing, store, client, bar) if run.state == "failed"]
    if failed:
        raise TrainingStoppedError("; ".join(sorted(f"{run.run} stopped: {run.reason}" for run in failed)))


def prepare(specs: Sequence[RunSpec]) -> None:
    """Find out how this machine trains: here it is said once what makes it slow, and built what its workers share."""
    for spec in specs:
        numerics(spec)


def sweep(specs: Sequence[RunSpec], store: Store, client: Client, watch: Watch) -> list[Ended]:
    """Train specifications on a cluster; what one of them suffers takes no other down.

    Whatever stops the caller stops the workers after their current update, and they save their state; one whose update
    takes longer than `worker.STOP_SECONDS` stands at its last checkpoint.

    Raises:
        TrainingStoppedError: the scheduler is gone.
    """
    reports: SimpleQueue[dict[str, Any]] = SimpleQueue()
    client.subscribe_topic(TOPIC, lambda event: reports.put(event[1]))
    longest_first = sorted(specs, key=steps_of, reverse=True)
    futures = {client.submit(work, spec, store, key=spec.folder, pure=False): spec for spec in longest_first}
    own, ended = {spec.folder for spec in specs}, list[Ended]()
    try:
        while futures:
            done = _finished(list(futures))
            for report in _drained(reports):
                if report.run in own:  # a scheduler tells everybody of everybody's
                    watch.reported(report)
            for future in done:
                run = _end(futures.pop(future), future, store, client)
                watch.ended(run)
                ended.append(run)
            watch.tick()
        return ended
    except CancelledError as error:
        raise TrainingStoppedError(f"the scheduler is gone; {AGAIN}") from error
    finally:
        client.unsubscribe_topic(TOPIC)
        _stop(client, list(futures))


def _finished(futures: list[Future]) -> list[Future]:
    """Those that ended within the next half second."""
    with suppress(TimeoutError):
        wait(futures, TICK_SECONDS, "FIRST_COMPLETED")
    return [future for future in futures if future.done()]


def _drained(reports: SimpleQueue[dict[str, Any]]) -> Iterator[Report]:
    """Everything that was told since the last call."""
    with suppress(Empty):
        while True:
            told = reports.get_nowait()
            yield Report(**{name: told[name] for name in Report._fields})


def _end(spec: RunSpec, future: Future, store: Store, client: Client) -> Ended:
    """Store what a training gave, and let go of its checkpoint; or say why there is nothing to store."""
    error = future.exception()
    if error is not None:
        return Ended(spec.folder, "failed", _reason(error))
    files = future.result()
    if files is not None and spec not in store:
        try:
            store.add(spec, files)
        except RecordError as full:
            return Ended(spec.folder, "failed", str(full))
    _tell(client, forget, spec, workers=list(client.who_has([future])[future.key]))
    return Ended(spec.folder, "skipped" if files is None else "finished")


def _reason(error: BaseException) -> str:
    """Why a training failed; one that nobody foresaw, such as an environment's own, keeps its name."""
    if isinstance(error, NonFiniteError):
        return f"{error}; the same settings stop there again, so choose others"
    if isinstance(error, KilledWorker):
        return KILLED
    return str(error) if isinstance(error, RecallError) else f"{type(error).__name__}: {error}"


def _stop(client: Client, futures: list[Future]) -> None:
    """Tell the workers that nobody waits for these any more, and let them save what they have."""
    if futures and client.status == "running":
        keys = {future.key for future in futures}
        at_work = [worker for worker, held in client.processing().items() if keys & set(held)]
        client.cancel(futures)
        _tell(client, rest, workers=at_work)


def _tell(client: Client, function: Callable[..., object], *arguments: object, **how: Any) -> None:
    """Let workers call a function, those that are still there."""
    with suppress(OSError):  # a worker was killed just now
        client.run(function, *arguments, on_error="ignore", **how)
