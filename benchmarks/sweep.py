"""A sweep on one worker and on two, and what a run and a report of its progress cost the scheduler."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
from distributed import Client, get_worker
from windows import keep, machine, options, report

from recall import cluster
from recall.experiments import ARENAS, ARMS, four_rooms
from recall.progress import Progress, Report
from recall.runs import RunSpec
from recall.store import Store
from recall.sweep import sweep
from recall.training import steps_of, train_as_always
from recall.worker import TOPIC

START_SECONDS = 60
"""What a scheduler may take to start."""

RECORD_BYTES = 100_000
"""What a run sends back: about the largest of the stored records."""


def runs(quick: bool) -> list[RunSpec]:
    """Eight runs of one arm in the smallest rooms that differ in their seeds; short ones if in a hurry."""
    (arena,) = [arena for arena in ARENAS if arena.label == "side-11"]
    (spec,) = four_rooms([arena], {"learned": ARMS["learned"]}, range(5))
    budget = spec.total_steps // 20 if quick else spec.total_steps
    firsts = range(0, 10 if quick else 40, 5)
    return [replace(spec, total_steps=budget, eval_every=5, seeds=tuple(range(i, i + 5))) for i in firsts]


def rate(specs: list[RunSpec], workers: int) -> float:
    """Environment steps per second, of all seeds, from the first submission to the last record."""
    with tempfile.TemporaryDirectory() as folder, cluster.local(workers) as client:
        client.run(len, "all of them are up")
        steps = {spec.folder: steps_of(spec) for spec in specs}
        start = time.perf_counter()
        with Progress(steps, "sweep", shown=False) as watch:
            sweep(specs, Store(Path(folder), {}), client, watch)
        return sum(steps.values()) / (time.perf_counter() - start)


@contextmanager
def scheduler() -> Iterator[tuple[Client, psutil.Process]]:
    """A scheduler in a process of its own, with one worker; and what it is."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--dashboard-address", ":0", "--scheduler-file", str(file)], stderr=subprocess.DEVNULL
        )
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"]
        helper = subprocess.Popen([*worker, "--scheduler-file", str(file)], stderr=subprocess.DEVNULL)
        try:
            with Client(scheduler_file=str(file), timeout=START_SECONDS) as client:
                client.wait_for_workers(1, timeout=START_SECONDS)
                yield client, psutil.Process(process.pid)
        finally:
            for each in (helper, process):
                each.terminate()
                each.wait()


def cost(process: psutil.Process, work: Callable[[int], object], n: int) -> float:
    """Seconds of the scheduler's processor for a thousand pieces of work, measured over n."""
    work(n // 10)
    before = sum(process.cpu_times()[:2])
    work(n)
    return 1000 * (sum(process.cpu_times()[:2]) - before) / n


def tell(n: int) -> None:
    """Send n reports, as a training does every second."""
    told = Report("page/side-11-learned-0123456789ab", 1000, 0, 1.0, 0.5)._asdict()
    for _ in range(n):
        get_worker().log_event(TOPIC, told)


def load(n: int) -> dict[str, float]:
    """What a thousand runs and a thousand reports cost the scheduler, in seconds."""

    def end(n: int) -> None:
        client.gather(client.map(bytes, [RECORD_BYTES] * n, pure=False))

    def report(n: int) -> None:
        client.submit(tell, n, pure=False).result()

    with scheduler() as (client, process):
        client.subscribe_topic(TOPIC, lambda event: None)
        return {"seconds_1000_runs": cost(process, end, n), "seconds_1000_reports": cost(process, report, n)}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few short runs, to see that it works")
    arguments = options(parser)
    train_as_always()
    specs = runs(arguments.quick)
    found = {"one_worker": rate(specs, 1), "two_workers": rate(specs, 2)}
    ratios = {"ratio_one_worker": found["two_workers"] / found["one_worker"], **load(2000 if arguments.quick else 5000)}
    title = f"sweep of {len(specs)} runs of 5 seeds in the four rooms, side 11"
    keep(arguments, title, report(title, found, ratios), machine())


if __name__ == "__main__":
    main()
