"""What the page on when to use recall traces says of records made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_records import write_record

from recall.analysis.conditions import FEW, HELPED, HURT, OPEN, Tried, finding, in_tasks, overview, tried
from recall.analysis.records import Record, find_records
from recall.analysis.stats import Interval

SEEDS = np.arange(6)
RECALL = {"length": 20}


def write(root: Path, page: str, env: str, arm: str, level: float, seeds: int = 6) -> None:
    """A record whose seeds lie closely around a level; recall takes a tenth of the time, traces have 4 steps."""
    steps = np.arange(5) * 100
    rows = [(seed, step, level + seed / 100) for seed in range(seeds) for step in steps]
    metrics = pd.DataFrame(rows, columns=["seed", "step", "return"]).assign(success=lambda f: f["return"])
    timing = {"phase": ["environment", "learner", "recall"], "seconds": [4.0, 5.0, 1.0]}
    tables = {"metrics": metrics, "timing": pd.DataFrame(timing)}
    if arm != "baseline":
        tables["recall"] = metrics[["seed", "step"]].assign(trace_length=4.0)
    write_record(root, tables, page=page, env=env, arm=arm, recall=None if arm == "baseline" else RECALL)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Rooms that are helped, TRPO that is hurt in one task and not in another, SAC with two seeds."""
    root = tmp_path_factory.mktemp("records")
    levels = {
        ("four-rooms", "side-11"): {"baseline": 0.5, "learned": 0.75, "true": 0.9},
        ("trpo", "Ant-v5"): {"baseline": 1.0, "recall": 1.0},
        ("trpo", "Hopper-v5"): {"baseline": 2.0, "recall": 1.0},
    }
    for (page, env), arms in levels.items():
        for arm, level in arms.items():
            write(root, page, env, arm, level)
    write(root, "baselines", "Walker2d-v5", "baseline", 1.0, seeds=2)
    write(root, "sac", "Walker2d-v5", "recall", 3.0, seeds=2)
    return find_records(root)


@pytest.mark.parametrize(
    ("interval", "seeds", "word"),
    [((0.1, 0.2), 5, HELPED), ((-0.2, -0.1), 5, HURT), ((-0.1, 0.1), 5, OPEN), ((0.1, 0.2), 4, FEW)],
)
def test_an_interval_decides_with_seeds_enough(interval: tuple[float, float], seeds: int, word: str) -> None:
    assert finding(Interval(sum(interval) / 2, *interval), seeds) == word


def test_an_interval_that_touches_zero_shows_nothing() -> None:
    assert finding(Interval(0.1, 0.0, 0.2), 5) == OPEN


def test_every_task_with_both_arms_is_counted(records: list[Record]) -> None:
    kinds = tried(records)
    assert [(each.kind.name, dict(each.compared[["env", "finding"]].to_numpy())) for each in kinds] == [
        ("actor-critic, four rooms", {"side-11": HELPED}),
        ("SAC, MuJoCo", {"Walker2d-v5": FEW}),
        ("TRPO, MuJoCo", {"Ant-v5": OPEN, "Hopper-v5": HURT}),
    ]
    assert in_tasks(kinds, HELPED) == "actor-critic, four rooms (side 11)"
    assert in_tasks(kinds, HURT) == "TRPO, MuJoCo (Hopper-v5)"
    assert in_tasks(kinds[:1], HURT) == "none"


def test_without_its_baseline_a_kind_is_left_out(records: list[Record]) -> None:
    alone = [record for record in records if record.labels["arm"] != "baseline"]
    assert tried(alone) == []
    assert tried([]) == []


def test_the_overview_says_what_was_found_and_what_to_do(records: list[Record]) -> None:
    table = overview(tried(records))
    for text in (
        "helped in 1 of 1 task",
        "hurt in 1 and not shown in 1 of 2 tasks",
        "few seeds in 1 of 1 task",
        "4 of 20",
        "10 %",
        "worth a try",
        "leave it",
        "wait for more seeds",
    ):
        assert text in table
    assert "depends on the task" not in table


def test_a_difference_is_a_share_of_the_baseline(records: list[Record]) -> None:
    trust_regions: Tried = tried(records)[-1]
    estimates = dict(trust_regions.compared[["env", "estimate"]].to_numpy())
    assert estimates["Ant-v5"] == pytest.approx(0)
    assert estimates["Hopper-v5"] == pytest.approx(-1 / 2.025)
