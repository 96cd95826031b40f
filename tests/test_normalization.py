"""Running moments equal numpy's over all rows at once, however the rows came."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from recall.normalization import RunningMoments

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
