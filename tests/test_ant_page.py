"""What the page ant-maze says: its floor, the paper's numbers beside those here, thresholds, hours, verdicts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_records import write_record
from goal_figures import goal_metrics, goal_tables

from recall.analysis.ant_maze import (
    PAPER,
    THRESHOLDS,
    above,
    beside_paper,
    hours_of,
    limits,
    still_coverage,
    words,
)
from recall.analysis.claims import Claim, judge, load_claims, page_hashes
from recall.analysis.gains import gains
from recall.analysis.goal_maps import coverage_maps
from recall.analysis.goal_plots import COVERAGE, OUTER_STEPS
from recall.analysis.goal_references import ANT, after
from recall.analysis.goal_steps import arrival_dots, arrivals, arrivals_for_people
from recall.analysis.records import Record, find_records, tidy


@pytest.fixture
def claims(root: Path) -> list[Claim]:
    return [claim for claim in load_claims(root / "book" / "claims.yml") if claim.page == "ant-maze"]


def records(
    folder: Path, claims: list[Claim], seeds: int = 5, outer_steps: int = 60, level: float | None = None
) -> list[Record]:
    """Made-up ones, measured after every fifth outer step; with a level nobody learns anything."""
    for arm in ("baseline", "recall"):
        for seed in range(seeds):
            tables = goal_tables("ant-u-maze", arm, seed, np.arange(0, outer_steps + 1, 5))
            if level is not None:
                noise = np.random.default_rng(seed + 10 * (arm == "recall")).normal(0, 0.01, len(tables["metrics"]))
                tables["metrics"] = tables["metrics"].assign(coverage=level + noise, **{"return": level + noise})
            hashes = page_hashes(claims, "ant-maze")
            write_record(
                folder, tables, page="ant-maze", arm=arm, env="ant-u-maze", claims=hashes, env_id="recall/AntUMaze-v0",
                seeds=[seed], total_steps=500_000 * outer_steps,
            )  # fmt: skip
    found = find_records(folder)
    for record in found:
        record.settings["env"]["reach"] = 1.0
    return found


def test_an_ant_that_stands_still_covers_what_is_near(tmp_path: Path, claims: list[Claim]) -> None:
    """Of the made-up goals, a lattice of distance 1 without its middle, the start alone is nearer than 1."""
    found = records(tmp_path, claims, seeds=1, outer_steps=5)
    assert still_coverage(found) == pytest.approx(1 / 8)
    assert above(COVERAGE, 0.125).guide == 0.125


@pytest.mark.parametrize(("highest", "end"), [(0.2, 0.704), (0.9, 0.99)])
def test_an_axis_goes_as_far_as_the_paper_or_these_runs(highest: float, end: float) -> None:
    assert limits(pd.DataFrame({"coverage": [0.1, highest]})) == pytest.approx((0, end))


def test_words_name_floor_ends_and_hours(tmp_path: Path, claims: list[Claim]) -> None:
    found = records(tmp_path, claims)
    metrics, timing = tidy(found, "metrics"), tidy(found, "timing")
    said = words(found, metrics, gains(metrics, ("recall",)), timing, judge(claims, found))
    assert (said["still"], said["untrained"], said["steps"]) == ("12 %", "6 %", "6")
    assert said["ends"] == "baseline 100 % and recall traces 100 %"
    assert said["hours"] == "0.1 (baseline) and 0.1 (recall traces)"
    assert {"fig4b", "fig3-fig9-coverage", "pilot", "gains", "time"} <= said.keys()


def test_hours_count_every_thread_of_a_run(tmp_path: Path, claims: list[Claim]) -> None:
    """Every record took a tenth of an hour; one of three of the baseline had four threads."""
    found = records(tmp_path, claims, seeds=3, outer_steps=5)
    next(record for record in found if record.labels["arm"] == "baseline").provenance["threads"] = 4
    assert hours_of(found).to_dict() == pytest.approx({"baseline": 0.2, "recall": 0.1})


def test_beside_the_paper_stand_the_last_measurements_until_then() -> None:
    frames = [
        goal_metrics("ant-u-maze", arm, seed, np.arange(0, 61, 5)).assign(env="ant-u-maze", arm=arm)
        for arm in ("baseline", "recall")
        for seed in range(2)
    ]
    metrics = pd.concat(frames, ignore_index=True)
    table = beside_paper(metrics)
    assert list(table.index) == [
        *(("baseline", f"{steps} outer steps") for steps in (5, 60, 90, 120, 180, 275, 300)),
        *(("recall traces", f"{steps} outer steps") for steps in (5, 56, 155)),
    ]
    expected = metrics[(metrics["arm"] == "recall") & (metrics["outer_step"] == 55)]["coverage"].mean()
    assert table.loc[("recall traces", "56 outer steps"), "here"] == f"{100 * expected:.0f} %"
    assert table.loc[("baseline", "60 outer steps")].tolist() == ["–", "38 %", "100 %"]
    assert table.loc[("baseline", "90 outer steps")].tolist() == ["48 %", "–", "–"]
    assert table.loc[("recall traces", "155 outer steps")].tolist() == ["64 %", "–", "–"]
    assert np.isnan(after(metrics[metrics["arm"] == "true"], 5))
    assert sum(len(stated) for stated in PAPER.values()) + len(ANT) == len(table)


def test_the_papers_coverage_is_waited_for(tmp_path: Path, claims: list[Claim]) -> None:
    metrics = tidy(records(tmp_path, claims, seeds=2), "metrics")
    times = arrivals(metrics, THRESHOLDS)
    assert set(times["threshold"]) == {0.3, 0.48, 0.63}
    titles = [panel.figure.axes[0].get_title(loc="left") for panel in arrival_dots(times)]
    assert titles == 2 * [f"until the coverage is {share} %" for share in (30, 48, 63)]
    assert list(arrivals_for_people(times, OUTER_STEPS)) == [f"coverage of {share} %" for share in (30, 48, 63)]


def test_maps_stand_side_by_side_at_equal_outer_steps(tmp_path: Path, claims: list[Claim]) -> None:
    (panel,) = coverage_maps(tidy(records(tmp_path, claims, seeds=2), "coverage"))
    assert panel.figure.get_suptitle() == "ant (U-maze)"
    labels = [ax.get_xlabel().split("\n")[0] for ax in panel.figure.axes[:-1]]
    assert labels == 2 * ["before", "after 5", "after 30", "after 60"]


def test_who_does_not_leave_the_floor_decides_nothing(tmp_path: Path, claims: list[Claim]) -> None:
    """Untrained policies cover a fifth of the maze: that alone is no learning, even if one arm has a little more."""
    for judgement in judge(claims, records(tmp_path, claims, level=0.2)):
        assert (judgement.current.word, judgement.current.reason) == ("inconclusive", "floor")


def test_who_leaves_it_may_decide(tmp_path: Path, claims: list[Claim]) -> None:
    words_of = {each.current.claim.id: each.current.word for each in judge(claims, records(tmp_path, claims))}
    assert words_of["fig4b"] == "reproduced"


def test_three_seeds_decide_nothing(tmp_path: Path, claims: list[Claim]) -> None:
    for judgement in judge(claims, records(tmp_path, claims, seeds=3)):
        assert judgement.current.reason == "few seeds: 3, a verdict needs 5"
