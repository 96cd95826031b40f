"""The page *performance*: what benchmarks kept is read, what is missing is said, and the seconds add up."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_records import curves, write_record

from recall.analysis.performance import (
    benchmarks,
    made,
    makespan,
    seconds,
    seconds_for_people,
    shown,
    stored_time_in_words,
    time_in_words,
    totals,
    where_trained,
)
from recall.analysis.records import Record, find_records
from recall.analysis.scaling import on_paper
from recall.errors import RecordError

MACHINE: dict[str, Any] = {
    "processor": "x", "threads": 1, "date": "2026-02-03T04:05:06+00:00", "versions": {"torch": "2.13.0"},
    "commit": "a" * 40, "dirty": False,
}  # fmt: skip
LINE = {"recall": 1234.4, "recall_20_seeds": 10_000.0, "peer": 400.0, "ratio_peer": 3.086, "ratio_peer_20_seeds": 25.0}
RESULT: dict[str, Any] = {"measured": "steps", "command": "python x.py", "line": LINE, "machine": MACHINE}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two benchmarks, one of which has a result, and a module that is none."""
    for name in ("kept", "missing"):
        (tmp_path / f"{name}.py").write_text(f'"""About {name}.\n\nMore."""\nfrom windows import keep\n')
    (tmp_path / "windows.py").write_text('"""Shared."""\n')
    (tmp_path / "another.py").write_text('"""Measures no speed."""\nif __name__ == "__main__": ...\n')
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "kept@x.json").write_text(json.dumps(RESULT))
    return tmp_path


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """An arm without recall in one environment, one with recall in another."""
    spent = {
        ("side-15", "baseline"): {"environment": 10.0, "recall": 0.0, "learner": 20.0, "evaluation": 0.0},
        ("side-11", "learned"): {"environment": 5.0, "recall": 60.0, "learner": 20.0, "evaluation": 5.0},
    }
    for (env, arm), phases in spent.items():
        timing = pd.DataFrame({"phase": phases.keys(), "seconds": phases.values()})
        write_record(tmp_path, {"metrics": curves([0.5]), "timing": timing}, env=env, arm=arm)
    return find_records(tmp_path)


def test_the_time_of_a_training_is_told_by_what_it_goes_to() -> None:
    """A million steps at 50,000 a second take the simulator 20 of 40 seconds."""
    line = {"physics": 50_000.0, "seconds_environment": 28.0, "seconds_learner": 12.0}
    words = {"whole": "40.0", "physics": "20.0 (50 %)", "rest": "8.0 (20 %)", "learner": "12.0 (30 %)"}
    assert time_in_words(line) == words


def test_what_stored_runs_took_is_their_median(tmp_path: Path) -> None:
    for seed in range(3):
        phases = {"environment": 4.0 * (seed + 1), "learner": 1.0, "evaluation": 100.0}
        timing = pd.DataFrame({"phase": phases.keys(), "seconds": phases.values()})
        write_record(tmp_path, {"metrics": curves([0.5]), "timing": timing}, seed=seed)
    assert stored_time_in_words(find_records(tmp_path)) == "9"
    assert stored_time_in_words([]) == "–"


def test_results_lie_beside_their_scripts(folder: Path) -> None:
    kept, missing = benchmarks(folder)
    assert (kept.name, kept.about, kept.results) == ("kept", "About kept.", [RESULT])
    assert (missing.name, missing.results, missing.command) == ("missing", [], "python benchmarks/missing.py --save")


def test_every_processor_has_a_result_and_the_newest_comes_first(folder: Path) -> None:
    newer = RESULT | {"machine": MACHINE | {"processor": "y", "date": "2026-02-04T00:00:00+00:00"}}
    (folder / "results" / "kept@y.json").write_text(json.dumps(newer))
    (folder / "results" / "kept_otherwise@y.json").write_text("{")
    assert benchmarks(folder)[0].results == [newer, RESULT]


def test_stored_runs_stand_beside_the_result_of_their_processor(tmp_path: Path) -> None:
    write_record(tmp_path, {"metrics": curves([0.5])}, numerics={"processor": "y"})
    records = find_records(tmp_path)
    theirs = RESULT | {"machine": MACHINE | {"processor": "y"}}
    assert where_trained([RESULT, theirs], records) == theirs
    assert where_trained([RESULT], records) == where_trained([RESULT, theirs], []) == RESULT


def test_a_damaged_result_is_refused(folder: Path) -> None:
    (folder / "results" / "kept@x.json").write_text("{")
    with pytest.raises(RecordError, match=r"python benchmarks/kept\.py --save"):
        _ = benchmarks(folder)[0].results


def test_rates_stand_beside_the_peer() -> None:
    table = shown("a2c", RESULT).loc["a2c"]
    assert table["steps/s"].to_dict() == {"recall": "1,234", "recall 20 seeds": "10,000", "peer": "400"}
    assert table["times peer"].to_dict() == {"recall": "3.09", "recall 20 seeds": "25", "peer": "1"}


def test_without_a_peer_there_is_no_ratio() -> None:
    table = shown("four_rooms", RESULT | {"line": {"environment": 2.0, "runs": 36, "seconds_2_cores": 5.0}})
    assert list(table) == ["steps/s"]
    assert list(table.index) == [("four_rooms", "environment")]


def test_environments_are_compared_each_with_its_own_peers() -> None:
    """Where a peer was left out, nothing is said."""
    line = {"A-v5": LINE, "B-v5": {"recall": 10.0, "peer": 5.0, "other": 2.0, "ratio_peer": 2.0, "ratio_other": 5.0}}
    table = shown("sac", RESULT | {"line": line})
    assert table.loc["A-v5", "times peer"].to_list() == ["3.09", "25", "1"]
    assert table.loc["B-v5", "times peer"].to_list() == ["2", "1", "0.4"]
    assert table.loc["A-v5", "times other"].to_list() == ["–"] * 3


def test_growth_is_told_by_what_varies() -> None:
    sizes = {
        "runs": {"1": 2.0, "5": 9.0},
        "observation": {"A-v5": 2.0, "B-v5": 3.0},
        "buffer": {"1000000": 2.5},
        "bytes": {"A-v5": 168, "B-v5": 1436},
    }
    table = shown("sac_scaling", RESULT | {"line": sizes})
    assert table.loc[("seeds updated together", "5")].to_list() == ["9", "4.5", "–"]
    assert table.loc[("environment", "B-v5")].to_list() == ["3", "1.5", "1,436"]
    assert table.loc[("transitions in the buffer", "1,000,000")].to_list() == ["2.5", "1", "–"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "2026-02-03, x, 1 thread, commit aaaaaaa; torch 2.13.0"),
        ({"threads": 2, "dirty": True}, "2026-02-03, x, 2 threads, commit aaaaaaa with changes; torch 2.13.0"),
        ({"commit": f"{'a' * 40} and {'b' * 40}"}, "2026-02-03, x, 1 thread, commit aaaaaaa and bbbbbbb; torch 2.13.0"),
        ({"commit": ""}, "2026-02-03, x, 1 thread, commit unknown; torch 2.13.0"),
    ],
)
def test_the_machine_is_named(change: dict[str, Any], said: str) -> None:
    assert made(RESULT | {"machine": MACHINE | change}) == f"Measured: steps; {said}"


def test_seconds_by_phase(records: list[Record]) -> None:
    table = seconds(records)
    assert table.loc[("side-11", "learned")].to_list() == [5, 60, 20, 5]
    shown = seconds_for_people(table)
    assert list(shown.index) == [("side 11", "learned model"), ("side 15", "baseline")]
    assert shown.loc[("side 15", "baseline")].to_list() == ["10.0", "–", "20.0", "–", "30.0"]


def test_totals_add_up(records: list[Record]) -> None:
    found = totals(seconds(records))
    assert (found["groups"], found["core_minutes"], found["cores"], found["minutes"]) == ("2", "2.0", "2", "1.5")
    assert (found["share_recall"], found["share_environment"]) == ("50 %", "12 %")


def test_free_cores_take_the_longest_run_left() -> None:
    assert makespan([2, 3, 2, 3, 2], cores=2) == 7
    assert makespan([2, 3], cores=1) == 5


# Many workers, on paper


def test_many_workers_are_reckoned_from_what_was_measured(tmp_path: Path) -> None:
    timing = pd.DataFrame({"phase": ["environment"], "seconds": [300.0]})
    for seed in range(3):
        write_record(tmp_path, {"metrics": curves([0.5]), "timing": timing}, page="trpo", env="Ant-v5", seed=seed)
    records = [replace(each, provenance={"wall_clock_s": 300.0, "threads": 1}) for each in find_records(tmp_path)]
    words = on_paper({"seconds_1000_runs": 2.0, "seconds_1000_reports": 0.1}, records, workers=600)
    assert words["run_minutes"] == "5"
    assert words["ended"] == "120"  # 600 workers, 300 seconds each
    assert words["reports"] == "6.0 %"
    assert words["runs"] == "0.4 %"
    assert words["most"] == "500"
    assert words["files"] == "4"  # two tables, the specification, where it comes from
    size = sum(file.stat().st_size for file in records[0].path.iterdir())
    assert float(words["kilobytes"]) == pytest.approx(size / 1000, abs=0.5)
    with pytest.raises(RecordError, match="no records tell how long a run takes"):
        on_paper({}, [], 10)
