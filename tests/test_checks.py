"""The page sac-checks: the gain under a fixed temperature beside the one under the automatic."""

import numpy as np
import pandas as pd
import pytest

from recall.analysis.checks import CHECKED, PAIRS, dependence, in_words, pair_gains, temperature_in_words
from recall.analysis.gains import MEAN, SCORES
from recall.analysis.stats import decision_interval
from recall.analysis.style import CHECK_ARMS, CONTROL_ARMS

LEVELS = {
    ("Ant-v5", "baseline"): 100.0,
    ("Ant-v5", "recall"): 120.0,
    ("Ant-v5", "baseline-fixed"): 50.0,
    ("Ant-v5", "recall-fixed"): 55.0,
    ("Ant-v5-full", "baseline"): 80.0,
    ("Ant-v5-full", "recall"): 60.0,
}
"""Means: recall traces add 20 %, with a fixed temperature 10 %, and take 25 % with the full observation."""


def runs(spread: float = 0.01, seeds: int = 5) -> pd.DataFrame:
    """Every seed near its arm's mean at every evaluation; the temperature halves where recall traces are imitated."""
    around = 1 + spread * np.linspace(-1, 1, seeds)
    rows = [
        (
            "sac",
            env,
            arm,
            seed,
            step,
            level * around[seed],
            1.0 if step <= 50 else around[seed] / (1 + (arm == "recall")),
        )
        for (env, arm), level in LEVELS.items()
        for seed in range(seeds)
        for step in (50, 100)
    ]
    return pd.DataFrame(rows, columns=["page", "env", "arm", "seed", "step", "return", "temperature"])


def test_each_pair_is_held_against_its_own_baseline() -> None:
    table = pair_gains(runs())
    assert table["endpoint"].tolist() == [endpoint for endpoint in SCORES for _ in range(3)]
    found = table[:3].set_index(["env", "arm"])["estimate"]
    np.testing.assert_allclose(found["Ant-v5"], [0.2, 0.1])
    np.testing.assert_allclose(found["Ant-v5-full"], [-0.25])
    assert MEAN not in set(table["env"])


def test_what_depends_on_the_temperature_has_an_interval_of_both() -> None:
    metrics = runs(spread=0.05)
    table = dependence(pair_gains(metrics))
    assert table["endpoint"].tolist() == list(SCORES)
    assert set(table["env"]) == {"Ant-v5"}
    first = table.iloc[0]
    scores = metrics[metrics["env"] == "Ant-v5"].groupby(["arm", "seed"])["return"].mean().unstack()
    fixed, automatic = (decision_interval(scores.loc[arm], scores.loc[base]) for arm, base in list(PAIRS.items())[::-1])
    assert first["estimate"] == pytest.approx(-0.1)
    assert first["low"] == pytest.approx(
        -0.1 - np.hypot(fixed.estimate - fixed.low, automatic.high - automatic.estimate)
    )
    assert first["high"] == pytest.approx(
        -0.1 + np.hypot(fixed.high - fixed.estimate, automatic.estimate - automatic.low)
    )


def test_the_words_tell_the_settings_apart() -> None:
    words = in_words(pair_gains(runs(spread=1e-6)))
    assert words == {
        "fixed": "+10 % (+10 to +10) in Ant-v5",
        "automatic": "+20 % (+20 to +20) in Ant-v5",
        "full": "−25 % (−25 to −25) in Ant-v5, full observation",
        "difference": "−10 points (−10 to −10) in Ant-v5",
        "count": "1 of 1 environments",
    }
    assert in_words(pair_gains(runs(spread=0.5)))["count"] == "0 of 1 environments"


def test_what_was_not_run_is_a_dash() -> None:
    metrics = runs()
    words = in_words(pair_gains(metrics[metrics["arm"].isin(["baseline", "recall"])]))
    assert (words["fixed"], words["difference"], words["count"]) == ("–", "–", "0 of 0 environments")
    one = in_words(pair_gains(runs(seeds=1)))
    assert one["difference"] == "−10 points (no interval) in Ant-v5"
    assert one["count"] == "0 of 1 environments"


def test_the_answer_of_the_temperature_is_read_late() -> None:
    assert temperature_in_words(runs(spread=1e-6)) == (
        "−50 % (−50 to −50) in Ant-v5 and −50 % (−50 to −50) in Ant-v5, full observation"
    )
    assert temperature_in_words(runs().assign(temperature=np.nan)) == "–"


def test_every_arm_has_its_look() -> None:
    assert set(CHECKED) == set(PAIRS) | set(PAIRS.values()) == {"baseline", "recall", *CHECK_ARMS}
    for aspect in ("label", "color", "marker", "line"):
        looks = [getattr((CONTROL_ARMS | CHECK_ARMS)[arm], aspect) for arm in CHECKED]
        assert len(set(looks)) >= (3 if aspect == "line" else 4)
