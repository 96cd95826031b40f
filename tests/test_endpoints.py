"""Endpoints by hand-counted examples and against brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall.analysis.endpoints import auc, final, first_reward, replayed_return, steps_to_threshold
from recall.errors import RecordError


def frame(curves: dict[tuple[str, str, int], list[float]], column: str = "success") -> pd.DataFrame:
    """A tidy table of curves by environment, arm and seed; evaluations every 100 steps."""
    rows = [
        ("four-rooms", *key, 100 * (i + 1), value) for key, curve in curves.items() for i, value in enumerate(curve)
    ]
    return pd.DataFrame(rows, columns=["page", "env", "arm", "seed", "step", column])


def one(curve: list[float], column: str = "success") -> pd.DataFrame:
    return frame({("e", "a", 0): curve}, column)


def test_every_seed_has_its_own_value_and_budget() -> None:
    table = frame({("e", "b", 1): [0, 1, 1, 1], ("e", "a", 0): [0, 0.5], ("d", "b", 1): [1, 1]})
    scores = auc(table.sample(frac=1, random_state=np.random.default_rng(0)))
    assert scores.to_dict("list") == {
        "page": ["four-rooms"] * 3,
        "env": ["d", "e", "e"],
        "arm": ["b", "a", "b"],
        "seed": [1, 0, 1],
        "value": [1, 0.25, 0.75],
        "budget": [200, 200, 400],
    }


def test_final_takes_the_last_evaluations_by_step() -> None:
    curve = [float(i) for i in range(15)]
    assert final(one(curve).iloc[::-1])["value"].item() == np.mean(range(5, 15))
    assert final(one([2, 4]))["value"].item() == 3
    assert final(one(curve, "return"), column="return", last=1)["value"].item() == 14


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([0, 0.9, 1, 0.9, 0], 200),
        ([1, 1, 0, 1, 1, 1], 400),
        ([0, 0, 1, 1], np.inf),
        ([0, 0, 0.89, 1, 1], np.inf),
        ([1, 1], np.inf),
        ([1, 1, 1], 100),
    ],
)
def test_the_threshold_must_hold(curve: list[float], expected: float) -> None:
    assert steps_to_threshold(one(curve))["value"].item() == expected


@given(st.lists(st.sampled_from([0.0, 0.5, 0.9, 1.0]), min_size=1, max_size=12), st.integers(1, 4))
def test_the_threshold_agrees_with_brute_force(curve: list[float], hold: int) -> None:
    starts = [100 * (i + 1) for i in range(len(curve) - hold + 1) if all(value >= 0.5 for value in curve[i : i + hold])]
    found = steps_to_threshold(one(curve), threshold=0.5, hold=hold)["value"].item()
    assert found == min(starts, default=np.inf)


def test_the_first_reward_is_a_time_and_may_never_come() -> None:
    nan = np.nan
    table = frame({("e", "a", 0): [nan, 130, 130], ("e", "a", 1): [nan, nan, nan]}, "first_reward_step")
    assert first_reward(table)["value"].tolist() == [130, np.inf]
    assert first_reward(table)["budget"].tolist() == [300, 300]


def test_replayed_returns_split_an_arm_and_leave_out_what_came_before_the_reward() -> None:
    nan = np.nan
    table = frame({("e", "a", 0): [nan, 0.5, 1], ("e", "a", 1): [nan, nan, nan]}, "trace_return")
    table["policy_return"] = [nan, 0.2, 0.4, nan, nan, nan]
    scores = replayed_return(table)
    assert scores["arm"].tolist() == ["a/traces", "a/policy"]
    assert scores["value"].tolist() == pytest.approx([0.75, 0.3])
    assert replayed_return(table[table["seed"] == 1]).empty


def test_a_missing_evaluation_is_refused() -> None:
    for endpoint in (auc, final):
        with pytest.raises(RecordError, match="seed 0 of arm 'a' in e misses evaluations; train its record again"):
            endpoint(one([0, np.nan, 1]))
