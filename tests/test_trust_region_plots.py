"""What the page trpo shows that the page sac does not."""

import numpy as np
import pandas as pd

from recall.analysis.gains import gains
from recall.analysis.number_plots import LENGTH, at_each, best_in_words
from recall.analysis.trust_region_plots import kl_of_both_steps, reporting


def metrics(returns: dict[str, list[float]]) -> pd.DataFrame:
    """Two evaluations of each seed of each arm, alike."""
    rows = [
        ("trpo", "A-v5", arm, seed, step, value)
        for arm, seeds in returns.items()
        for seed, value in enumerate(seeds)
        for step in (50, 100)
    ]
    return pd.DataFrame(rows, columns=["page", "env", "arm", "seed", "step", "return"])


def test_the_best_two_of_equal_arms_look_better() -> None:
    seeds = [10.0, 50.0, 20.0, 40.0, 30.0]
    table = reporting(metrics({"baseline": seeds, "recall": seeds[::-1]}))
    assert table.loc[("A-v5", "all 5 seeds")].tolist() == ["30", "30", "+0 %"]
    assert table.loc[("A-v5", "best 2 of 5")].tolist() == ["45", "30", "−33 %"]


def test_without_both_arms_or_seeds_to_leave_out_there_is_no_row() -> None:
    assert reporting(metrics({"baseline": [1.0, 2.0], "recall": [1.0, 2.0]})).empty
    assert reporting(metrics({"baseline": [1.0, 2.0, 3.0]})).empty
    assert reporting(metrics({"recall": [1.0, 2.0, 3.0]})).empty


def test_both_steps_are_drawn_an_arm_a_panel() -> None:
    recall = pd.DataFrame({"env": "A-v5", "arm": ["recall", "as-written"], "seed": 0, "step": 50})
    recall = pd.concat([recall, recall.assign(step=100)])
    assert kl_of_both_steps(recall) == []
    panels = kl_of_both_steps(recall.assign(rollout_kl=0.02, trust_region_kl=0.03))
    assert [set(panel.data["arm"]) for panel in panels] == [
        {f"{arm}/imitation", f"{arm}/trust-region"} for arm in ("recall", "as-written")
    ]
    values = panels[0].data.groupby("arm")["kl"].max()
    assert values.to_dict() == {"recall/imitation": 0.02, "recall/trust-region": 0.03}


def test_the_best_other_length_is_named_with_its_difference() -> None:
    rng = np.random.default_rng(0)
    worth = {"length-20": 100.0, "length-10": 90.0, "length-50": 120.0}
    found = metrics({arm: list(of + rng.normal(size=3)) for arm, of in worth.items()})
    others = [arm for arm in at_each(found, LENGTH) if arm != "length-20"]
    assert others == ["length-10", "length-50"]
    assert best_in_words(gains(found, others, "length-20"), LENGTH).startswith("A-v5 50, +20 % (")
    assert best_in_words(gains(found, [], "length-20"), LENGTH) == "–"
