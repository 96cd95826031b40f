"""Where sweeps are trained: on this machine, or on a Dask cluster that others have started."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

import dask
from distributed import Client, LocalCluster

from recall.errors import ParameterError
from recall.threads import THREADS

SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,  # a run waits with the scheduler: no other's crash is blamed on it
    "distributed.scheduler.allowed-failures": 2,  # a run that kills its process three times is given up
    "distributed.deploy.lost-worker-timeout": "365 days",  # only its nanny replaces a worker, however long that takes
    "distributed.worker.daemon": False,  # environments may start processes of their own
}
"""What a scheduler and its workers need to be told; of those that others have started, by whoever starts them."""

CONNECT_SECONDS = 20


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def local(workers: int) -> Iterator[Client]:
    """So many worker processes on this machine, which nobody else can reach; where a run has threads, on all cores."""
    share = {THREADS: str(max(1, cores() // workers))}
    how = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with dask.config.set(SETTINGS), interrupt_held_back():
        cluster = LocalCluster(n_workers=workers, host="127.0.0.1", env=share, **how)
        client = Client(cluster)
    with cluster, client:
        yield client


@contextmanager
def remote(address: str) -> Iterator[Client]:
    """The cluster of a scheduler that runs already.

    Raises:
        ParameterError: nothing answers at the address.
    """
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ParameterError(
            f"no Dask scheduler answers at {address} ({error}); give the address that `dask scheduler` prints"
        ) from error
    with client:
        yield client


@contextmanager
def interrupt_held_back() -> Iterator[None]:
    """Let Ctrl-C wait. Processes started inside never get it: the parent, which does, asks them to stop."""
    resource_tracker.ensure_running()  # whoever starts it lets Ctrl-C through again, and a worker must not
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
