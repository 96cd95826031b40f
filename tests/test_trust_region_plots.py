"""What the page trpo shows that the page sac does not."""

import numpy as np
import pandas as pd

from recall.analysis.gains import gains
from recall.analysis.number_plots import LENGTH, at_each, best_in_words, spread_in_words
from recall.analysis.trust_region_plots import (
    ARMS,
    OF_ARMS,
    arms_in_words,
    kl_of_both_steps,
    literal_in_words,
    literal_returns,
    reporting,
)


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


def test_the_words_name_the_best_length_and_how_far_lengths_differ() -> None:
    rng = np.random.default_rng(0)
    worth = {"length-20": 100.0, "length-10": 90.0, "length-50": 120.0}
    found = metrics({arm: list(of + rng.normal(size=3)) for arm, of in worth.items()})
    others = [arm for arm in at_each(found, LENGTH) if arm != "length-20"]
    assert others == ["length-10", "length-50"]
    assert best_in_words(gains(found, others, "length-20"), LENGTH).startswith("50 in A-v5, +20 % (")
    assert spread_in_words(gains(found, others, "length-20"), LENGTH) == ("−10 to +20 % in A-v5 (shown at 10 and 50)")
    wide = metrics({arm: [of - 40, of, of + 40] for arm, of in worth.items()})
    assert spread_in_words(gains(wide, others, "length-20"), LENGTH).endswith("(shown at none)")
    assert spread_in_words(gains(found[found["seed"] == 0], others, "length-20"), LENGTH).endswith("(no intervals)")
    assert best_in_words(gains(found, [], "length-20"), LENGTH) == "–"
    assert spread_in_words(gains(found, [], "length-20"), LENGTH) == "–"


def test_the_text_speaks_of_the_arms_that_are_drawn_and_names_the_others() -> None:
    assert OF_ARMS.keys() == set(ARMS)
    both = ["baseline", "recall"]
    words = arms_in_words(both, [*both, "as-written", "recall-trajectories", "as-written"])
    assert words["arms"] == f"{OF_ARMS['baseline']} {OF_ARMS['recall']}"
    assert words["lacking"] == " Not trained yet: *recall traces, as written* and *model of fresh trajectories*."
    assert arms_in_words([*both, "as-written"], both)["lacking"] == ""
    assert "Red follows" in arms_in_words([*both, "as-written"], both)["arms"]


def test_the_papers_own_baseline_stands_beside_ours_in_its_environments_alone() -> None:
    ours = metrics({"baseline": [10.0, 20.0], "recall": [1.0]})
    ours = pd.concat([ours, ours.assign(env="B-v5")])
    literal = metrics({"baseline-nagabandi": [7.0]}).assign(step=[1_000_000, 10_000_000])
    (panel,) = literal_returns(ours, literal)
    assert set(panel.data["env"] + " " + panel.data["arm"]) == {"A-v5 baseline", "A-v5 baseline-nagabandi"}
    assert panel.data["step"].max() == 10_000_000
    assert literal_in_words(ours, literal) == (
        "baseline in A-v5 15 after 0.1k steps (2 seeds) and "
        "baseline, settings of Nagabandi et al. in A-v5 7 after 10M steps (1 seed)"
    )
