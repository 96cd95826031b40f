"""Running moments equal numpy's over all rows at once, however the rows came."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from recall.buffers import Rollout
from recall.normalization import REWARD_RANGE, RewardScale, RunningMoments

numbers = st.floats(-1e6, 1e6, width=32)
tables = stnp.arrays(np.float32, st.tuples(st.just(2), st.integers(1, 40), st.integers(1, 4)), elements=numbers)
cuts = st.lists(st.integers(0, 40), max_size=6)


def taken_in(rows: np.ndarray, at: list[int]) -> RunningMoments:
    """Moments of rows that came in pieces, cut in these places; empty pieces too."""
    moments = RunningMoments(len(rows), rows.shape[2])
    for piece in np.split(rows, sorted(min(cut, rows.shape[1]) for cut in at), 1):
        moments.update(piece)
    return moments


@settings(max_examples=200, deadline=None)
@given(tables, cuts)
def test_moments_equal_numpys_in_any_pieces(rows: np.ndarray, at: list[int]) -> None:
    moments, whole = taken_in(rows, at), rows.astype(np.float64)
    size = np.abs(whole).max() + 1e-30
    assert moments.count == rows.shape[1]
    assert moments.mean == pytest.approx(whole.mean(1), abs=1e-12 * size)
    assert np.sqrt(moments.squares / moments.count) == pytest.approx(whole.std(1), rel=1e-6, abs=1e-7 * size)
    assert np.array_equal(moments.low, rows.min(1))
    assert np.array_equal(moments.high, rows.max(1))


@settings(max_examples=100, deadline=None)
@given(st.floats(-(2.0**99), 2.0**99, width=32), st.integers(1, 40), cuts)
def test_a_dimension_that_never_moves_has_a_deviation_of_1(value: float, n: int, at: list[int]) -> None:
    rows = np.full((2, n, 2), value, np.float32)
    rows[1, :, 1] = np.arange(n)
    std = taken_in(rows, at).std
    assert std[0].tolist() == [1, 1]
    assert std[1] == pytest.approx([1, np.arange(n).std() if n > 1 else 1])


def test_small_changes_of_large_numbers_are_not_lost() -> None:
    rows = (1e4 + np.random.default_rng(0).normal(0, 0.1, (1, 5000, 1))).astype(np.float32)
    assert taken_in(rows, list(range(0, 5000, 7))).std == pytest.approx(rows.astype(np.float64).std(1), rel=1e-9)


def test_before_any_row_a_deviation_is_1() -> None:
    assert RunningMoments(2, 3).std.tolist() == [[1, 1, 1]] * 2


def test_a_run_has_the_same_moments_whichever_others_it_is_grouped_with() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 20, 4)).astype(np.float32)
    together = taken_in(rows, [5])
    for run in range(3):
        alone = taken_in(rows[run : run + 1], [5])
        for name in ("mean", "squares", "low", "high", "std"):
            assert np.array_equal(getattr(together, name)[run], getattr(alone, name)[0])


def test_going_on_from_a_stored_state_changes_nothing() -> None:
    rows = np.random.default_rng(1).normal(size=(2, 30, 3)).astype(np.float32)
    first, second = taken_in(rows[:, :17], []), RunningMoments(2, 3)
    second.load_state({name: np.copy(value) for name, value in first.state().items()})
    for moments in (first, second):
        moments.update(rows[:, 17:])
    for name, value in first.state().items():
        assert np.array_equal(second.state()[name], value)


def test_rewards_are_in_deviations_of_the_return_which_begins_anew_with_every_episode() -> None:
    """By hand, environment by environment; an episode may be terminated or truncated, and last beyond a rollout."""
    draw, discount = np.random.default_rng(3), 0.9
    scale, so_far, returns = RewardScale(2, 3, discount), [[], []], np.zeros((2, 3))
    for _ in range(3):
        reward = draw.normal(0, 1, (5, 2, 3)) * np.array([1.0, 100.0])[:, None]
        reward[0, 0, 0] = 1000  # farther out than what is kept
        ends = draw.random((2, 5, 2, 3)) < 0.2
        nothing = np.zeros((5, 2, 3, 1))
        found = scale.scaled(Rollout(nothing, nothing, reward, nothing, ends[0], ends[1]))
        for t, run, env in np.ndindex(5, 2, 3):
            returns[run, env] = discount * returns[run, env] + reward[t, run, env]
            so_far[run].append(returns[run, env])
            if ends[:, t, run, env].any():
                returns[run, env] = 0
        unit = np.array([np.std(each) for each in so_far])[:, None]
        np.testing.assert_allclose(found, np.clip(reward / unit, -REWARD_RANGE, REWARD_RANGE), rtol=1e-6)
    assert found.max() <= REWARD_RANGE
