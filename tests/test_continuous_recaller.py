"""The recaller on a replay buffer: what it learns from, where traces start, lead and end, and what it hands over."""

from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp
from small_control import Cart, Pupil, filled, recaller, run_eagerly

from recall.checkpoints import Checkpoint
from recall.continuous_recaller import ContinuousRecallConfig, ContinuousRecaller, worth
from recall.continuous_traces import ContinuousTraces
from recall.errors import ConfigError
from recall.replay import ReplayBuffer
from recall.tracer import HELD_OUT
from recall.units import ACTION_LIMIT


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


def traced(replay: ReplayBuffer | None = None, **settings: Any) -> tuple[ContinuousRecaller, ContinuousTraces]:
    """A recaller after one iteration, and its traces."""
    recalling = recaller(replay, **settings)
    recalling.recall(Pupil())
    assert recalling.traces is not None
    return recalling, recalling.traces


def ranked_by_hand(replay: ReplayBuffer, run: int) -> list[tuple[float, int]]:
    """Values and numbers of all transitions, the most valuable first, the older of equals before the younger."""
    found, rows = replay.take(np.arange(replay.start, replay.end)[None].repeat(len(replay.rows), 0)), []
    for place, number in enumerate(range(replay.start, replay.end)):
        ends = bool(found.terminated[run, place])
        state = found.next_obs[run, place]
        rows.append((float(found.reward[run, place] if ends else -(state**2).sum()), number))
    return sorted(rows, key=lambda row: (-row[0], row[1]))


# What is learned from


@pytest.mark.parametrize(("held", "top"), [(10, 1), (200, 20), (100_000, 10_000), (200_000, 20_000), (900_000, 20_000)])
def test_a_tenth_is_learned_from_while_the_buffer_is_small(held: int, top: int) -> None:
    replay = ReplayBuffer(10**6, 1, 2, 1)
    replay.end = held
    recalling = recaller(replay, top_fraction=0.1)
    assert abs(recalling.top_count(held) - top) <= 1
    assert recalling.top_count(50_000) == pytest.approx(50_000 * top / held, abs=1)


def test_a_terminated_transition_is_worth_its_reward_and_others_where_they_lead() -> None:
    replay = filled(n=210, capacity=150)
    assert replay.start == 60
    numbers, values = recaller(replay)._ranked(partial(worth, Pupil().value))
    for run in range(2):
        expected = ranked_by_hand(replay, run)
        assert numbers[run].tolist() == [number for _, number in expected]
        assert values[run] == pytest.approx([value for value, _ in expected])


def test_of_a_large_buffer_random_candidates_are_ranked() -> None:
    replay = filled(n=300, capacity=250)
    recalling = recaller(replay, candidates=60)
    seen = []
    for _ in range(40):
        numbers, values = recalling._ranked(partial(worth, Pupil().value))
        assert numbers.shape == (2, 60)
        assert (np.diff(values, axis=1) <= 0).all()
        for run in range(2):
            worths = {number: value for value, number in ranked_by_hand(replay, run)}
            assert values[run] == pytest.approx([worths[number] for number in numbers[run]])
        seen.append(numbers)
    assert set(np.concatenate(seen, 1)[0]) == set(range(50, 300))
    assert not np.array_equal(seen[0][0], seen[0][1])


def test_the_model_learns_from_the_most_valuable_and_never_from_what_is_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replay, batches = filled(n=300), list[np.ndarray]()
    recalling = recaller(replay, model_batch=37, model_updates=40, top_fraction=0.3)
    monkeypatch.setattr(recalling.model, "learn", lambda pairs: np.zeros((2, 2)))
    take = replay.take
    monkeypatch.setattr(replay, "take", lambda numbers: (batches.append(numbers), take(numbers))[1])
    recalling.recall(Pupil())
    learned = np.concatenate([numbers for numbers in batches if numbers.shape[1] == 37], 1)
    assert learned.shape == (2, 40 * 37)
    for run in range(2):
        best = {number for _, number in ranked_by_hand(replay, run)[:90]}
        held_out = {number for number in best if number % HELD_OUT == 0}
        assert held_out
        assert set(recalling.held_out[run]) == held_out
        assert set(learned[run]) == best - held_out


def test_a_buffer_of_one_transition_is_learned_from_too() -> None:
    recalling, traces = traced(filled(n=1))
    assert traces.obs.shape == (2, 4, 5, 2)
    assert [len(numbers) for numbers in recalling.held_out] == [0, 0]


@pytest.mark.parametrize("updates", [1, 7])
def test_an_iteration_takes_as_many_gradient_steps_as_asked(updates: int) -> None:
    recalling, _ = traced(model_updates=updates)
    assert recalling.model.updates == updates
    assert recalling.metrics["action_nll"].shape == recalling.metrics["state_nll"].shape == (2,)


# Where traces start, lead and end


def test_traces_start_at_the_single_best_state() -> None:
    replay = filled()
    _, traces = traced(replay, target_fraction=None)
    for run in range(2):
        best = ranked_by_hand(replay, run)[0][1]
        state = replay.take(np.full((2, 1), best)).next_obs[run, 0]
        assert np.array_equal(traces.next_obs[run, :, 0], np.broadcast_to(state, (4, 2)))


def test_traces_start_anywhere_among_the_top_share() -> None:
    replay = filled()
    recalling, traces = traced(replay, target_fraction=0.05, n_traces=300)
    for run in range(2):
        best = [number for _, number in ranked_by_hand(replay, run)[:10]]
        states = {tuple(state) for state in replay.take(np.array([best] * 2)).next_obs[run]}
        assert {tuple(state) for state in traces.next_obs[run, :, 0]} == states
    assert recalling.metrics["target_value"] == pytest.approx([ranked_by_hand(replay, run)[0][0] for run in range(2)])


def test_a_step_goes_on_where_the_one_before_it_began_until_the_trace_ends() -> None:
    _, traces = traced(length=30, n_traces=50)
    valid = traces.valid
    assert min(valid.sum(), (~valid).sum()) > 50
    assert np.array_equal(traces.next_obs[:, :, 1:][valid[:, :, :-1]], traces.obs[:, :, :-1][valid[:, :, :-1]])
    assert (valid[:, :, 1:] <= valid[:, :, :-1]).all()  # what ended stays ended


def test_a_trace_ends_where_it_leaves_the_range() -> None:
    recalling, traces = traced(length=30, n_traces=50)
    for run, trace in np.ndindex(2, 50):
        alive = True
        for step in range(30):
            state = np.stack([traces.obs[run, trace, step]] * 2)[:, None]
            alive = alive and bool(recalling.units.in_range(state)[run, 0])
            assert traces.valid[run, trace, step] == alive
    assert recalling.metrics["trace_length"] == pytest.approx(traces.valid.sum(2).mean(1))


def test_without_the_gate_no_trace_ends() -> None:
    recalling, traces = traced(length=30, n_traces=50, stay_in_range=False)
    assert traces.valid.all()
    assert not recalling.units.in_range(traces.flat()[0]).all()
    assert np.array_equal(traces.next_obs[:, :, 1:], traces.obs[:, :, :-1])


def test_a_trace_is_unrolled_by_the_model_in_its_units() -> None:
    """Each switch of units, and the deviation of the actions, at every step of every trace."""
    for change, normalise, pre_tanh, std in (
        (True, True, True, 0.5),
        (True, False, True, 0.0),
        (False, True, False, 1.0),
        (False, False, False, 2.0),
    ):
        settings = {"normalise": normalise, "pre_tanh": pre_tanh, "predict_change": change, "action_std": std}
        settings |= {"stay_in_range": False}
        recalling = recaller(**settings)
        calls: list[tuple] = []
        inner = recalling.model.step_back

        def spy(*given: Any, inner: Any = inner, calls: list = calls) -> Any:
            calls.append((given, inner(*given)))
            return calls[-1][1]

        recalling.model.step_back = spy  # type: ignore[method-assign]
        recalling.recall(Pupil())
        assert recalling.traces is not None
        assert len(calls) == 5
        for step, ((next_obs, given_std, noise), (action, predicted)) in enumerate(calls):
            assert given_std == std
            assert noise.shape == (2, 4, 3)
            assert np.array_equal(next_obs, recalling.units.state(recalling.traces.next_obs[:, :, step]))
            before = recalling.units.before(predicted, recalling.traces.next_obs[:, :, step])
            assert np.array_equal(recalling.traces.obs[:, :, step], before)
            assert np.array_equal(recalling.traces.x[:, :, step], recalling.units.drawn(action))


def test_no_two_steps_share_their_noise() -> None:
    recalling, traces = traced(length=5, target_fraction=None, stay_in_range=False)
    recalling.recall(Pupil())
    assert recalling.traces is not None
    seen = np.concatenate([traces.x, recalling.traces.x], 2).ravel()
    assert len(set(seen[np.abs(seen) < ACTION_LIMIT])) == (np.abs(seen) < ACTION_LIMIT).sum()


def test_traces_of_a_trained_model_lead_to_their_targets() -> None:
    """Step by step, and played forward from their last state to their first; those of an untrained model do not."""
    for updates, step_error, end_error in ((130, (0, 0.02), (0, 0.1)), (1, (0.08, 1), (0.3, 3))):
        recalling = recaller(
            filled(n=2000), top_fraction=1.0, model_updates=updates, model_batch=128, model_learning_rate=3e-3
        )
        recalling.recall(Pupil())
        if updates > 1:
            recalling.model._learning_rate.fill_(3e-4)
            recalling.recall(Pupil())
        traces, std = recalling.traces, recalling.units.obs.std[:, None]
        assert traces is not None
        reached = Cart.forward(traces.obs, np.tanh(traces.x))
        errors = np.abs(reached - traces.next_obs) / std[:, None]
        state, whole = traces.obs[:, :, -1], traces.valid.all(2)
        for step in reversed(range(5)):
            state = Cart.forward(state, np.tanh(traces.x[:, :, step]))
        missed = np.abs(state - traces.next_obs[:, :, 0]) / std
        assert whole.sum() > 3
        for found, (low, high) in ((errors[traces.valid], step_error), (missed[whole], end_error)):
            assert ((low < np.median(found, 0)) & (np.median(found, 0) < high)).all()


# What is handed over


def test_pairs_are_imitated_in_every_update_or_all_at_once() -> None:
    for joint in (True, False):
        replay, pupil = filled(n=100), Pupil()
        recalling = recaller(replay, joint=joint, weight=0.3, interval=10, imitation_batch=6)
        for _ in range(25):
            recalling.update(pupil)
            replay.add(*(each[:, 0] for each in replay.take(np.zeros((2, 1), int))))
        assert recalling.traces is not None
        assert recalling.known == 120
        assert (len(pupil.joint), len(pupil.own)) == ((25, 0) if joint else (0, 3))
        for obs, x, valid, weight in pupil.joint:
            assert (obs.shape, x.shape, valid.shape, weight) == ((2, 6, 2), (2, 6, 1), (2, 6), 0.3)
            assert valid.all()
        for last in pupil.own[-1:]:
            assert all(map(np.array_equal, last, (*recalling.traces.flat(), 0.3)))


def test_nothing_happens_before_there_are_enough_transitions() -> None:
    replay, pupil = filled(n=39), Pupil()
    recalling = recaller(replay, interval=40)
    recalling.update(pupil)
    assert recalling.traces is None
    assert not pupil.joint
    assert recalling.model.updates == 0
    replay.add(*(each[:, 0] for each in replay.take(np.zeros((2, 1), int))))
    recalling.update(pupil)
    assert recalling.known == 40
    assert len(pupil.joint) == 1


def test_flat_pairs_belong_together() -> None:
    _, traces = traced(length=4, n_traces=3)
    obs, x, valid = traces.flat()
    for run, trace, step in np.ndindex(2, 3, 4):
        place = trace * 4 + step
        assert np.array_equal(obs[run, place], traces.obs[run, trace, step])
        assert np.array_equal(x[run, place], traces.x[run, trace, step])
        assert valid[run, place] == traces.valid[run, trace, step]


uniforms = stnp.arrays(np.float32, (2, 40), elements=st.floats(0, 1, width=32, exclude_max=True))


@settings(max_examples=100, deadline=None)
@given(stnp.arrays(bool, (2, 3, 4)), uniforms)
def test_only_valid_pairs_are_drawn_and_each_has_its_share(valid: np.ndarray, uniform: np.ndarray) -> None:
    tags = np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1)
    traces = ContinuousTraces(tags, -tags, tags, valid)
    obs, x, counts = traces.pairs(uniform)
    assert np.array_equal(obs, -x)
    even = (np.arange(120, dtype=np.float32) + np.float32(0.5)) / 120
    all_obs = traces.pairs(np.stack([even, even]))[0]
    for run in range(2):
        pool = tags[run, ..., 0][valid[run]]
        assert set(obs[run].ravel()) <= set(pool) or not len(pool)
        assert counts[run].all() == (len(pool) > 0) == counts[run].any()
        if len(pool):
            drawn, times = np.unique(all_obs[run], return_counts=True)
            assert np.array_equal(drawn, pool)
            assert times.max() - times.min() <= 1


# The whole


def test_runs_do_not_touch_each_other() -> None:
    one, other = filled(n=120), filled(n=120)
    other.rows[1] *= 2
    (_, first), (_, second) = traced(one), traced(other)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a[0], b[0])
        assert a.dtype == bool or not np.array_equal(a[1], b[1])


def test_a_stored_recaller_goes_on_to_the_bit(tmp_path: Path) -> None:
    replay = filled(n=100)
    first, second = recaller(replay), recaller(replay)
    for recalls in range(3):
        if recalls:
            first.recall(Pupil())
        Checkpoint(tmp_path).save({"streams": first.streams.state(), "recaller": first.state()})
        state = Checkpoint(tmp_path).load(pytest.fail)
        assert state is not None
        second.load_state(state["recaller"])
        second.streams.load_state(state["streams"])
        ends = []
        for each in (deepcopy(first), deepcopy(second)):
            pupil = Pupil()
            for _ in range(45):
                each.update(pupil)
                each.replay.add(*(part[:, 0] for part in replay.take(np.full((2, 1), 7))))
            ends.append((pupil.joint[-1], each.metrics, each.held_out))
        assert all(map(np.array_equal, *(end[0] for end in ends)))
        assert all(np.array_equal(ends[0][1][name], ends[1][1][name]) for name in ends[0][1])
        assert all(map(np.array_equal, *(end[2] for end in ends)))


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 0} for name in ("length", "n_traces", "interval", "model_updates", "model_batch", "top_tuples")),
        *({name: 0} for name in ("candidates", "imitation_batch", "top_fraction", "target_fraction")),
        *({name: -0.1} for name in ("weight", "action_std", "model_learning_rate", "top_fraction")),
        *({name: float("nan")} for name in ("weight", "action_std", "top_fraction", "target_fraction")),
        *({name: float("inf")} for name in ("weight", "action_std", "model_learning_rate")),
        *({name: 1.1} for name in ("top_fraction", "target_fraction")),
        {"model_learning_rate": 0.0},
        {"top_fraction": None},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ContinuousRecallConfig(**wrong)
