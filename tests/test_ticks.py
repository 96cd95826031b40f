"""Logarithmic axes: round numbers, as many as one can read, whatever the range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall.analysis.ticks import DECADES, MANY, around, label, round_numbers, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 1, [0.1, 0.2, 0.5, 1]),
        (0.005, 0.5, [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
        (1e-3, 1e2, [1e-3, 1e-2, 1e-1, 1, 1e1, 1e2]),
        (1e-3, 1e12, [1e-3, 1, 1e3, 1e6, 1e9, 1e12]),
        (5e-5, 1e19, [1e-4, 1, 1e4, 1e8, 1e12, 1e16]),
        (21, 24, [21, 22, 23, 24]),
    ],
)
def test_ticks_are_round_and_evenly_spread(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@given(st.floats(-250, 250), st.floats(0.02, 250))
def test_any_range_has_ticks_that_can_be_read(start: float, decades: float) -> None:
    low, high = 10.0**start, 10.0 ** min(start + decades, 260)
    shown = ticks(low, high)
    assert 2 <= len(shown) <= max(MANY, DECADES)
    assert all(low <= tick <= high for tick in shown)
    assert len(set(map(label, shown))) == len(shown)


@given(st.floats(-250, 250), st.floats(0, 250))
def test_a_range_ends_at_round_numbers_outside(start: float, decades: float) -> None:
    low, high = 10.0**start, 10.0 ** min(start + decades, 260)
    outer = around(low, high)
    assert outer[0] < low <= high < outer[1]
    assert round_numbers(*outer)[0] == outer[0]
    assert round_numbers(*outer)[-1] == outer[1]
    assert outer[0] > low / 5
    assert outer[1] < 5 * high


@pytest.mark.parametrize(
    ("tick", "text"),
    [
        (0.001, "0.001"),
        (500, "500"),
        (1e4, "10⁴"),
        (2e-6, "2×10⁻⁶"),
        (1e-5, "10⁻⁵"),
        (5e19, "5×10¹⁹"),
        (1.02e8, "1.02×10⁸"),
    ],
)
def test_labels_are_short(tick: float, text: str) -> None:
    assert label(tick) == text
