"""The experiments: which runs the paper's figures are, and that every arm was tuned and is treated alike."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from recall.experiments import (
    ARENAS,
    ARMS,
    TUNED,
    TUNING_ARENA,
    TUNING_SEEDS,
    Arm,
    evaluation_interval,
    four_rooms,
    spec,
    tuning_grid,
)
from recall.recaller import RecallConfig
from recall.tuning import best, varied

SPECS = four_rooms()


def test_every_arm_runs_in_every_environment_once() -> None:
    pairs = [(spec.env_label, spec.arm) for spec in SPECS]
    assert len(set(pairs)) == len(pairs) == len(ARENAS) * len(ARMS)
    assert {spec.page for spec in SPECS} == {"four-rooms"}
    assert len({spec.key for spec in SPECS}) == len(SPECS)
    assert len({spec.folder for spec in SPECS}) == len(SPECS)


def test_environments_are_those_of_the_paper_and_the_hard_regime() -> None:
    assert {(a.label, a.env.side, a.env.horizon) for a in ARENAS} == {
        ("side-11", 11, None), ("side-15", 15, None), ("side-19", 19, None), ("side-19-hard", 19, 200)
    }  # fmt: skip
    assert all(arena.env.slip == 0 for arena in ARENAS)


@pytest.mark.parametrize("arena", [arena.label for arena in ARENAS])
def test_arms_of_an_environment_share_seeds_budget_and_evaluations(arena: str) -> None:
    of_arena = [spec for spec in SPECS if spec.env_label == arena]
    assert {spec.seeds for spec in of_arena} == {tuple(range(20))}
    for shared in ("env", "total_steps", "eval_every", "n_updates"):
        assert len({getattr(spec, shared) for spec in of_arena}) == 1


def test_evaluations_are_many_and_fit_a_record() -> None:
    assert all(40 <= run.n_updates / run.eval_every < 100 for run in SPECS)
    assert evaluation_interval(TUNED, 100) == 1


def test_arms_differ_from_the_baseline_in_recall_alone() -> None:
    assert ARMS["baseline"].recall is None
    assert ARMS["baseline-entropy"].recall is None
    assert {arm.agent for name, arm in ARMS.items() if name != "baseline-entropy"} == {TUNED}
    assert ARMS["baseline-entropy"].agent == replace(TUNED, **varied(ARMS["baseline-entropy"]))
    assert ARMS["baseline-entropy"].agent.entropy == 0.01


def test_arms_are_named_after_their_model() -> None:
    models = {name: arm.recall.model for name, arm in ARMS.items() if arm.recall is not None}
    assert models.pop("known-goal") == "true"
    assert all(name == model for name, model in models.items())
    handed = [name for name, arm in ARMS.items() if arm.recall is not None and arm.recall.known_goal]
    assert handed == ["known-goal"]


def test_the_length_of_a_trace_grows_with_the_grid() -> None:
    arm = Arm(TUNED, RecallConfig("true"), sides=1.5)
    lengths = [recall.length for side in (11, 15, 19) if (recall := arm.recall_at(side)) is not None]
    assert lengths == [16, 22, 28]
    assert Arm(TUNED).recall_at(11) is None


# Tuning


def test_every_tuned_arm_has_as_many_different_configurations() -> None:
    grid = tuning_grid()
    assert {len(configs) for configs in grid.values()} == {9}
    assert {len(set(configs)) for configs in grid.values()} == {9}
    assert set(grid) == set(ARMS) - {"baseline-entropy", "known-goal"}


def test_tuning_seeds_are_never_reported() -> None:
    assert not set(TUNING_SEEDS) & {seed for run in SPECS for seed in run.seeds}
    assert TUNING_ARENA.label == "side-15"


def test_a_recall_arm_tunes_what_is_its_own() -> None:
    grid = tuning_grid()
    for name in set(grid) - {"baseline"}:
        assert {config.agent for config in grid[name]} == {TUNED}
        assert {c.recall.model for c in grid[name] if c.recall is not None} == {name}


def test_every_arm_is_the_best_of_the_committed_grid(root: Path) -> None:
    """The table that `recall tune` wrote is what the arms' settings come from."""
    table = pd.read_csv(root / "papermill_runs/tuning/four-rooms.csv")
    assert set(table["seed"]) == set(TUNING_SEEDS)
    assert table.groupby("arm")["settings"].nunique().to_dict() == dict.fromkeys(tuning_grid(), 9)
    chosen = best(table)
    assert {name: varied(ARMS[name]) for name in chosen} == chosen


def test_the_known_goal_arm_has_the_settings_of_the_true_one() -> None:
    known, true = ARMS["known-goal"], ARMS["true"]
    assert known.recall is not None
    assert replace(known, recall=replace(known.recall, known_goal=False)) == true


def test_the_best_configuration_has_the_largest_mean() -> None:
    rows = [("a", '{"w": 1}', 0.5), ("a", '{"w": 1}', 0.7), ("a", '{"w": 2}', 0.9), ("a", '{"w": 2}', 0.1)]
    table = pd.DataFrame(rows, columns=["arm", "settings", "auc"])
    assert best(table) == {"a": {"w": 1}}


def test_a_specification_carries_its_arm() -> None:
    run = spec("page", "name", ARMS["true"], ARENAS[0], [3, 4])
    assert (run.page, run.arm, run.env_label, run.seeds) == ("page", "name", "side-11", (3, 4))
    assert run.folder == f"page/side-11-name-{run.key}"
