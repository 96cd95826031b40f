"""Goal GAN as a training: rows at the right steps, steps by purpose, maps, and checkpoints that go on to the byte."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_control import run_eagerly
from small_goals import ARMS, TASKS, goal_spec, trained

from recall import repetition
from recall.analysis.records import load_record
from recall.checkpoints import Checkpoint
from recall.coverage import coverage_goals
from recall.envs.four_rooms import FourRoomsConfig
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.errors import ConfigError
from recall.goal_gan_training import GoalGanTraining
from recall.runs import write_record
from recall.training import train


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


def test_rows_come_before_the_first_step_when_due_and_at_the_end() -> None:
    tables = train(goal_spec(seeds=(3, 4))).tables
    metrics = tables["metrics"]
    assert metrics.groupby("seed")["outer_step"].apply(list).to_dict() == {3: [0, 2, 3], 4: [0, 2, 3]}
    assert (metrics["step"] == metrics["outer_step"] * 1200).all()
    assert (metrics["training_steps"] == metrics["step"]).all()
    assert metrics["kl"].isna().tolist() == [True, False, False] * 2
    assert tables["recall"].groupby("seed")["step"].apply(list).to_dict() == {3: [2400, 3600], 4: [2400, 3600]}


@pytest.mark.parametrize("task", TASKS)
def test_steps_are_counted_by_purpose_and_grow(task: str) -> None:
    metrics = train(goal_spec(task=task)).tables["metrics"]
    for purpose in ("training", "visits", "evaluation"):
        assert (metrics[f"{purpose}_steps"].diff().dropna() >= 0).all()
        assert metrics[f"{purpose}_steps"].iloc[-1] > 0
    assert (metrics["labels_steps"].iloc[-1] > 0) == (task != "u-maze")
    assert metrics["evaluation_steps"].iloc[0] > 0  # the first measurement counts itself
    assert metrics["visits_steps"].iloc[0] == 0


def test_a_map_has_every_goal_in_order_and_its_mean_is_the_coverage() -> None:
    tables = train(goal_spec(seeds=(3, 4))).tables
    maps, metrics = tables["coverage"], tables["metrics"].set_index(["seed", "outer_step"])
    goals = coverage_goals(UMaze(UMazeConfig()))
    assert set(maps["outer_step"]) == {0, 3}
    for key, rows in maps.groupby(["seed", "outer_step"]):
        assert np.array_equal(rows[["x", "y"]].to_numpy(), goals)
        assert rows["success"].mean() == pytest.approx(metrics.loc[key, "coverage"])


@pytest.mark.parametrize("arm", ARMS)
def test_a_checkpoint_on_disk_continues_to_the_byte(arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recall.goal_gan_training.DIGEST_EVERY", 1)
    spec = goal_spec(arm)
    whole, half = trained(spec), trained(spec, updates=1)
    Checkpoint(tmp_path).save(half.state())
    resumed = GoalGanTraining(spec)
    state = Checkpoint(tmp_path).load(print)
    assert state is not None
    resumed.load_state(state)
    while resumed.update < spec.n_updates:
        resumed.step()
    for name, table in whole.tables().items():
        assert table.equals(resumed.tables()[name]), name
    assert resumed.goals.streams.state() == whole.goals.streams.state()
    assert "recaller" in whole.tables()["digests"] or arm == "baseline"


def test_a_seed_trains_the_same_beside_another() -> None:
    """But for the last digits, which the sizes of the batches may move."""
    alone, beside = (trained(goal_spec("baseline", seeds=seeds), updates=1) for seeds in ((4,), (3, 4)))
    first, second = alone.goals.agent.parameters[0], beside.goals.agent.parameters[1]
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_a_record_is_small(tmp_path: Path) -> None:
    spec = goal_spec()
    folder = write_record(tmp_path, spec, train(spec), {})
    assert {path.name for path in folder.glob("*.csv")} == {"metrics.csv", "recall.csv", "coverage.csv", "timing.csv"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 60_000


def test_time_goes_to_every_phase() -> None:
    training = trained(goal_spec())
    assert all(seconds > 0 for seconds in training.seconds.values())


def test_the_model_is_compiled_on_a_clock_of_its_own() -> None:
    """Until the first traces all time of recall may be the compiler's; a resumed process compiles again."""
    spec = goal_spec()
    whole = trained(spec)
    assert {"recall", "compilation"} < whole.seconds.keys()
    resumed = GoalGanTraining(spec)
    resumed.load_state(trained(spec, updates=2).state())
    before = dict(resumed.seconds)
    resumed.step()
    assert resumed.seconds["compilation"] > before["compilation"] > 0
    assert trained(goal_spec("baseline")).seconds["compilation"] == 0


@pytest.mark.parametrize("arm", ARMS)
def test_an_audit_repeats_a_part_to_the_byte_and_finds_what_was_edited(
    arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outer step has 2 updates of the policy and 5 of the goals' networks; the first digest is after the second."""
    monkeypatch.setattr(repetition, "WHOLE_SECONDS", -1)
    monkeypatch.setattr("recall.goal_gan_training.DIGEST_EVERY", 2)
    spec = goal_spec(arm, outer_steps=5)
    record = load_record(write_record(tmp_path, spec, train(spec), {}))
    assert [repetition.repeat(record, [], updates).updates for updates in (1, 14, 15, 2000)] == [2, 2, 3, 5]
    found = repetition.repeat(record, [], updates=1)
    assert (found.of, found.comparison, found.finding) == (5, "bytes", "equal")
    digests = record.table("digests")
    digests.assign(agent="0" * 12).to_csv(record.path / "digests.csv", index=False)
    assert repetition.repeat(record, [], updates=1).finding.startswith("digests.csv, seed 0, step 2400: agent is 0000")


def test_other_environments_are_refused() -> None:
    spec = replace(goal_spec(), env=FourRoomsConfig(7))
    with pytest.raises(ConfigError, match="goals are generated for point masses and the ant alone"):
        GoalGanTraining(spec)
