"""Runs of one's own in a second: trained in the process of the test, and reported as worker processes report."""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Status
from small_control import CART, run_eagerly
from small_trust_region import AGENT, REPAIRED
from tensorboardX.proto.event_pb2 import Event

from recall import own_runs, worker
from recall.progress import Listener, Report
from recall.runs import RunSpec
from recall.store import Store
from recall.training import train

ROLLOUT = AGENT.steps_per_update
"""Steps of the small agent's update, and so of its shortest run."""

TRAIN = ["train", "--env", CART, "--agent", "trpo", "--steps", str(3 * ROLLOUT)]
"""A command that takes a second."""


def empty_checkout(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Go to an empty checkout, with a scratch space of its own; nothing is compiled there."""
    (folder / "papermill_runs").mkdir()
    patch.chdir(folder)
    patch.setenv("RECALL_SCRATCH", str(folder / "scratch"))
    run_eagerly(patch)
    return folder


def left_behind(folder: Path) -> list[str]:
    """Files that a command made."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def train_here(patch: pytest.MonkeyPatch) -> list[Report]:
    """Let commands train a small TRPO in this process, with a report after every update; what was reported."""
    reports: list[Report] = []

    def train_missing(specs: Sequence[RunSpec], store: Store, workers: int | None, listener: Listener) -> None:
        def log_event(topic: str, event: dict[str, Any]) -> None:
            reports.append(Report(**json.loads(json.dumps(event))))  # what survives a wire
            listener(reports[-1])

        patch.setattr(worker, "get_worker", lambda: a_worker(log_event))
        for spec in specs:
            store.add(spec, store.files(spec, train(spec, None, worker.Reporter(spec))))

    small = {"agent": AGENT, "arms": {"baseline": None, "recall": REPAIRED}, "least": ROLLOUT}
    patch.setitem(own_runs.FAMILIES, "trpo", own_runs.FAMILIES["trpo"]._replace(**small))
    patch.setattr(worker, "REPORT_SECONDS", 0)
    patch.setattr(own_runs, "train_missing", train_missing)
    return reports


def a_worker(log_event: Any) -> SimpleNamespace:
    """What a training knows of the worker that it runs in."""
    state = SimpleNamespace(tasks={"key": SimpleNamespace(state="executing")})
    return SimpleNamespace(get_current_task=lambda: "key", state=state, status=Status.running, log_event=log_event)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value by tag, of all files of a folder."""
    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.glob("events.*")):
        for event in events(file.read_bytes()):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def events(content: bytes) -> Iterator[Event]:
    """The events of a file: each is its length, a checksum of that, itself, a checksum of it."""
    place = 0
    while place < len(content):
        (length,) = struct.unpack("<Q", content[place : place + 8])
        yield Event.FromString(content[place + 12 : place + 12 + length])
        place += 12 + length + 4
