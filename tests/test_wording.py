"""Numbers as people read them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall.analysis.stats import Interval
from recall.analysis.wording import digits_of, in_thousands, percentage, ratio_in_words, share_in_words, signed


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (3.4, 0, "+3"),
        (-12.0, 0, "−12"),
        (0.0, 0, "0"),
        (-0.4, 0, "0"),
        (0.4, 0, "0"),
        (-0.04, 1, "0.0"),
        (-0.06, 1, "−0.1"),
        (1234.5, 1, "+1,234.5"),
    ],
)
def test_a_rounded_zero_has_no_sign(value: float, digits: int, text: str) -> None:
    assert signed(value, digits) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.26, "+26"),
        (-0.004, "0"),
        (9.99, "+999"),
        (10.0, "+1,000"),
        (26.89, "above +1,000"),
        (-26.89, "below −1,000"),
        (np.inf, "open"),
        (-np.inf, "open"),
    ],
)
def test_far_away_is_far_away(share: float, text: str) -> None:
    assert percentage(share) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.031, -0.2, 0.259), "+3 % (−20 to +26)"),
        (Interval(-0.001, -0.12, 0.13), "0 % (−12 to +13)"),
        (Interval(-0.08, -0.54, 26.89), "−8 % (−54 to above +1,000)"),
        (Interval(0.5, 0.1, np.inf), "+50 % (+10 to open)"),
        (Interval(0.5, -np.inf, np.inf), "+50 % (no interval)"),
        (Interval(np.nan, -np.inf, np.inf), "–"),
    ],
)
def test_shares_have_their_interval(interval: Interval, text: str) -> None:
    assert share_in_words(interval) == text
    assert share_in_words(interval, unit="points") == text.replace("%", "points")


@given(st.floats(-100, 100), st.floats(0, 100), st.floats(0, 100))
def test_no_share_is_longer_than_a_line_can_bear(estimate: float, below: float, above: float) -> None:
    text = share_in_words(Interval(estimate, estimate - below, estimate + above))
    assert len(text) <= 45
    assert "-" not in text
    assert "−0 " not in text


@pytest.mark.parametrize(
    ("interval", "digits"),
    [
        (Interval(0.5, 0.1, 1.2), 0),
        (Interval(0.5, 0.004, 1.2), 1),
        (Interval(0.05, 0.045, 0.06), 1),
        (Interval(0.0, -0.5, 0.5), 0),
        (Interval(0.5, -np.inf, np.inf), 0),
    ],
)
def test_what_would_round_to_zero_gets_a_digit_more(interval: Interval, digits: int) -> None:
    assert digits_of(interval) == digits


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0367, "3.7 %"), (0.00012, "0.012 %"), (0.5, "50 %"), (1.5, "150 %"), (1e10, "above 1,000 %"), (np.nan, "–")],
)
def test_a_ratio_has_no_sign(ratio: float, text: str) -> None:
    assert ratio_in_words(ratio) == text


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (500, "0.5k"),
        (10_500, "10.5k"),
        (300_000, "300k"),
        (999_424, "999k"),
        (999_900, "1M"),
        (1_000_000, "1M"),
        (1_234_567, "1.23M"),
    ],
)
def test_steps_have_three_digits(steps: int, text: str) -> None:
    assert in_thousands(steps) == text
