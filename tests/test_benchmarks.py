"""The benchmarks run, their last line is for programs, and what they keep is for the book."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from recall.analysis.performance import CORES, Benchmark, benchmarks, made, shown
from recall.analysis.records import find_records
from recall.runs import processor_family

PROMISED = {
    "a2c": {"recall", "recall_20_seeds", "sb3", "ratio_sb3", "ratio_sb3_20_seeds"},
    "stepping": {"recall", "recall_20_seeds", "recall_1000_seeds", "gymnasium", "ratio_gymnasium"},
    "points": {"recall", "recall_100", "gymnasium", "ratio_gymnasium"},
    "four_rooms": {"environment", "learner", "all", "runs", f"seconds_{CORES}_cores"},
    "sweep": {"one_worker", "two_workers", "ratio_one_worker", "seconds_1000_runs", "seconds_1000_reports"},
    "trpo": {
        *("recall", "recall_one", "sb3", "sb3_one", "physics", "ratio_sb3", "ratio_sb3_one"),
        *("seconds_environment", "seconds_learner"),
    },
}
"""What the last line of each benchmark names."""

SLOW = {"sac": {"HalfCheetah-v5"}, "sac_scaling": {"runs", "observation", "buffer", "bytes"}}
"""The same of those that compile first; what they name are tables of numbers."""

LONG = ("sweep", "trpo")
"""Those of `PROMISED` that take longer than all others together."""

VERSIONS = ("torch", "numpy", "gymnasium", "stable-baselines3")
"""Packages whose versions are kept with a result."""


def run(root: Path, name: str, *options: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"benchmarks/{name}.py", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the benchmarks of this file keep what they find."""
    return tmp_path_factory.mktemp("benchmarks") / "results"


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in PROMISED]
)
def quick(request: pytest.FixtureRequest, root: Path, results: Path) -> tuple[str, dict[str, float]]:
    """A benchmark that was run quickly and kept its result: its name, and what its last line says."""
    done = run(root, request.param, "--quick", "--save", str(results))
    assert done.returncode == 0, done.stderr
    return request.param, json.loads(done.stdout.splitlines()[-1])


def test_every_benchmark_is_tried(root: Path) -> None:
    assert {each.name for each in benchmarks(root / "benchmarks")} == PROMISED.keys() | SLOW.keys()


def test_the_last_line_is_json(quick: tuple[str, dict[str, float]]) -> None:
    name, found = quick
    assert found.keys() == PROMISED[name]
    assert min(found.values()) > 0
    for ratio in (key for key in found if key.startswith("ratio_")):
        variant = next((each for each in ("_20_seeds", "_one") if ratio.endswith(each)), "")
        contender = "two_workers" if name == "sweep" else f"recall{variant}"
        peer = ratio.removeprefix("ratio_").removesuffix("_20_seeds")
        assert found[ratio] == pytest.approx(found[contender] / found[peer], rel=1e-2)


def test_what_is_kept_is_what_the_line_says(quick: tuple[str, dict[str, float]], results: Path) -> None:
    name, found = quick
    kept = json.loads((results / f"{name}@{processor_family()}.json").read_text())
    assert kept["line"] == found
    assert kept["command"].startswith(f"python benchmarks/{name}.py")
    assert kept["command"].endswith("--quick")
    machine = kept["machine"]
    assert (machine["processor"], machine["threads"]) == (processor_family(), 1)
    assert {package: version(package) for package in VERSIONS}.items() <= machine["versions"].items()


def test_the_book_can_read_what_is_kept(quick: tuple[str, dict[str, float]], results: Path) -> None:
    name, found = quick
    (result,) = Benchmark(results.parent / f"{name}.py").results
    table = shown(name, result).droplevel(0)
    read = {contender.replace(" ", "_"): float(rate.replace(",", "")) for contender, rate in table["steps/s"].items()}
    assert read == {key: round(found[key]) for key in read}
    assert read.keys() == {key for key in found if key.split("_")[0] not in ("ratio", "runs", "seconds")}
    assert processor_family() in made(result)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_those_that_compile_run_too(root: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "results"
    done = run(root, name, "--quick", "--save", str(folder), timeout=1200)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == SLOW[name]
    assert min(number for table in found.values() for number in table.values()) > 0
    (result,) = Benchmark(tmp_path / f"{name}.py").results
    assert result["line"] == found
    assert shown(name, result).index.unique(0).size == len(found.keys() - {"bytes"})


def test_a_quick_look_is_no_result(root: Path) -> None:
    before = sorted((root / "benchmarks").rglob("*.json"))
    done = run(root, "stepping", "--quick", "--save")
    assert done.returncode == 2
    assert "--save FOLDER" in done.stderr
    assert sorted((root / "benchmarks").rglob("*.json")) == before


def test_the_stored_runs_are_timed_where_they_were_trained(root: Path, results: Path) -> None:
    done = run(root, "four_rooms", "--env", "side-11", "--save", str(results / "stored"))
    (kept,) = map(json.loads, (file.read_text() for file in (results / "stored").iterdir()))
    assert kept["line"] == json.loads(done.stdout.splitlines()[-1])
    assert kept["command"] == "python benchmarks/four_rooms.py --env side-11"
    provenance = [record.provenance for record in find_records(root / "papermill_runs/records", "four-rooms")]
    assert kept["machine"]["commit"] in {each["commit"] for each in provenance}
    assert kept["machine"]["date"] in {each["date"] for each in provenance}


def test_an_unknown_environment_is_refused(root: Path) -> None:
    done = run(root, "stepping", "--env", "side-12")
    assert done.returncode == 2
    assert "side-11" in done.stderr


def test_the_page_is_timed_by_phase(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(root / "benchmarks")
    from four_rooms import speeds  # type: ignore[import-not-found, unused-ignore]

    phases = {"environment": 1.0, "learner": 4.0, "evaluation": 10.0}
    timing = pd.DataFrame({"phase": phases.keys(), "seconds": phases.values()})
    (row,) = speeds([("side-11", "baseline", 1000, timing)]).to_dict("records")
    assert (row["environment"], row["learner"], row["all"], row["seconds"]) == (1000, 250, 200, 15)
    assert row["recall"] != row["recall"]
