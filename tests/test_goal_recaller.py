"""Recall from generated goals: where traces end, what the model learns from, what the policy is told."""

from typing import Any

import numpy as np
import pytest
from small_control import run_eagerly
from small_goals import TASKS, goal_spec, recalling, trained

from recall.errors import ConfigError
from recall.goal_recaller import GoalRecallConfig, GoalRecaller, nearest
from recall.identity import state_digest


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


Imitated = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def imitated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[GoalRecaller, Imitated]]:
    """What every recaller hands to imitation, in the order in which it does."""
    found: list[tuple[GoalRecaller, Imitated]] = []
    update = GoalRecaller.update

    def watched(self: GoalRecaller, rollout: Any) -> dict[str, np.ndarray]:
        step = self.imitation.step

        def seen(*given: Any) -> dict[str, np.ndarray]:
            found.append((self, given[:3]))
            return step(*given)

        self.imitation.step = seen  # type: ignore[method-assign]
        metrics = update(self, rollout)
        self.imitation.step = step  # type: ignore[method-assign]
        return metrics

    monkeypatch.setattr(GoalRecaller, "update", watched)
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("arm", ["recall", "as-written"])
def test_a_trace_ends_at_the_goal_it_started_from_and_the_policy_is_told_that_goal(
    task: str, arm: str, imitated: list[tuple[GoalRecaller, Imitated]]
) -> None:
    recaller = recalling(trained(goal_spec(arm, task, seeds=(0, 1))))
    dimension, length, traces = recaller.world.dimension, recaller.config.length, recaller.traces
    assert traces is not None
    _, (obs, action, valid) = imitated[-1]
    told = obs.reshape(2, recaller.config.n_traces, length, 3 * dimension)
    ends = traces.next_obs[:, :, 0, :dimension]
    for step in range(length):
        assert np.array_equal(told[:, :, step, 2 * dimension :], ends)
    assert np.array_equal(told[..., : 2 * dimension], traces.obs)
    assert np.array_equal(action.reshape(traces.x.shape), traces.x)
    assert np.array_equal(valid.reshape(traces.valid.shape), traces.valid)
    later = traces.valid[:, :, 1:]
    assert np.array_equal(traces.next_obs[:, :, 1:][later], traces.obs[:, :, :-1][later])


def test_traces_end_at_goals_that_the_gan_made_for_the_run_in_this_outer_step(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[np.ndarray]] = []
    begin = GoalRecaller.begin

    def watched(self: GoalRecaller, goals: list[np.ndarray]) -> None:
        given.append(goals)
        begin(self, goals)

    monkeypatch.setattr(GoalRecaller, "begin", watched)
    recaller = recalling(trained(goal_spec(seeds=(0, 1))))
    assert recaller.traces is not None
    for run, made in enumerate(given[-1]):
        assert len(made) == 20  # those of the archive are not among them
        ends = recaller.traces.next_obs[run, :, 0, :2]
        assert {tuple(end) for end in ends} <= {tuple(goal) for goal in made.astype(np.float32)}


def test_goals_beyond_all_that_was_seen_are_left_out_while_there_are_others() -> None:
    recaller, written = (recalling(trained(goal_spec(arm))) for arm in ("recall", "as-written"))
    beyond, within = np.full((30, 2), 99.0), np.full((1, 2), 0.01)
    for each, made, expected in (
        (recaller, np.concatenate([beyond, within]), {0.01}),
        (recaller, beyond, {99.0}),
        (written, np.concatenate([beyond, np.full((30, 2), 0.01)]), {0.01, 99.0}),
    ):
        each.begin([made])
        assert set(each._targets().ravel().tolist()) == {float(np.float32(value)) for value in expected}


def test_goals_stand_for_states_at_rest_or_as_fast_as_the_nearest() -> None:
    for arm in ("as-written", "recall"):
        recaller = recalling(trained(goal_spec(arm)))
        held = recaller.successes.held.next_obs[:, : recaller.successes.counts[0]]
        goals = np.random.default_rng(0).uniform(-1, 3, (1, 5, 2)).astype(np.float32)
        states = recaller._decoded(goals)
        assert np.array_equal(states[..., :2], goals)
        away = np.linalg.norm(held[0][None, :, :2] - goals[0][:, None], axis=2).argmin(1)
        expected = np.zeros((1, 5, 2)) if arm == "as-written" else held[:, away, 2:]
        assert np.array_equal(states[..., 2:], expected)


def test_the_nearest_is_found() -> None:
    places = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]])
    assert nearest(np.array([[0.9, 0.8], [9.0, 9.0], [-1.0, 0.4]]), places).tolist() == [2, 1, 0]


def test_the_model_learns_from_episodes_that_reached_their_goals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brute force: walk every environment's steps since the outer step began, back from each success."""
    rollouts: list[Any] = []
    expected: set[bytes] = set()
    begin, update = GoalRecaller.begin, GoalRecaller.update

    def begun(self: GoalRecaller, goals: Any) -> None:
        rollouts.clear()
        begin(self, goals)

    def updated(self: GoalRecaller, rollout: Any) -> dict[str, np.ndarray]:
        rollouts.append(rollout)
        obs, action, success, ended = (
            np.concatenate([getattr(each, name)[:, 0] for each in rollouts])
            for name in ("obs", "action", "terminated", "truncated")
        )
        for env in range(obs.shape[1]):
            good = False
            for step in range(len(obs) - 1, -1, -1):
                good = bool(success[step, env]) or (good and not ended[step, env])
                if good:
                    expected.add(obs[step, env, :4].tobytes() + action[step, env].tobytes())
        return update(self, rollout)

    monkeypatch.setattr(GoalRecaller, "begin", begun)
    monkeypatch.setattr(GoalRecaller, "update", updated)
    successes = recalling(trained(goal_spec(capacity=100_000))).successes
    held = successes.held
    found = {obs.tobytes() + action.tobytes() for obs, action in zip(held.obs[0], held.action[0], strict=True)}
    assert found == expected
    assert len(found) > 20
    assert set(successes.scores[0].tolist()) == {1.0}


def test_the_latest_stay_where_there_is_no_room() -> None:
    small, large = (recalling(trained(goal_spec(capacity=c, weight=0.0))).successes for c in (8, 100_000))
    assert small.counts.tolist() == [8]
    assert np.array_equal(small.held.obs, large.held.obs[:, :8])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("arm", ["recall", "as-written"])
def test_weight_zero_is_goal_gan_to_the_byte(task: str, arm: str) -> None:
    alone, weightless = (trained(goal_spec(name, task, weight=0.0) if name != "baseline" else goal_spec(name, task))
                         for name in ("baseline", arm))  # fmt: skip
    for name in ("agent", "curriculum"):
        first, second = (getattr(each.goals, name).state() for each in (alone, weightless))
        assert state_digest(first) == state_digest(second)
    for table in ("metrics", "coverage"):
        assert alone.tables()[table].equals(weightless.tables()[table])
    assert recalling(weightless).traces is not None


def test_with_weight_the_policy_is_another() -> None:
    alone, pulled = trained(goal_spec("baseline")), trained(goal_spec("recall"))
    assert state_digest(alone.goals.agent.state()) != state_digest(pulled.goals.agent.state())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"velocity": "fast"}, "velocity is 'fast'; it must be rest or nearest"),
        ({"target_fraction": 0.1}, "target_fraction is 0.1; traces from generated goals allow only None"),
        ({"capacity": 0}, "capacity is 0; it must be 1 or more"),
        ({"weight": -1.0}, "weight is -1.0"),
        ({"kl_share": 0.0}, "kl_share is 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        GoalRecallConfig(**wrong)
