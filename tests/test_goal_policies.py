"""Stored policies of Goal GAN: run again as the training ran them, and refused where they cannot be shown."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_control import run_eagerly
from small_goals import goal_spec, trained

from recall.analysis.records import load_record
from recall.cli import main
from recall.coverage import coverage_goals
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.goal_gan_training import GoalGanTraining
from recall.goal_policies import evaluate_coverage
from recall.pages import store
from recall.policies import Policy, load_policy
from recall.runs import write_record

SPEC = goal_spec("baseline", seeds=(3, 4))
"""Measured before the first outer step, after the second and after the third."""


@pytest.fixture(scope="module")
def training() -> Iterator[GoalGanTraining]:
    """A training that came to its end."""
    with pytest.MonkeyPatch.context() as patch:
        run_eagerly(patch)
        yield trained(SPEC)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: GoalGanTraining) -> Path:
    """Its record among the local ones of an empty checkout, in which one is."""
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    run_eagerly(monkeypatch)
    return write_record(store(local=True).root, SPEC, training.result(), {})


@pytest.fixture
def policy(record: Path) -> Policy:
    """The stored policies."""
    return load_policy(load_record(record))


def test_with_its_own_noise_the_map_is_the_last_one_of_the_training(policy: Policy, record: Path) -> None:
    stored = load_record(record).table("coverage")
    stored = stored[stored["outer_step"] == 3].sort_values("seed", kind="stable")
    found = evaluate_coverage(policy)
    assert found["seed"].tolist() == stored["seed"].tolist()
    np.testing.assert_allclose(found[["x", "y"]], stored[["x", "y"]], rtol=1e-5)
    assert found["success"].tolist() == stored["success"].tolist()
    assert 0 < found["success"].mean() < 1


def test_attempts_and_noise_are_as_asked(policy: Policy) -> None:
    ten = evaluate_coverage(policy, attempts=10, seed=0)
    assert len(ten) == 2 * len(coverage_goals(UMaze(UMazeConfig())))
    assert np.allclose(10 * ten["success"], (10 * ten["success"]).round())
    assert ten.equals(evaluate_coverage(policy, attempts=10, seed=0))
    assert not ten.equals(evaluate_coverage(policy, attempts=10, seed=1))


def test_the_command_compares_with_the_training(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", record.name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("the policy with its noise after 3 outer steps, 2 episodes towards each goal.")
    metrics = load_record(record).table("metrics").groupby("seed")["coverage"].last()
    for seed, (found, check) in ((3, lines[1:3]), (4, lines[3:5])):
        assert found.startswith(f"seed {seed}: coverage {metrics[seed]:.6g}, ")
        assert (
            check == f"seed {seed}: equal to the last row of metrics.csv, {metrics[seed]:.6g}, in the same 224 episodes"
        )


@pytest.mark.parametrize("options", [("--seed", "1"), ("--episodes", "3")])
def test_other_episodes_are_not_compared(record: Path, capsys: pytest.CaptureFixture[str], options: tuple) -> None:
    assert main(["eval", record.name, *options]) == 0
    assert "last row" not in capsys.readouterr().out


def test_a_film_is_refused_in_a_sentence(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video", record.name]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is of recall/PointMassUMaze-v0, which has no pictures; see the maps of its page" in error
