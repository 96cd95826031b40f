"""Figures against one setting of recall traces."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_records import curves, write_record

from recall.analysis import trace_plots as plots
from recall.analysis.endpoints import auc
from recall.analysis.records import Record, find_records, tidy
from recall.analysis.style import arm_style
from recall.analysis.trace_plots import (
    COUNT,
    LENGTH,
    QUANTILE,
    along,
    beside,
    contrast_in_words,
    extremes_in_words,
    over_default,
)

DEFAULT: dict[str, Any] = {"length": 33, "n_traces": 10, "top_fraction": 1.0}
LUCK = np.array([0.3, 0.5, 0.7])
"""Success of each seed with the default; the seeds differ by far more than the arms."""


def put(root: Path, arm: str, gain: np.ndarray | float, **setting: Any) -> None:
    """An arm whose seeds gain so much over the default."""
    recall = None if arm == "baseline" else DEFAULT | {"model": arm.partition("-")[0]} | setting
    write_record(root, {"metrics": curves(LUCK + gain)}, arm=arm, recall=recall)


@pytest.fixture
def stored(tmp_path: Path) -> list[Record]:
    put(tmp_path, "baseline", -0.2)
    for model in ("learned", "true"):
        put(tmp_path, model, 0.0)
        put(tmp_path, f"{model}-length-1", np.array([-0.11, -0.1, -0.09]), length=1)
        put(tmp_path, f"{model}-length-100", 0.01, length=100)
    put(tmp_path, "learned-traces-1", -0.02, n_traces=1)
    put(tmp_path, "learned-best-5", 0.02, top_fraction=0.05)
    return find_records(tmp_path)


def scores(stored: list[Record]) -> pd.DataFrame:
    return auc(tidy(stored))


def test_arms_stand_where_their_settings_say(stored: list[Record]) -> None:
    rows = along(stored, scores(stored), LENGTH)
    places = rows.groupby("arm")[["model", "number", "is_default"]].first()
    assert list(places.loc["learned"]) == ["learned", 33, True]
    assert list(places.loc["true-length-100"]) == ["true", 100, False]
    assert set(places.index) == {f"{m}{n}" for m in ("learned", "true") for n in ("", "-length-1", "-length-100")}


def test_a_model_without_another_value_is_left_out(stored: list[Record]) -> None:
    for setting, values in ((COUNT, {1.0, 10.0}), (QUANTILE, {5.0, 100.0})):
        rows = along(stored, scores(stored), setting)
        assert set(rows["model"]) == {"learned"}
        assert set(rows["number"]) == values


def test_seeds_are_compared_with_themselves(stored: list[Record]) -> None:
    gained = over_default(along(stored, scores(stored), LENGTH))
    learned = gained[gained["model"] == "learned"].sort_values("seed").groupby("number")["value"].apply(list)
    assert learned[1] == pytest.approx([-11, -10, -9])
    assert learned[33] == [0, 0, 0]
    assert learned[100] == pytest.approx([1, 1, 1])


def test_the_words_name_worst_and_best_and_never_the_default(stored: list[Record]) -> None:
    """Of -11, -10, -9: standard error 1/sqrt 3, Student's quantile 4.3027."""
    gained = over_default(along(stored, scores(stored), LENGTH))
    words = "side 11 from −10.0 (−12.5 to −7.5) at 1 to +1.0 (+1.0 to +1.0) at 100"
    assert extremes_in_words(gained, "learned") == words
    assert extremes_in_words(gained, "untrained") == "–"
    one = over_default(along(stored, scores(stored), COUNT))
    assert extremes_in_words(one, "learned") == "side 11 −2.0 (−2.0 to −2.0) at 1"


def test_two_values_are_held_against_each_other_seed_by_seed(stored: list[Record]) -> None:
    """At 1 a seed scores 0.11, 0.10, 0.09 less than at 33, at 100 0.01 more."""
    rows = along(stored, scores(stored), LENGTH)
    assert contrast_in_words(rows, "learned", 1, 100) == "side 11 −11.0 (−13.5 to −8.5)"
    assert contrast_in_words(rows, "learned", 1, 7) == "–"
    assert contrast_in_words(rows, "untrained", 1, 100) == "–"


def test_the_models_stand_side_by_side_on_the_baselines_band(stored: list[Record]) -> None:
    success = scores(stored)
    (panel,) = beside(along(stored, success, LENGTH), LENGTH, plots.SUCCESS, success[success["arm"] == "baseline"])
    (ax,) = panel.figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "33", "100"]
    assert ax.get_legend_handles_labels()[1] == ["baseline", "learned model", "true model"]
    assert "learned model 0.4 (" in panel.alt
    assert panel.alt.endswith("Without recall traces: 0.3 (-0.197 to 0.797).")
    assert len(panel.data) == 2 * 3 * len(LUCK)


def test_a_ruined_seed_does_not_hide_the_rest(stored: list[Record]) -> None:
    (panel,) = beside(over_default(along(stored, scores(stored), LENGTH)), LENGTH, plots.GAIN)
    ax = panel.figure.axes[0]
    assert ax.get_yscale() == "symlog"
    low, high = ax.get_ylim()
    assert low < -11
    assert high > 1
    assert [label.get_text() for label in ax.get_yticklabels()] == ["−10", "−1", "0", "+1"]


def test_nothing_is_drawn_where_nothing_is_varied(stored: list[Record]) -> None:
    alone = [record for record in stored if record.labels["arm"] in ("baseline", "learned")]
    rows = along(alone, scores(alone), LENGTH)
    assert beside(rows, LENGTH, plots.SUCCESS) == []
    assert extremes_in_words(over_default(rows), "learned") == "–"
    assert plots.sweeps_for_people(alone, scores(alone)).empty


def test_a_single_seed_has_no_interval(stored: list[Record]) -> None:
    success = scores(stored)
    gained = over_default(along(stored, success[success["seed"] == 0], LENGTH))
    assert extremes_in_words(gained, "true") == "side 11 from −11.0 (no interval) at 1 to +1.0 (no interval) at 100"


def test_every_arm_has_a_row_and_the_default_one(stored: list[Record]) -> None:
    table = plots.sweeps_for_people(stored, scores(stored))
    assert list(table.loc[("side 11", "learned model")]) == ["0.500", "default"]
    assert list(table.loc[("side 11", "learned model, best 5 %")]) == ["0.520", "+2.0 (+2.0 to +2.0)"]
    assert len(table) == 8


def test_what_traces_earn_more_is_a_mean_over_the_evaluations_that_had_some() -> None:
    recall = pd.DataFrame({"env": "side-11", "arm": "learned", "seed": 0, "trace_return": [np.nan, 0.5, 0.7]})
    (row,) = plots.advantage(recall.assign(policy_return=[np.nan, 0.2, 0.6])).to_dict("records")
    assert row["value"] == pytest.approx(0.2)
    assert plots.advantage(recall[:0]).empty


@pytest.mark.parametrize(("arm", "name"), [("true-length-5", "length 5"), ("true-traces-3", "N = 3")])
def test_an_arm_of_a_setting_is_drawn_like_its_model_and_named_by_both(arm: str, name: str) -> None:
    assert arm_style(arm).label == f"true model, {name}"
    assert arm_style(arm).color == arm_style("true").color
