"""What is said to go with a difference between the arms."""

import numpy as np
import pandas as pd
import pytest
from test_trust_region_plots import metrics

from recall.analysis.pull import with_pull
from recall.analysis.symptoms import (
    against_in_words,
    below_in_words,
    cosines_in_words,
    halves,
    moments_in_words,
    steps_in_words,
)


def test_the_pull_is_that_of_the_updates_where_imitation_is_a_part_of_them() -> None:
    """An imitation of steps of its own, here as-written's, is not logged with them: the diagnosis has to do."""
    recall = metrics({"recall": [0.0], "as-written": [0.0]}).drop(columns="return").assign(gradient_ratio=0.5)
    updates = metrics({"recall": [0.0], "as-written": [0.0], "baseline": [0.0]})
    updates["imitation_gradient"] = np.where(updates["arm"] == "recall", updates["step"] / 50, 0.0)
    found = with_pull(recall, updates.assign(actor_gradient=10.0))
    assert found.set_index(["arm", "step"])["gradient_ratio"].to_dict() == {
        ("recall", 50): pytest.approx(0.1),
        ("recall", 100): pytest.approx(0.2),
        ("as-written", 50): 0.5,
        ("as-written", 100): 0.5,
    }
    assert list(found) == list(recall)
    assert with_pull(recall, updates.drop(columns="imitation_gradient")) is recall
    assert with_pull(recall[:0], updates).empty


def test_what_the_critic_thinks_of_recalled_actions_is_counted() -> None:
    recall = pd.DataFrame({"env": ["A-v5", "A-v5", "B-v5"], "arm": "recall", "seed": 0, "step": [1, 2, 1]})
    recall = recall.assign(trace_advantage=[-1.0, 1.0, -1.0], gradient_cosine=[0.1, 0.04, -0.5])
    assert below_in_words(recall) == "50 % in A-v5 and 100 % in B-v5"
    assert cosines_in_words(recall) == "+0.07 in A-v5 and −0.50 in B-v5"
    assert below_in_words(recall, "as-written") == cosines_in_words(recall, "as-written") == "–"


def test_evaluations_in_which_imitation_pulls_against_the_policy_are_counted() -> None:
    recall = pd.DataFrame({"env": "A-v5", "arm": ["recall"] * 4 + ["as-written"], "seed": 0, "step": range(5)})
    recall["gradient_cosine"] = [-0.1, -0.2, 0.3, np.nan, 0.9]
    assert against_in_words(recall) == "67 % in A-v5"
    assert against_in_words(recall.drop(columns="gradient_cosine")) == "–"


def test_what_traces_start_from_stands_beside_what_the_baseline_earns_a_step() -> None:
    own = metrics({"baseline": [20.0, 40.0], "recall": [1.0, 1.0]}).assign(episode_length=10)
    recall = metrics({"recall": [0.0, 0.0]}).assign(target_value=[5.0, 6.0, 7.0, 8.0])
    assert moments_in_words(own, recall) == "6.5 beside 3.0 in A-v5"
    assert moments_in_words(own[own["arm"] == "recall"], recall) == "–"
    assert moments_in_words(own, recall.drop(columns="target_value")) == "–"


def test_both_arms_stand_beside_each_other_in_either_half() -> None:
    found = metrics({"baseline": [20.0, 40.0], "recall": [-10.0, -30.0]}).assign(episode_length=[5, 10] * 4)
    found["return"] += found["step"] / 50 - 1  # one more in the second half
    table = halves(found)
    assert table.loc[("A-v5", "return, first half")].tolist() == ["30", "−20"]
    assert table.loc[("A-v5", "return, second half")].tolist() == ["31", "−19"]
    assert table.loc[("A-v5", "steps of an episode, second half")].tolist() == ["10", "10"]
    assert table.loc[("A-v5", "reward a step, first half")].tolist() == ["6.0", "−4.0"]
    assert halves(found[found["arm"] == "recall"]).empty


def test_the_steps_of_traces_are_told_beside_those_that_they_might_have() -> None:
    recall = pd.DataFrame({"env": "A-v5", "arm": ["recall", "recall", "as-written"], "seed": [0, 1, 0]})
    recall = recall.assign(step=50, trace_length=[2.0, 3.0, 20.0])
    assert steps_in_words(recall, {"A-v5": 20}) == "A-v5 2.5 of 20"
    assert steps_in_words(recall.drop(columns="trace_length"), {}) == "–"
