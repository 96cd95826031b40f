"""Whole records are read; damaged, edited, foreign and unequal ones are refused in a sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_records import NUMERICS, curves, edit_spec, seal, write_record
from hypothesis import given
from hypothesis import strategies as st

from recall.analysis.records import check_comparable, find_records, load_record, tidy
from recall.errors import RecordError
from recall.identity import canonical_json, settings_key, state_digest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_record(tmp_path, {"metrics": curves([0.5, 1.0], [300, np.nan])})


@given(JSON)
def test_a_key_survives_the_file(value: Any) -> None:
    assert settings_key(json.loads(canonical_json(value))) == settings_key(value)


def test_a_state_s_digest_is_of_names_types_shapes_and_bytes() -> None:
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = {"step": 3, "layers": {"0": numbers, "1": numbers + 1}}
    others = [
        state | {"step": 4},
        state | {"layers": {"0": numbers, "2": numbers + 1}},
        state | {"layers": {"0": numbers.T, "1": numbers + 1}},
        state | {"layers": {"0": numbers.view(np.int32), "1": numbers + 1}},
        state | {"layers": {"0": np.nextafter(numbers, 9), "1": numbers + 1}},
    ]
    digests = [state_digest(each) for each in (state, *others)]
    assert len(set(digests)) == len(digests)
    assert state_digest({"layers": {"1": numbers + 1, "0": np.asfortranarray(numbers)}, "step": 3}) == digests[0]


def test_the_key_is_the_hash_of_the_canonical_text() -> None:
    assert canonical_json({"b": [1, 0.5], "a": "é"}) == '{"a":"\\u00e9","b":[1,0.5]}'
    assert settings_key({"b": 1, "a": 2}) == settings_key({"a": 2, "b": 1}) == "d3626ac30a87"
    assert settings_key({"b": 1.0, "a": 2}) != settings_key({"b": 1, "a": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"weight": float("nan")})


def test_a_whole_record_is_read(folder: Path) -> None:
    record = load_record(folder)
    assert record.labels == {"page": "four-rooms", "arm": "baseline", "env_label": "side-11"}
    assert record.settings["seeds"] == [0, 1]
    assert record.numerics == NUMERICS
    table = record.table("metrics")
    assert table["success"].tolist() == [0.5] * 20 + [1.0] * 20
    assert table["first_reward_step"].isna().tolist() == [False] * 20 + [True] * 20


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(500)
    frame = pd.DataFrame({"seed": 0, "step": np.arange(500), "success": values})
    folder = write_record(tmp_path, {"metrics": frame})
    frame.to_csv(folder / "metrics.csv", index=False, float_format="%.17g")
    seal(folder, {})
    np.testing.assert_array_equal(load_record(folder).table("metrics")["success"], values)


def test_an_absent_and_an_unknown_table_are_told_apart(folder: Path) -> None:
    with pytest.raises(RecordError, match="holds no table 'recall'"):
        load_record(folder).table("recall")
    with pytest.raises(RecordError, match="there is no table 'metric'; a record may hold metrics"):
        load_record(folder).table("metric")


def test_only_checksummed_tables_and_timing_count(folder: Path) -> None:
    (folder / "recall.csv").write_text("seed,step\n0,1\n")
    (folder / "timing.csv").write_text("phase,seconds\nlearn,1.5\n")
    record = load_record(folder)
    assert record.table("timing")["seconds"].tolist() == [1.5]
    assert not record.has("recall")


def append(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(" ")

    return damage


def write(name: str, text: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_text(text)

    return damage


def delete(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def forge(**change: Any) -> Callable[[Path], None]:
    return lambda folder: edit_spec(folder, change)


def forge_checksums(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        provenance = json.loads((folder / "provenance.json").read_text())
        provenance["sha256"] = change(provenance["sha256"])
        (folder / "provenance.json").write_text(json.dumps(provenance))

    return damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (append("metrics.csv"), "damaged or was edited: metrics.csv is not as written; restore it, or delete"),
        (append("spec.json"), "damaged or was edited: spec.json is not as written"),
        (delete("metrics.csv"), "is damaged: metrics.csv is missing; restore it, or delete the folder and train again"),
        (delete("spec.json"), "spec.json is missing, so .* is no record; restore or delete the folder"),
        (delete("provenance.json"), "provenance.json is missing"),
        (write("provenance.json", "{"), "provenance.json is not JSON .*; restore it"),
        (write("spec.json", "[]"), "spec.json holds no JSON object"),
        (write("spec.json", "\xff{}"), "is not JSON"),
        (forge(format=2), "has format 2, newer than the 1 read here; update the package"),
        (forge(format="one"), "has format 'one'; only 1 is known here"),
        (forge(format=None), "has format None; only 1 is known"),
        (
            forge(labels={"page": "x"}),
            "was not written by this package: labels of spec.json has no str 'arm'",
        ),
        (forge(numerics=None), "spec.json has no dict 'numerics'"),
        (forge(settings={"seeds": [7], "total_steps": 1}), "was edited: its settings have key"),
        (forge(key="0" * 12), "was edited: its settings have key .*, its spec says 000000000000"),
        (forge_checksums(lambda s: {"spec.json": s["spec.json"]}), "keeps no checksum of metrics.csv"),
        (forge_checksums(lambda s: s | {"../x": "0"}), "names a file outside itself, '../x'"),
        (forge_checksums(list), "provenance.json has no dict 'sha256'"),
    ],
)
def test_what_is_not_as_written_is_refused(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    with pytest.raises(RecordError, match=sentence):
        load_record(folder)


def test_a_renamed_record_is_refused(folder: Path) -> None:
    other = folder.rename(folder.with_name("side-11-baseline-0123456789ab"))
    with pytest.raises(RecordError, match="foreign or renamed"):
        load_record(other)


def test_records_are_found_in_order_and_half_written_ones_left_out(tmp_path: Path) -> None:
    metrics = {"metrics": curves([0.5])}
    wanted = [
        write_record(tmp_path, metrics, arm=arm, env=env, page=page)
        for page, env, arm in [("a", "side-11", "x"), ("a", "side-15", "x"), ("b", "side-11", "y")]
    ]
    shutil.copytree(wanted[0], wanted[0].with_name(wanted[0].name + ".partial"))
    shutil.copytree(wanted[0], wanted[0].with_name(wanted[0].name + ".7.partial"))
    (tmp_path / "a" / "note.txt").write_text("not a folder")
    (tmp_path / "data" / "a-12345678").mkdir(parents=True)  # of the figures of a page that was run here
    assert [r.path for r in find_records(tmp_path)] == wanted
    assert [r.path for r in find_records(tmp_path, "b")] == wanted[2:]
    assert find_records(tmp_path, "c") == find_records(tmp_path / "nowhere") == []


def test_a_record_on_the_wrong_page_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "sac" / folder.name)
    with pytest.raises(RecordError, match="belongs to page 'four-rooms'; move it there"):
        find_records(tmp_path, "sac")


def test_tidy_joins_records_and_passes_over_absent_tables(tmp_path: Path) -> None:
    recall = pd.DataFrame({"seed": [0], "step": [1000], "trace_length": [5.0]})
    write_record(tmp_path, {"metrics": curves([0.5])})
    write_record(tmp_path, {"metrics": curves([0.75], [2000]), "recall": recall}, arm="learned")
    records = find_records(tmp_path)
    frame = tidy(records)
    assert frame.columns[:5].tolist() == ["page", "env", "arm", "seed", "step"]
    assert frame.groupby("arm")["success"].mean().to_dict() == {"baseline": 0.5, "learned": 0.75}
    assert tidy(records, "recall")["arm"].tolist() == ["learned"]
    assert tidy(records[:1], "recall").empty
    assert tidy([]).empty


def test_a_seed_counts_once(tmp_path: Path) -> None:
    write_record(tmp_path, {"metrics": curves([0.5])}, weight=1)
    write_record(tmp_path, {"metrics": curves([0.9])}, weight=2)
    with pytest.raises(RecordError, match="both hold seed 0 of arm 'baseline' in side-11; delete the outdated"):
        tidy(find_records(tmp_path))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"numerics": NUMERICS | {"torch": "3"}}, "numerics torch is '2' in the first, '3' in the second"),
        ({"numerics": NUMERICS | {"mujoco": "3.17.0"}}, "numerics mujoco is None"),
        ({"numerics": NUMERICS | {"group": 1}}, "numerics group"),
        ({"total_steps": 10_000}, "total_steps is 20000"),
        ({"eval_every": 8}, "eval_every"),
        ({"env": "side-15"}, "env is"),
        ({"seeds": [0]}, "number of seeds is 2 in the first, 1 in the second"),
    ],
)
def test_unequal_records_are_not_compared(tmp_path: Path, folder: Path, change: dict, field: str) -> None:
    other = write_record(tmp_path, {"metrics": curves([0.5, 1.0])}, **{"arm": "learned", **change})
    with pytest.raises(RecordError, match=f"may not be compared: {field}"):
        check_comparable(load_record(folder), load_record(other))


def test_the_engine_of_a_model_is_compared_where_both_have_one(tmp_path: Path, folder: Path) -> None:
    compiled, eager = (
        load_record(
            write_record(tmp_path, {"metrics": curves([0.5, 1.0])}, arm=arm, numerics=NUMERICS | {"model_engine": arm})
        )
        for arm in ("compiled", "eager")
    )
    for each in (compiled, eager):
        check_comparable(load_record(folder), each)
        check_comparable(each, load_record(folder))
    with pytest.raises(RecordError, match="numerics model_engine is 'compiled' in the first, 'eager' in the second"):
        check_comparable(compiled, eager)


def test_equal_records_are_compared(tmp_path: Path, folder: Path) -> None:
    other = write_record(tmp_path, {"metrics": curves([0.5, 1.0])}, arm="learned", weight=0.3)
    check_comparable(load_record(folder), load_record(other))
