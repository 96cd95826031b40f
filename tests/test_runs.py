"""Specifications and their records: what makes two runs the same, and that a record is whole, true, or absent."""

import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_runs import AGENT, small_spec, texts

from recall import runs
from recall.agents.actor_critic import ActorCriticConfig
from recall.analysis.records import find_records, load_record, tidy
from recall.envs.four_rooms import FourRoomsConfig
from recall.errors import ConfigError, RecordError
from recall.identity import file_sha256
from recall.recaller import RecallConfig
from recall.runs import Result, numerics, write_record
from recall.training import train

CLAIMS = {"6.1-true-helps": "0" * 12}
SPEC = small_spec("true", updates=12)


@pytest.fixture(scope="module")
def result() -> Result:
    """What a small training gave."""
    return train(SPEC)


@pytest.fixture
def record(result: Result, tmp_path: Path) -> Path:
    """Its record."""
    return write_record(tmp_path, SPEC, result, CLAIMS)


# Identity


def test_settings_hold_everything_that_was_set() -> None:
    settings = SPEC.settings
    assert settings["env"] == {"side": 7, "start": "corner", "slip": 0.0, "horizon": 100}
    assert settings["agent_config"]["hidden"] == [16, 16]
    assert settings["recall"]["model"] == "true"
    assert settings["versions"] == {
        "env": FourRoomsConfig.version, "agent": ActorCriticConfig.version, "recall": RecallConfig.version
    }  # fmt: skip
    assert settings == json.loads(json.dumps(settings))
    assert small_spec().settings["recall"] is None
    assert "recall" not in small_spec().settings["versions"]


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "environment": lambda: {"env": FourRoomsConfig(side=7, slip=0.1)},
    "agent": lambda: {"agent": replace(AGENT, entropy=0.02)},
    "recall": lambda: {"recall": replace(SPEC.recall, weight=0.5)} if SPEC.recall else {},
    "no recall": lambda: {"recall": None},
    "seeds": lambda: {"seeds": (0, 2)},
    "order of seeds": lambda: {"seeds": (1, 0)},
    "steps": lambda: {"total_steps": SPEC.total_steps + 1},
    "evaluation": lambda: {"eval_every": 4},
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_setting_is_part_of_the_identity(change: str) -> None:
    assert replace(SPEC, **CHANGES[change]()).key != SPEC.key


def test_labels_are_not() -> None:
    assert replace(SPEC, page="x", arm="y", env_label="z").key == SPEC.key


@pytest.mark.parametrize("part", [FourRoomsConfig, ActorCriticConfig, RecallConfig])
def test_a_raised_version_is_another_identity(part: type, monkeypatch: pytest.MonkeyPatch) -> None:
    key, baseline = SPEC.key, small_spec().key
    monkeypatch.setattr(part, "version", 99)
    assert SPEC.key != key
    assert (small_spec().key != baseline) == (part is not RecallConfig)


def test_numerics_name_what_decides_the_last_digits() -> None:
    found = numerics(small_spec(seeds=tuple(range(20))))
    assert set(found) == {"engine", "precision", "group", "torch", "numpy", "processor"}
    assert found["group"] == 20
    assert all(found.values())


def test_the_processor_is_named_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert runs.processor_family() == platform.machine()
    monkeypatch.setattr(Path, "read_text", lambda *_: "vendor_id\t: V\ncpu family\t: 6\nmodel\t\t: 85\nvendor_id\t: V")
    assert runs.processor_family() == "V-6-85"
    monkeypatch.setattr(Path, "read_text", lambda *_: "")
    assert runs.processor_family() == platform.machine()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": ()}, "seeds are"),
        ({"seeds": (1, 1)}, "seeds are"),
        ({"seeds": (-1,)}, "seeds are"),
        ({"seeds": (2**32,)}, "from 0 to 4294967295"),
        ({"total_steps": 63}, "at least one evaluation"),
        ({"eval_every": 13}, "at least one evaluation"),
        ({"eval_every": 0}, "at least one evaluation"),
    ],
)
def test_a_specification_that_cannot_be_trained_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        replace(SPEC, **wrong)


def test_only_whole_rollouts_are_trained_on() -> None:
    assert replace(SPEC, total_steps=12 * 64 + 63).n_updates == SPEC.n_updates == 12


# Records


def test_a_record_is_what_was_trained(record: Path, result: Result, tmp_path: Path) -> None:
    assert record == tmp_path / "small" / f"side-7-true-{SPEC.key}"
    loaded = load_record(record)
    assert loaded.labels == {"page": "small", "arm": "true", "env_label": "side-7"}
    assert loaded.settings == SPEC.settings
    assert loaded.numerics == numerics(SPEC)
    assert loaded.provenance["claims"] == CLAIMS
    for name, text in texts(result).items():
        assert (record / f"{name}.csv").read_text() == text
    assert tidy([loaded])["success"].tolist() == pytest.approx(result.tables["metrics"]["success"], rel=1e-5)


def test_every_file_but_the_provenance_and_the_timing_has_its_checksum(record: Path) -> None:
    files = {path.name for path in record.iterdir()}
    assert files == {"provenance.json", "timing.csv", "spec.json"} | {
        f"{name}.csv" for name in ("metrics", "recall", "occupancy", "traces", "values")
    }
    checksums = load_record(record).provenance["sha256"]
    assert checksums == {name: file_sha256(record / name) for name in files - {"provenance.json", "timing.csv"}}


def test_provenance_says_where_when_and_with_what(record: Path, result: Result) -> None:
    provenance = load_record(record).provenance
    assert {"commit", "dirty", "date", "processor", "threads", "platform", "python"} < set(provenance)
    assert provenance["versions"].keys() == {"recall", "torch", "numpy", "pandas", "gymnasium"}
    assert provenance["wall_clock_s"] == pytest.approx(result.timing["seconds"].sum(), abs=1e-3)
    assert pd.read_csv(record / "timing.csv")["phase"].tolist() == result.timing["phase"].tolist()


def test_two_records_of_one_identity_differ_in_nothing_that_is_compared(tmp_path: Path) -> None:
    folders = [write_record(tmp_path / name, SPEC, train(SPEC), CLAIMS) for name in ("a", "b")]
    for path in folders[0].iterdir():
        same = path.read_bytes() == (folders[1] / path.name).read_bytes()
        assert same or path.name in ("provenance.json", "timing.csv")


HASHED = ["spec.json", "metrics.csv", "recall.csv", "occupancy.csv", "traces.csv", "values.csv"]


@pytest.mark.parametrize("file", HASHED)
def test_a_record_with_a_changed_digit_is_refused(file: str, record: Path) -> None:
    path = record / file
    content = path.read_text()
    where = next(i for i in reversed(range(len(content))) if content[i].isdigit())
    path.write_text(content[:where] + str((int(content[where]) + 1) % 10) + content[where + 1 :])
    with pytest.raises(RecordError, match=rf"{file} is not as written"):
        load_record(record)


@pytest.mark.parametrize("file", [*HASHED, "provenance.json"])
def test_a_record_without_one_of_its_files_is_refused(file: str, record: Path) -> None:
    (record / file).unlink()
    with pytest.raises(RecordError, match="is missing"):
        load_record(record)


def test_a_record_under_another_runs_name_is_refused(record: Path) -> None:
    moved = record.with_name(f"side-7-true-{small_spec().key}")
    record.rename(moved)
    with pytest.raises(RecordError, match="foreign or renamed"):
        load_record(moved)


def test_a_record_in_another_pages_folder_is_refused(record: Path, tmp_path: Path) -> None:
    shutil.copytree(record, tmp_path / "four-rooms" / record.name)
    with pytest.raises(RecordError, match="belongs to page 'small'"):
        find_records(tmp_path)


# Whole or absent


def failing_at(function: Callable, call: int) -> Callable:
    """The function, but the call of that number finds the disk full."""
    calls = iter(range(10**6))

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            raise OSError("no space left on device")
        return function(*args, **kwargs)

    return wrapper


FAILURES = [
    *((os, name, call) for name in ("open", "replace") for call in (0, 7)),
    *((os, "fsync", call) for call in range(16)),  # of each file and its folder
    *((Path, "rename", call) for call in range(2)),
]


@pytest.mark.parametrize(("owner", "name", "call"), FAILURES[:-1])
def test_a_failed_write_leaves_nothing(
    owner: Any, name: str, call: int, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing_at(getattr(owner, name), call))
        with pytest.raises(OSError, match="no space"):
            write_record(tmp_path, SPEC, result, CLAIMS)
    assert [path for path in tmp_path.rglob("*") if path.name != "small"] == []


@pytest.mark.parametrize(("owner", "name", "call"), FAILURES)
def test_a_failed_write_leaves_the_old_record(
    owner: Any, name: str, call: int, record: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in record.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing_at(getattr(owner, name), call))
        with pytest.raises(OSError, match="no space"):
            write_record(record.parents[1], SPEC, result, CLAIMS)
    assert {path.name: path.read_bytes() for path in record.iterdir()} == before
    assert list(record.parent.iterdir()) == [record]


def test_a_record_is_replaced_as_a_whole(record: Path, result: Result) -> None:
    fewer = {name: table for name, table in result.tables.items() if name in ("metrics", "occupancy")}
    again = write_record(record.parents[1], SPEC, replace(result, tables=fewer), {})
    assert again == record
    assert {path.name for path in record.iterdir()} == {
        "spec.json", "provenance.json", "timing.csv", "metrics.csv", "occupancy.csv"
    }  # fmt: skip
    assert load_record(record).provenance["claims"] == {}
    assert list(record.parent.iterdir()) == [record]


def test_what_a_killed_writer_left_is_no_record(record: Path) -> None:
    shutil.copytree(record, record.with_name(f"{record.name}.4711.partial"))
    assert [found.path for found in find_records(record.parents[1])] == [record]


def test_git_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert runs.git("rev-parse", "HEAD") == ""
