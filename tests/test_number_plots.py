"""Figures against the number that tells arms apart."""

import numpy as np
import pandas as pd
import pytest

from recall.agents.sac import SACConfig
from recall.analysis.control_plots import EPISODE_RETURN, RATIO
from recall.analysis.gains import gains
from recall.analysis.number_plots import (
    WEIGHT,
    against,
    at_each,
    doses_in_words,
    over_training_mean,
    pulls_in_words,
)
from recall.analysis.style import arm_style
from recall.envs.gym_env import GymConfig
from recall.sac_experiments import Budget, dose


def scores(seeds: int = 3) -> pd.DataFrame:
    """Weight 0.1 doubles a return of about 100, weight 1 ruins it."""
    worth = {"weight-0": 1.0, "weight-1": 0.2, "weight-0.1": 2.0}
    rows = [("A-v5", arm, seed, 100 * of + seed) for arm, of in worth.items() for seed in range(seeds)]
    return pd.DataFrame(rows, columns=["env", "arm", "seed", "value"])


def metrics() -> pd.DataFrame:
    steps = pd.DataFrame({"step": [50, 100]})
    return scores().rename(columns={"value": "return"}).merge(steps, how="cross").assign(page="dose")


def test_the_values_stand_in_their_order() -> None:
    assert at_each(scores(), WEIGHT) == ["weight-0.1", "weight-1"]
    (panel,) = against(scores(), WEIGHT, EPISODE_RETURN)
    assert [label.get_text() for label in panel.figure.axes[0].get_xticklabels()] == ["0", "0.1", "1"]


def test_the_interval_is_students() -> None:
    """Of 0, 1, 2: mean 1, standard error 1/sqrt 3, quantile 4.3027."""
    (panel,) = against(scores(), WEIGHT, EPISODE_RETURN)
    half = 4.302653 / 3**0.5
    assert f"101 ({101 - half:.3g} to {101 + half:.3g}) at 0, 201 (199 to 203) at 0.1" in panel.alt


@pytest.mark.parametrize(("seeds", "held"), [(2, False), (3, True)])
def test_the_axis_holds_whole_intervals_but_those_of_two_seeds(seeds: int, held: bool) -> None:
    """Of 0 and 100: 50 +- 12.7 * 50. Of 0, 100 and 200: 100 +- 4.3027 * 100 / sqrt 3, which ends at 348."""
    wide = pd.DataFrame({"env": "A-v5", "arm": "weight-1", "seed": range(seeds), "value": 100.0 * np.arange(seeds)})
    (panel,) = against(wide, WEIGHT, EPISODE_RETURN)
    low, high = panel.figure.axes[0].get_ylim()
    assert (low < 100 - 248 and high > 348) == held


def test_a_band_of_two_seeds_does_not_set_the_axis_and_its_seeds_are_in_the_table() -> None:
    """The interval of 0 and 100 is 50 +- 635."""
    alone = pd.DataFrame({"env": "A-v5", "arm": "baseline", "seed": range(2), "value": [0.0, 100.0]})
    (panel,) = against(scores().query("arm != 'weight-0'"), WEIGHT, EPISODE_RETURN, alone)
    assert panel.figure.axes[0].get_ylim()[1] < 300
    assert panel.data["arm"].value_counts().to_dict() == {"weight-0.1": 3, "weight-1": 3, "baseline": 2}


def test_small_weights_are_shown() -> None:
    specs = dose([GymConfig("Hopper-v5")], [1e-5, 0.3, 0.0], (0,), SACConfig(), Budget())
    assert [spec.arm for spec in specs] == ["weight-0.00001", "weight-0.3", "weight-0"]
    assert at_each(pd.DataFrame({"arm": [spec.arm for spec in specs]}), WEIGHT) == ["weight-0.00001", "weight-0.3"]


def test_a_single_seed_is_a_dot_without_an_interval() -> None:
    (panel,) = against(scores(1), WEIGHT, EPISODE_RETURN)
    assert "100 at 0, 200 at 0.1 and 20 at 1." in panel.alt


def test_on_a_logarithmic_axis_the_mean_is_geometric_and_what_is_not_positive_is_left_out() -> None:
    ratios = pd.DataFrame({"env": "A-v5", "arm": "weight-1", "seed": range(4), "value": [0.01, 1.0, 0.0, np.nan]})
    (panel,) = against(ratios, WEIGHT, RATIO)
    assert panel.alt.split("interval: ")[1].startswith("0.1 (")
    assert list(panel.data["value"]) == [0.01, 1.0]


def test_a_baseline_is_a_band_in_its_environments_alone() -> None:
    """Of 299, 300, 301: standard error 1/sqrt 3; the axis goes up to its upper end."""
    both = pd.concat([scores(), scores().assign(env="B-v5")]).query("arm != 'weight-0'")
    alone = pd.DataFrame({"env": "B-v5", "arm": "baseline", "seed": range(3), "value": [299.0, 300.0, 301.0]})
    first, second = against(both, WEIGHT, EPISODE_RETURN, alone)
    assert second.alt.endswith("Without recall traces: 300 (298 to 302).")
    assert second.figure.axes[0].get_ylim()[1] > 302
    assert [text.get_text() for text in second.figure.legends[0].get_texts()] == ["baseline"]
    assert "Without" not in first.alt
    assert not first.figure.legends


def test_other_arms_are_left_out() -> None:
    assert against(scores().assign(arm="recall"), WEIGHT, EPISODE_RETURN) == []


def test_the_words_name_the_weights() -> None:
    recall = scores().assign(gradient_ratio=[0.0] * 3 + [0.3] * 3 + [0.009] * 3)
    words = doses_in_words(recall, gains(metrics(), at_each(metrics(), WEIGHT), "weight-0"))
    assert words["felt"] == "Imitation is felt from weight 1 on in A-v5."
    assert words["best"].startswith("0.1 in A-v5, +99 % (")
    weak = doses_in_words(recall.assign(gradient_ratio=0.001), gains(metrics(), [], "weight-0"))
    assert weak == {"felt": "Imitation is felt at no weight in A-v5.", "best": "–"}


def test_the_pull_is_a_mean_over_training_and_seeds() -> None:
    recall = pd.DataFrame({"env": "A-v5", "arm": "recall", "seed": [0, 0, 1], "gradient_ratio": [0.02, 0.04, 0.05]})
    assert pulls_in_words(recall, "recall") == "4 % in A-v5"
    assert pulls_in_words(recall.assign(gradient_ratio=np.nan), "recall") == "–"
    assert pulls_in_words(recall, "as-written") == "–"


def test_a_column_that_is_not_there_gives_no_rows() -> None:
    assert over_training_mean(scores(), "missing").empty


@pytest.mark.parametrize("arm", ["weight-0.03", "weight-0.03/policy"])
def test_an_arm_of_a_number_is_drawn_like_recall_and_named_by_it(arm: str) -> None:
    assert arm_style(arm).label.startswith("weight 0.03")
    assert arm_style("weight-0.03").color == arm_style("recall").color
