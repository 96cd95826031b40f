"""A folder of records: what is in it, what of a training it keeps, and what it leaves when the disk is full."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_runs import small_spec

from recall import runs
from recall.analysis.records import load_record
from recall.errors import RecordError
from recall.runs import POLICY
from recall.storage import write_atomic
from recall.store import Store
from recall.training import train


def test_a_store_keeps_the_policies_it_is_asked_to(tmp_path: Path) -> None:
    layers = {"actor.0": np.ones((1, 2, 3), np.float32)}
    for seeds, kept in ((None, [True, True]), ((0,), [True, False]), ((), [False, False])):
        store = Store(tmp_path / str(seeds), {}, seeds)
        for seed, policy in enumerate(kept):
            spec = small_spec(seeds=(seed,), updates=3)
            store.add(spec, store.files(spec, replace(train(spec), policy=layers)))
            assert (store.path(spec) / POLICY).is_file() == policy
            assert (POLICY in load_record(store.path(spec)).provenance["sha256"]) == policy


def test_a_record_carries_the_rules_of_its_page(tmp_path: Path) -> None:
    store, spec = Store(tmp_path, {"small": {"some-claim": "abc"}, "other": {"other-claim": "def"}}), small_spec()
    assert spec not in store
    store.add(spec, store.files(spec, train(spec)))
    assert spec in store
    assert load_record(store.path(spec)).provenance["claims"] == {"some-claim": "abc"}


def test_what_a_full_disk_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a new record, all of an older one, and a sentence that says what to do."""
    store, spec = Store(tmp_path, {}), small_spec(updates=3)
    files = store.files(spec, train(spec))

    def full(path: Path, content: bytes) -> None:
        if path.name == "provenance.json":
            raise OSError(28, "No space left on device")
        write_atomic(path, content)

    monkeypatch.setattr(runs, "write_atomic", full)
    with pytest.raises(RecordError, match=r"could not be written \(No space left on device\); make room"):
        store.add(spec, files)
    assert list(tmp_path.glob("*/*")) == []
    with monkeypatch.context() as room:
        room.setattr(runs, "write_atomic", write_atomic)
        store.add(spec, files)
    with pytest.raises(RecordError):
        store.add(spec, files)
    assert load_record(store.path(spec)).spec["key"] == spec.key


def test_what_a_crash_left_of_a_record_is_no_record(tmp_path: Path) -> None:
    store, spec = Store(tmp_path, {}), small_spec(updates=3)
    left = store.path(spec).with_name(f"{store.path(spec).name}.123.partial")
    left.mkdir(parents=True)
    (left / "spec.json").write_text("{}")
    store.path(spec).mkdir()
    (store.path(spec) / "metrics.csv").write_text("seed,st")
    assert spec not in store
    store.add(spec, store.files(spec, train(spec)))
    assert spec in store
    assert load_record(store.path(spec)).spec["key"] == spec.key
