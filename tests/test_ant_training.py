"""Goal GAN on the ant: what a fall is, what goals stand for, weight zero, steps counted, kill and resume."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_control import run_eagerly
from small_goals import goal_spec, recalling, trained

from recall import coverage
from recall.agents.trpo_imitation import Imitation
from recall.attempts import attempt
from recall.checkpoints import Checkpoint
from recall.coverage import CoverageConfig, coverage_config, coverage_goals
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.ant_vector import AntUMaze
from recall.envs.goal_world import near
from recall.goal_gan_training import GoalGanTraining
from recall.goal_rollouts import GoalRollouts
from recall.identity import state_digest
from recall.seeding import GOAL_STREAMS, Streams
from recall.threads import THREADS

STEPS = 10 * 60 * 2
"""Of the training in an outer step."""


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled, and coverage is measured in short episodes."""
    run_eagerly(patch)
    patch.setattr(coverage, "ANT", CoverageConfig(attempts=1, horizon=10))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


def recalling_training(outer_steps: int) -> GoalGanTraining:
    """Of two runs; traces go on wherever they lead, for a model so young soon leaves what was seen."""
    return trained(goal_spec("recall", "ant-u-maze", seeds=(0, 1), outer_steps=outer_steps, stay_in_range=False))


@pytest.fixture(scope="module")
def recalled() -> Iterator[GoalGanTraining]:
    """One that is not trained on."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield recalling_training(2)


def digests(training: GoalGanTraining, *names: str) -> dict[str, str]:
    """Of the states of these parts, or of all that there are."""
    parts = {name: getattr(training.goals, name) for name in names or ("agent", "curriculum", "recaller")}
    return {name: state_digest(part.state()) for name, part in parts.items() if part is not None}


def test_threads_count_where_they_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS, "3")
    assert GoalGanTraining(goal_spec("baseline", "ant-u-maze")).threads == 3
    assert GoalGanTraining(goal_spec("baseline", "point-mass-3")).threads == 1


def jumping(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Every ankle as hard as it goes, now down and now up, until the ant is on its back or too high."""
    return np.sign(noise)


# Falls


def test_a_fall_is_no_success() -> None:
    maze = AntUMaze(AntUMazeConfig(horizon=300))
    goals = np.array([[[0.5, 0.0], [4.0, 4.0], [4.0, 4.0], [4.0, 4.0]]])
    found = attempt(maze, jumping, goals, Streams([3], GOAL_STREAMS)["labels"])
    lasted = found.under_way.sum(2)[0]
    assert found.success.tolist() == [[True, False, False, False]]
    assert lasted[0] == 1
    assert np.all(lasted[1:] < 300)  # they ended, and not by the horizon
    assert found.steps.tolist() == [lasted.sum()]


def test_rollouts_count_a_fall_as_a_failed_episode() -> None:
    maze, draw = AntUMaze(AntUMazeConfig(horizon=300)), np.random.default_rng(0)
    rollouts = GoalRollouts(maze, 1, 4)
    rollouts.begin([np.array([[0.5, 0.0], [4.0, 4.0]])], draw.random((1, 4)))
    noise = draw.standard_normal((1, 200, 4, 8)).astype(np.float32)
    found = rollouts.collect(jumping, noise, draw.random((1, 200, 4)))
    near_goal = found.obs[..., 29] < 1
    assert np.array_equal(found.reward > 0, found.terminated & near_goal)
    assert (found.terminated & ~near_goal).sum() > 2
    (rates,), (episodes,) = rollouts.outcomes()
    assert rates.tolist() == [1, 0]
    assert episodes.tolist() == [(found.terminated & near_goal).sum(), (found.terminated & ~near_goal).sum()]


# Coverage


def test_coverage_of_an_ant_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    maze = AntUMaze(AntUMazeConfig())
    assert coverage_config(maze) == coverage.ANT
    goals = coverage_goals(maze)
    found, steps = coverage.success_map(
        maze,
        lambda obs, noise: np.zeros_like(noise),
        CoverageConfig(attempts=2, horizon=5),
        Streams([0], GOAL_STREAMS)["coverage"],
    )
    at_start = near(np.zeros_like(goals), goals, 1.0)
    assert (len(goals), at_start.sum()) == (112, 12)
    assert np.array_equal(found[0], at_start)
    assert steps.tolist() == [2 * (12 + 5 * 100)]


# Recall


def test_a_goal_stands_for_the_nearest_ant_moved_there(recalled: GoalGanTraining) -> None:
    recaller = recalling(recalled)
    goals = np.random.default_rng(0).uniform(-1, 5, (2, 6, 2)).astype(np.float32)
    states = recaller._decoded(goals)
    assert states.shape == (2, 6, 29)
    assert np.array_equal(states[..., :2], goals)
    for run in range(2):
        held = recaller.successes.held.next_obs[run, : recaller.successes.counts[run]]
        for goal, state in zip(goals[run], states[run], strict=True):
            distance = np.linalg.norm(held[:, :2] - goal, axis=1)
            assert np.array_equal(state[2:], held[distance.argmin(), 2:])
            np.testing.assert_allclose(np.linalg.norm(state[3:7]), 1, atol=1e-5)  # a rotation is one
            assert 0.25 < state[2] < 1.05


def test_at_rest_it_keeps_its_joints(recalled: GoalGanTraining) -> None:
    moving = recalling(recalled)
    resting = recalling(trained(goal_spec("as-written", "ant-u-maze", outer_steps=1)))
    resting.successes = moving.successes
    goals = np.random.default_rng(0).uniform(-1, 5, (2, 6, 2)).astype(np.float32)
    states, with_velocities = resting._decoded(goals), moving._decoded(goals)
    assert np.array_equal(states[..., :15], with_velocities[..., :15])
    assert not states[..., 15:].any()
    assert with_velocities[..., 15:].any()


def test_a_trace_ends_at_the_goal_it_started_from(monkeypatch: pytest.MonkeyPatch) -> None:
    told, step = [], Imitation.step
    monkeypatch.setattr(Imitation, "step", lambda self, *given: told.append(given) or step(self, *given))
    recaller = recalling(recalling_training(2))
    traces = recaller.traces
    assert traces is not None
    obs, action, valid = told[-1][:3]
    length, n_traces = recaller.config.length, recaller.config.n_traces
    ends = traces.next_obs[:, :, 0, :2]
    obs = obs.reshape(2, n_traces, length, 31)
    assert action.shape == (2, n_traces * length, 8)
    assert valid.any()
    for step_back in range(length):
        assert np.array_equal(obs[:, :, step_back, 29:], ends)
    assert np.array_equal(obs[..., :29], traces.obs)
    made = [{tuple(goal) for goal in each.astype(np.float32)} for each in recaller._goals]
    for run in range(2):
        assert {tuple(end) for end in ends[run]} <= made[run]


def test_weight_zero_is_goal_gan_to_the_byte() -> None:
    alone = trained(goal_spec("baseline", "ant-u-maze", outer_steps=2))
    weightless = trained(goal_spec("recall", "ant-u-maze", outer_steps=2, weight=0.0))
    assert digests(alone, "agent", "curriculum") == digests(weightless, "agent", "curriculum")
    for table in ("metrics", "coverage"):
        assert alone.tables()[table].equals(weightless.tables()[table])
    assert recalling(weightless).traces is not None
    assert recalling(weightless).model.updates > 0


# The training


def test_steps_are_counted_and_labels_are_the_trainings_own(recalled: GoalGanTraining) -> None:
    metrics = recalled.tables()["metrics"]
    assert metrics["outer_step"].tolist() == [0, 2] * 2
    assert metrics["training_steps"].tolist() == [0, 2 * STEPS] * 2
    assert not metrics["labels_steps"].any()
    assert (metrics["visits_steps"].diff()[1::2] > 0).all()
    assert (metrics["evaluation_steps"].diff()[1::2] > 100).all()
    assert (metrics["good_goals"].dropna() < 1).all()


@pytest.mark.parametrize("arm", ["baseline", "recall"])
def test_a_checkpoint_on_disk_continues_to_the_byte(arm: str, tmp_path: Path) -> None:
    spec = goal_spec(arm, "ant-u-maze", outer_steps=2)
    whole, half, resumed = trained(spec), trained(spec, updates=1), GoalGanTraining(spec)
    Checkpoint(tmp_path).save(half.state())
    state = Checkpoint(tmp_path).load(print)
    assert state is not None
    resumed.load_state(state)
    resumed.step()
    for name, table in whole.tables().items():
        assert table.equals(resumed.tables()[name]), name
    assert digests(resumed) == digests(whole)
    assert resumed.goals.streams.state() == whole.goals.streams.state()
