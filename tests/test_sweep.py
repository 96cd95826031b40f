"""Training what is missing: stored once, in parallel, and going on after a worker was killed."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
from small_runs import small_spec, texts

from recall import checkpoints, sweep
from recall.analysis.records import load_record
from recall.errors import TrainingStoppedError
from recall.sweep import Store, checkpoint_of, cores, one_thread, steps_of, train_missing
from recall.training import Training, train

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
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=True,
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


def training(updates: int) -> Any:
    """As much of a training as the reporter looks at."""
    return SimpleNamespace(steps=10 * updates, spec=SimpleNamespace(seeds=(0, 1)))


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
    assert sweep._drain(steps) == 60  # type: ignore[arg-type]
    assert sweep._drain(steps) == 0  # type: ignore[arg-type]


def test_what_was_done_before_a_stop_is_reported_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    report, steps, _ = reporter(monkeypatch)
    report(training(50))
    assert steps.get() == 1000


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
    begun = Training(spec)
    begun.step()
    checkpoints.save(checkpoint_of(spec), begun.state())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(sweep, "write_record", full)
        with pytest.raises(OSError, match="No space left"):
            train_missing([spec], store, progress=False)
    assert checkpoint_of(spec).is_file()
    assert spec not in store
    train_missing([spec], store, progress=False)
    assert spec in store
    assert not checkpoint_of(spec).exists()
