"""Training what is missing: stored once, in parallel, and going on after a worker was killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_runs import small_spec, texts

from recall import sweep
from recall.analysis.records import load_record
from recall.checkpoints import Checkpoint
from recall.errors import CheckpointError, NonFiniteError, RecordError, TrainingStoppedError
from recall.on_policy import OnPolicyTraining
from recall.progress import Steps
from recall.runs import POLICY, Result, RunSpec
from recall.sweep import Store, checkpoint_of, cores, one_thread, steps_of, train_missing
from recall.training import train

CLAIMS = {"small": {"some-claim": "abc"}, "other": {"other-claim": "def"}}


def test_what_is_missing_is_trained_and_what_is_stored_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of its own, to the same bytes as here."""
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    store, specs = Store(tmp_path / "records", CLAIMS), [small_spec(), small_spec("learned")]
    assert not any(spec in store for spec in specs)
    train_missing(specs, store, workers=1, progress=False)
    for spec in specs:
        record = load_record(store.path(spec))
        assert record.provenance["claims"] == CLAIMS["small"]
        assert record.provenance["threads"] == 1
        for name, text in texts(train(spec)).items():
            assert (record.path / f"{name}.csv").read_text() == text
    assert list((tmp_path / "scratch").glob("*")) == []

    def refuse(missing: list, *_: Any) -> Any:
        raise AssertionError(f"trained {missing}")

    monkeypatch.setattr(sweep, "train_all", refuse)
    train_missing(specs, store)
    with pytest.raises(AssertionError, match=f"arm='{small_spec('true').arm}'"):
        train_missing([*specs, small_spec("true")], store, progress=False)


SCRIPT = """
import multiprocessing, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import recall.training
from recall.errors import TrainingStoppedError
from recall.sweep import Store, train_all, train_missing
from small_runs import small_spec

recall.training.CHECKPOINT_SECONDS = 0.1  # in the workers too, which import this file

def kept():
    return list(Path(os.environ["RECALL_SCRATCH"]).glob("*.checkpoint"))

def kill(steps):
    if kept():
        for child in multiprocessing.active_children():
            child.kill()

if __name__ == "__main__":
    spec = small_spec("learned", updates=400)
    try:
        list(train_all([spec], 1, kill))
    except TrainingStoppedError as error:
        print(error)
    print(*(path.name for path in kept()))
    train_missing([spec], Store(Path({root!r}), {{}}), 1, progress=False)
"""


def test_a_killed_worker_is_told_of_and_the_same_call_goes_on(tmp_path: Path) -> None:
    script, root, scratch = tmp_path / "script.py", tmp_path / "records", tmp_path / "scratch"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), root=str(root)))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=300, check=True,
        env=os.environ | {"RECALL_SCRATCH": str(scratch)},
    )  # fmt: skip
    spec = small_spec("learned", updates=400)
    told, checkpoint = done.stdout.splitlines()
    assert told == (
        "a training process was killed, perhaps for want of memory; the same command goes on from its last checkpoint"
    )
    assert checkpoint.startswith(f"{spec.key}-")
    metrics = (Store(root, {}).path(spec) / "metrics.csv").read_text()
    assert metrics == texts(train(spec))["metrics"]
    assert [path.name for path in scratch.iterdir() if path.suffix == ".checkpoint"] == []


ORPHANS = """
import multiprocessing, os, signal, sys
sys.path.insert(0, {tests!r})
import recall.sweep
from small_runs import small_spec

recall.sweep.ORPHAN_SECONDS = 0.1  # in the workers too, which import this file

def die(steps):
    if steps.taken:
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    list(recall.sweep.train_all([small_spec(updates=10**6, seeds=(seed,)) for seed in (0, 1)], 2, die))
"""


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ORPHANS.format(tests=str(Path(__file__).parent)))
    environment = os.environ | {"RECALL_SCRATCH": str(tmp_path)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in done.stdout.split()]
    assert len(workers) == 2
    deadline = time.monotonic() + 30
    while any(map(lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in workers if lives(pid)] == []


def lives(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def training(updates: int) -> Any:
    """As much of a training as the reporter looks at."""
    spec = SimpleNamespace(seeds=(0, 1), agent=SimpleNamespace(steps_per_update=10))
    return SimpleNamespace(steps=10 * updates, spec=spec)


def reporter(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Queue, threading.Event]:
    """A reporter that reports every time."""
    clock = iter(range(1000))
    monkeypatch.setattr(sweep, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    steps: Queue = Queue()
    stop = threading.Event()
    return sweep._Reporter(steps, stop), steps, stop  # type: ignore[arg-type]


def test_every_step_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    report, steps, _ = reporter(monkeypatch)
    for updates in (1, 2, 3):
        report(training(updates))
    report.flush()
    assert sweep._drain(steps) == Steps(taken=60)  # type: ignore[arg-type]
    assert sweep._drain(steps) == Steps()  # type: ignore[arg-type]


def test_what_was_done_before_a_stop_is_reported_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    report, steps, _ = reporter(monkeypatch)
    report(training(50))
    report(training(52))
    assert sweep._drain(steps) == Steps(taken=60, earlier=980)  # type: ignore[arg-type]


def test_a_training_stops_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    report, _, stop = reporter(monkeypatch)
    stop.set()
    with pytest.raises(TrainingStoppedError, match="the same command goes on from there"):
        report(training(1))


def test_steps_are_those_of_all_seeds() -> None:
    assert steps_of(small_spec(seeds=(0, 1, 2), updates=12)) == 3 * 12 * 64


def test_thread_variables_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with one_thread():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == os.cpu_count()


def test_a_checkpoint_outlives_a_result_that_could_not_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    spec, store = small_spec(), Store(tmp_path / "records", {})
    begun = OnPolicyTraining(spec)
    begun.step()
    Checkpoint(checkpoint_of(spec)).save(begun.state())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(sweep, "write_record", full)
        with pytest.raises(RecordError, match=r"could not be written \(No space left on device\); make room"):
            train_missing([spec], store, progress=False)
    assert checkpoint_of(spec).is_dir()
    assert spec not in store
    train_missing([spec], store, progress=False)
    assert spec in store
    assert not checkpoint_of(spec).exists()


def failing_workers(monkeypatch: pytest.MonkeyPatch, failures: dict[RunSpec, Exception]) -> None:
    """Let runs be trained in threads, and some of them fail."""

    def work(spec: RunSpec, checkpoint: Path) -> Result:
        if spec in failures:
            raise failures[spec]
        return train(spec)

    monkeypatch.setattr(sweep, "ProcessPoolExecutor", lambda count, *_: ThreadPoolExecutor(count))
    monkeypatch.setattr(sweep, "_work", work)


def test_a_run_that_cannot_go_on_stops_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    store, specs = Store(tmp_path / "records", {}), [small_spec(seeds=(seed,), updates=3) for seed in range(4)]
    for spec in specs:
        Checkpoint(checkpoint_of(spec)).save({"update": 1})
    failures = {specs[1]: NonFiniteError("update 3: critic_loss is NaN or infinite"), specs[2]: CheckpointError("full")}
    failing_workers(monkeypatch, failures)
    with pytest.raises(TrainingStoppedError) as stopped:
        train_missing(specs, store, workers=1, progress=False)
    sentences = [
        f"{specs[1].folder} stopped: update 3: critic_loss is NaN or infinite; the same settings stop there again, so "
        "choose others",
        f"{specs[2].folder} stopped: full",
    ]
    assert str(stopped.value) == "; ".join(sorted(sentences))
    assert [spec in store for spec in specs] == [True, False, False, True]
    assert [checkpoint_of(spec).exists() for spec in specs] == [False, True, True, False]


def test_a_store_keeps_the_policies_it_is_asked_to(tmp_path: Path) -> None:
    layers = {"actor.0": np.ones((1, 2, 3), np.float32)}
    for seeds, kept in ((None, [True, True]), ((0,), [True, False]), ((), [False, False])):
        store = Store(tmp_path / str(seeds), {}, seeds)
        for seed, policy in enumerate(kept):
            spec = small_spec(seeds=(seed,), updates=3)
            store.add(spec, replace(train(spec), policy=layers))
            assert (store.path(spec) / POLICY).is_file() == policy
            assert (POLICY in load_record(store.path(spec)).provenance["sha256"]) == policy
