"""Sweeps in processes of their own, and what happens to them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client
from filelock import FileLock, Timeout
from small_runs import small_spec

from recall import cluster
from recall.errors import TrainingStoppedError
from recall.on_policy import OnPolicyTraining
from recall.progress import Ended, Report
from recall.runs import RunSpec
from recall.store import Store
from recall.sweep import sweep
from recall.training import checkpoint_of

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import clusters
import recall.training, recall.worker
recall.training.CHECKPOINT_SECONDS = recall.worker.REPORT_SECONDS = 0.1  # in the workers too, which import this file
{everywhere}

if __name__ == "__main__":
    {body}
"""


def script(folder: Path, body: str, everywhere: str = "") -> list[str]:
    """The command of a script, one line of which the workers execute, too."""
    path = folder / "script.py"
    path.write_text(SCRIPT.format(tests=str(Path(__file__).parent), body=body, everywhere=everywhere))
    return [sys.executable, str(path)]


def take_time() -> None:
    """Let each update last so long that no machine is done with a run before it is killed."""
    step = OnPolicyTraining.step

    def slow_step(training: OnPolicyTraining) -> None:
        time.sleep(0.05)
        step(training)

    OnPolicyTraining.step = slow_step


def specs(n: int, updates: int = 400) -> list[RunSpec]:
    """Runs of some seconds."""
    return [small_spec("learned", seeds=(seed,), updates=updates) for seed in range(n)]


class Killer:
    """Kills a run's worker process whenever it reports, so many times."""

    def __init__(self, client: Client, times: Mapping[str, int]) -> None:
        self.client, self.times = client, times
        self.kills: Counter[str] = Counter()
        self.trained: dict[str, int] = {}
        self.all: list[Ended] = []

    def reported(self, report: Report) -> None:
        """Kill."""
        self.trained[report.run] = report.steps - report.earlier
        if self.kills[report.run] < self.times.get(report.run, 0):
            with suppress(OSError):  # another worker died while it was asked
                [address] = [w for w, held in self.client.processing().items() if report.run in held]
                os.kill(self.client.run(os.getpid, workers=[address])[address], signal.SIGKILL)
                self.kills[report.run] += 1

    def ended(self, run: Ended) -> None:
        """Take note."""
        self.all.append(run)

    def tick(self) -> None:
        """Nothing."""


@contextmanager
def processes(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and workers as other machines would run them, each in a folder and with scratch space of its own."""
    dask = [sys.executable, "-m", "dask"]
    file = folder / "scheduler.json"
    settings = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1.0"}
    common = {"env": os.environ | settings, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    at = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    running = [subprocess.Popen([*dask, "scheduler", "--port", "0", *at], **common)]
    for number in range(workers):
        own = folder / f"machine-{number}"
        own.mkdir()
        environment = common["env"] | {"RECALL_SCRATCH": str(own), "PYTHONPATH": os.pathsep.join(sys.path)}
        running.append(
            subprocess.Popen(
                [*dask, "worker", "--nthreads", "1", "--death-timeout", "20", *at],
                **(common | {"env": environment, "cwd": own}),
            )
        )
    try:
        wait_until(file.exists)
        yield json.loads(file.read_text())["address"], running
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


def sweep_and_tell(root: str, folder: str, n: int) -> None:
    """Sweep on this machine, and leave in a file how runs ended and how many steps of each this process trained."""
    with cluster.local(2) as client:
        watch = Killer(client, {})
        sweep(specs(n), Store(Path(root), {}), client, watch)
    content = {"states": {run.run: run.state for run in watch.all}, "trained": watch.trained}
    Path(folder, f"{os.getpid()}.json").write_text(json.dumps(content))


def told(file: Path) -> dict:
    """What it left."""
    return json.loads(file.read_text())


class Suicide(Killer):
    """Kills its own process once both runs have a checkpoint, after printing the processes of both workers."""

    def reported(self, report: Report) -> None:
        """Die."""
        self.trained[report.run] = report.steps
        if all(checkpoint_of(spec).exists() for spec in specs(2)):
            print(*self.client.run(os.getpid).values(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def sweep_and_die(root: str) -> None:
    """Begin a sweep on this machine, and be killed."""
    with cluster.local(2) as client:
        sweep(specs(2), Store(Path(root), {}), client, Suicide(client, {}))


class Herald(Killer):
    """Says when the first run has reported."""

    def reported(self, report: Report) -> None:
        """Say so."""
        if not self.trained:
            print("begun", flush=True)
        self.trained[report.run] = report.steps


def sweep_at(address: str, root: str, updates: int) -> None:
    """Sweep one run on a running cluster."""
    try:
        with cluster.remote(address) as client:
            sweep(specs(1, updates), Store(Path(root), {}), client, Herald(client, {}))
    except TrainingStoppedError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)  # without waiting for a scheduler that is no more


def is_trained(folder: Path, spec: RunSpec) -> bool:
    """Whether a process with that scratch space trains a specification now."""
    try:
        FileLock(folder / "locks" / f"{checkpoint_of(spec).stem}.lock").acquire(timeout=0).lock.release()
    except Timeout:
        return True
    return False


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Return as soon as it is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
