"""The list of records, and a record by its name."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import small_spec

from recall.analysis.records import Record
from recall.errors import RecordError
from recall.listing import COLUMNS, find_run, row, rows, table
from recall.pages import store
from recall.runs import RunSpec, write_record
from recall.training import train


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, in which one is."""
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(spec: RunSpec, local: bool = False) -> Path:
    return write_record(store(local).root, spec, train(spec), {})


def test_seeds_that_were_trained_one_by_one_are_one_row() -> None:
    alone = [put(small_spec(seeds=(seed,), updates=3)) for seed in (4, 5, 6)]
    other = put(small_spec(seeds=(0, 1), updates=3))
    more = put(small_spec(seeds=(7,), updates=6))
    found = {each["path"]: (each["seeds"], each["steps"]) for each in rows(local=False)}
    pattern = str(alone[0])[:-12] + "*"
    assert found == {pattern: (3, 192), str(other): (2, 192), str(more): (1, 384)}
    assert {str(path) for path in alone} <= {str(path) for path in Path("/").glob(pattern[1:])}
    assert len(table(rows(local=False)).splitlines()) == 4


def test_an_environment_without_a_name_of_its_own_is_named_once() -> None:
    put(replace(small_spec(updates=3), env_label="recall-FourRooms"))
    put(small_spec("true", updates=3))
    spec = {"key": "k", "labels": {"page": "sac", "arm": "a", "env_label": "Hopper-v5"}, "numerics": {"group": 1}}
    settings = {"env_id": "Hopper-v5", "seeds": [0], "total_steps": 9, "versions": {}}
    record = Record(Path("Hopper-v5-a-k"), {**spec, "settings": settings}, {})
    values = ("sac", "Hopper-v5", "a", 1, 9, "Hopper-v5-a-k", {"group": 1}, {})
    assert row([record]) == dict(zip(COLUMNS, values, strict=True))
    assert [each["env_id"] for each in rows(local=False)] == [
        "recall/FourRooms-v0 (recall-FourRooms)",
        "recall/FourRooms-v0 (side-7)",
    ]


def test_a_record_is_found_by_folder_name_key_or_part(checkout: Path) -> None:
    spec, other = small_spec("true", updates=3), small_spec("true-uniform", updates=3)
    folder, _ = put(spec), put(other, local=True)
    for name in (str(folder), folder.name, spec.folder, spec.key, spec.key[:7], "rue-" + spec.key[:3]):
        assert find_run(name).path == folder
    assert find_run("uniform").path == checkout / "papermill_runs/local" / other.folder
    (folder.parent / f"{folder.name}.4711.partial").mkdir()
    (folder.parent / f"{folder.name}.4711.partial" / "spec.json").write_text("{}")
    assert find_run(spec.key).path == folder


def test_a_published_record_comes_before_the_same_local_one() -> None:
    spec = small_spec(updates=3)
    local = put(spec, local=True)
    assert find_run(spec.key).path == local
    published = put(spec)
    assert find_run(spec.key).path == published


def test_no_record_or_several_are_told_in_a_sentence() -> None:
    with pytest.raises(RecordError, match=r"^there is no run 'hopper', and no other either$"):
        find_run("hopper")
    specs = [small_spec(seeds=(seed,), updates=3) for seed in range(10)]
    for spec in specs:
        put(spec)
    with pytest.raises(RecordError) as several:
        find_run("baseline")
    assert str(several.value).startswith("10 runs have 'baseline' in their names; choose one: small/side-7-baseline-")
    assert str(several.value).endswith(" and 2 more")
    with pytest.raises(RecordError) as none:
        find_run(f"side-9-baseline-{specs[3].key}")
    sentence = str(none.value)
    assert sentence.startswith(f"there is no run 'side-9-baseline-{specs[3].key}'; the nearest are {specs[3].folder}, ")
