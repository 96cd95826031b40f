"""Quantities and words of the page goal-gan."""

from pathlib import Path

import pandas as pd
import pytest
from goal_figures import write_goal_page

from recall.analysis.claims import judge, load_claims
from recall.analysis.gains import gains
from recall.analysis.goal_plots import (
    PURPOSES,
    beside_policy,
    in_words,
    of_claims,
    of_coverage,
    time_of_recall,
    with_all_steps,
)
from recall.analysis.records import find_records, tidy
from recall.pages import claims_file


def test_steps_of_all_purposes_are_the_mean_over_seeds_of_their_sum() -> None:
    rows = [
        ("u", "baseline", 0, 0, (0, 0, 0, 10)),
        ("u", "baseline", 0, 1, (100, 20, 3, 30)),
        ("u", "baseline", 1, 0, (0, 0, 0, 14)),
        ("u", "baseline", 1, 1, (100, 30, 5, 40)),
        ("u", "recall", 0, 1, (100, 0, 0, 1)),
    ]
    metrics = pd.DataFrame(
        [(env, arm, seed, step, *counts) for env, arm, seed, step, counts in rows],
        columns=["env", "arm", "seed", "outer_step", *PURPOSES],
    )
    assert with_all_steps(metrics)["all_steps"].tolist() == [12, 164, 12, 164, 101]


def test_imitation_stands_beside_the_bound_of_the_trust_region(tmp_path: Path) -> None:
    write_goal_page(tmp_path, outer_steps=8)
    records = find_records(tmp_path)
    metrics, recall = tidy(records, "metrics"), tidy(records, "recall")
    found = beside_policy(recall, metrics, target_kl=0.01)
    assert len(found) == len(recall) == 3 * 2 * 3 * 8
    assert found["kl_share"].unique() == pytest.approx([0.001 / 0.01])
    assert (found["outer_step"] == found["step"] / 100_000).all()
    assert beside_policy(recall[:0], metrics, target_kl=0.01).empty


def test_diagnostics_are_of_the_tasks_of_the_claims_if_there_are_any(tmp_path: Path) -> None:
    write_goal_page(tmp_path, outer_steps=8)
    recall = tidy(find_records(tmp_path), "recall")
    judgements = judge([claim for claim in load_claims(claims_file()) if claim.page == "goal-gan"], [])
    assert set(of_claims(recall, judgements)["env"]) == {"point-mass", "point-u-maze"}
    other = recall[recall["env"] == "point-mass-3"]
    assert of_claims(other, judgements).equals(other)


def test_recall_is_timed_without_evaluation_and_compilation(tmp_path: Path) -> None:
    """45 of 135 seconds; 5 and 6 do not count."""
    write_goal_page(tmp_path, outer_steps=8)
    timing = tidy(find_records(tmp_path), "timing")
    assert time_of_recall(timing) == "recall traces 33 %; recall traces, as written 33 %"
    assert time_of_recall(timing[timing["arm"] == "baseline"]) == "–"


def test_a_return_is_called_coverage(tmp_path: Path) -> None:
    write_goal_page(tmp_path, ("point-u-maze",), ("baseline", "recall"))
    records = find_records(tmp_path)
    metrics, timing = (tidy(records, name) for name in ("metrics", "timing"))
    differences = gains(metrics, ("recall",))
    assert of_coverage(differences)["endpoint"].tolist() == ["mean coverage over training", "final coverage"]
    words = in_words(metrics, differences, timing, [])
    assert words["outer_steps"] == "60"
    assert words["gains"].startswith("point mass (U-maze) +")
