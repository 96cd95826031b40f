"""The benchmarks run, and their last line is for programs."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PROMISED = {
    "a2c": {"recall", "recall_20_seeds", "sb3", "ratio_sb3", "ratio_sb3_20_seeds"},
    "stepping": {"recall", "recall_20_seeds", "recall_1000_seeds", "gymnasium", "ratio_gymnasium"},
    "four_rooms": {"environment", "learner", "all", "runs", "seconds_2_cores"},
}
"""What the last line of each benchmark names."""


def run(root: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"benchmarks/{name}.py", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)


def test_every_benchmark_is_tried(root: Path) -> None:
    scripts = {path.stem for path in (root / "benchmarks").glob("*.py") if "__main__" in path.read_text()}
    assert scripts == set(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_the_last_line_is_json(root: Path, name: str) -> None:
    done = run(root, name, "--quick")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == PROMISED[name]
    assert min(found.values()) > 0
    for ratio in (key for key in found if key.startswith("ratio_")):
        contender = "recall_20_seeds" if ratio.endswith("20_seeds") else "recall"
        peer = ratio.removeprefix("ratio_").removesuffix("_20_seeds")
        assert found[ratio] == pytest.approx(found[contender] / found[peer], rel=1e-2)


def test_an_unknown_environment_is_refused(root: Path) -> None:
    done = run(root, "stepping", "--env", "side-12")
    assert done.returncode == 2
    assert "side-11" in done.stderr


def test_the_page_is_timed_by_phase(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(root / "benchmarks")
    from four_rooms import makespan, speeds  # type: ignore[import-not-found, unused-ignore]

    phases = {"environment": 1.0, "learner": 4.0, "evaluation": 10.0}
    timing = pd.DataFrame({"phase": phases.keys(), "seconds": phases.values()})
    (row,) = speeds([("side-11", "baseline", 1000, timing)]).to_dict("records")
    assert (row["environment"], row["learner"], row["all"], row["seconds"]) == (1000, 250, 200, 15)
    assert row["recall"] != row["recall"]
    assert makespan([2, 3, 2, 3, 2], cores=2) == 7
