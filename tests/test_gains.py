"""Differences between arms as shares of the baseline, held against others' runs and published scores."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from control_figures import write_reference
from hypothesis import given
from hypothesis import strategies as st

from recall.analysis.endpoints import auc, final
from recall.analysis.gain_plots import shares_in_words
from recall.analysis.gains import (
    CHANCE,
    MEAN,
    SCORES,
    chances,
    gains,
    gains_for_people,
    gains_in_words,
    mean_in_words,
    relative_gain,
)
from recall.analysis.published import beside, load_published, nearest
from recall.analysis.published import shares_in_words as published_shares
from recall.analysis.reference import (
    COLUMNS,
    MARGIN,
    SPREADS,
    compare_with_reference,
    comparison_in_words,
    env_of,
    reference_curves,
    reference_facts,
)
from recall.analysis.stats import decision_interval, probability_of_improvement
from recall.analysis.wording import share_in_words
from recall.errors import ConfigError

PUBLISHED = Path(__file__).parents[1] / "book" / "published_scores.yml"


def runs(scores: dict[tuple[str, str], list[float]], evaluations: int = 20) -> pd.DataFrame:
    """A tidy table in which every seed has its score at every evaluation."""
    steps = 5000 * np.arange(1, evaluations + 1)
    frames = [
        pd.DataFrame({"page": "sac", "env": env, "arm": arm, "seed": seed, "step": steps, "return": score})
        for (env, arm), seeds in scores.items()
        for seed, score in enumerate(seeds)
    ]
    return pd.concat(frames, ignore_index=True)


TWO = {
    ("a", "baseline"): [90.0, 100.0, 110.0],
    ("a", "recall"): [100.0, 110.0, 120.0],
    ("b", "baseline"): [-9.0, -10.0, -11.0],
    ("b", "recall"): [-4.0, -5.0, -6.0],
    ("c", "recall"): [1.0, 1.0, 1.0],
}


# Gains


def test_a_gain_is_a_share_of_the_baseline_whatever_its_sign() -> None:
    table = gains(runs(TWO), ("recall", "as-written"))
    assert table["endpoint"].tolist() == [endpoint for endpoint in SCORES for _ in range(3)]
    assert table["env"].tolist() == 2 * ["a", "b", MEAN]
    np.testing.assert_allclose(table["estimate"][:3], [0.1, 0.5, 0.3])
    assert (table["seeds"] == 3).all()
    assert ((table["low"] < table["estimate"]) & (table["estimate"] < table["high"])).all()


def test_the_interval_is_the_one_that_decides() -> None:
    row = gains(runs(TWO), ("recall",)).iloc[0]
    assert (row["estimate"], row["low"], row["high"]) == pytest.approx(
        decision_interval(TWO["a", "recall"], TWO["a", "baseline"])
    )


def test_endpoints_see_what_they_are_named_after() -> None:
    late = runs({("a", "baseline"): [1.0, 2.0], ("a", "recall"): [1.0, 2.0]})
    risen = (late["arm"] == "recall") & (late["step"] > 50_000)
    table = gains(late.assign(**{"return": late["return"] * (1 + risen)}), ("recall",)).set_index("endpoint")
    assert table.loc["mean return over training", "estimate"] == pytest.approx(0.5)
    assert table.loc["final return", "estimate"] == pytest.approx(1.0)


@pytest.mark.parametrize("missing", ["baseline", "recall"])
def test_an_arm_alone_gains_nothing(missing: str) -> None:
    table = gains(runs({key: seeds for key, seeds in TWO.items() if key[1] != missing}), ("recall",))
    assert table.empty
    assert gains_for_people(table).empty
    assert gains_in_words(table, "recall") == "–"


def test_a_single_seed_gives_an_estimate_and_no_mean() -> None:
    table = gains(runs({key: seeds[:1] for key, seeds in TWO.items()}), ("recall",))
    assert table["env"].tolist() == 2 * ["a", "b"]
    assert np.isinf(table[["low", "high"]]).all(axis=None)
    assert gains_in_words(table, "recall") == "a +11 % (no interval) and b +56 % (no interval)"


SEEDS = st.lists(st.integers(-1000, 1000), min_size=1, max_size=4)


@given(SEEDS, SEEDS)
def test_any_two_arms_can_be_held_against_each_other(treatment: list[int], baseline: list[int]) -> None:
    found = relative_gain(np.array(treatment, float), np.array(baseline, float))
    assert not found.low > found.high
    assert not {"nan", "inf"} & set(share_in_words(found).split())


def test_gains_are_written_for_people() -> None:
    table = gains_for_people(gains(runs(TWO), ("recall",)))
    assert list(table) == list(SCORES)
    assert table.index.tolist() == [("a", "recall traces"), ("b", "recall traces"), (MEAN, "recall traces")]
    words = gains_in_words(gains(runs(TWO), ("recall",)), "recall")
    assert words.startswith("a +10 % (")
    assert f"; {MEAN} +30 % (" in words


def test_the_mean_of_several_environments_can_be_told_alone() -> None:
    table = gains(runs(TWO), ("recall",))
    assert f"; {MEAN} {mean_in_words(table, 'recall')}" in gains_in_words(table, "recall")
    assert mean_in_words(table[table["env"] == "a"], "recall") == "–"


def test_endpoints_may_be_chosen() -> None:
    rising = runs(TWO).assign(**{"return": lambda rows: rows["return"] * rows["step"]})
    table = gains(rising, ("recall",), scores={"last": partial(final, last=1)}).set_index("env")
    assert set(table["endpoint"]) == {"last"}
    assert table.loc["a", "estimate"] == pytest.approx(0.1)


# Probability of improvement


def test_chances_are_those_of_a_seed_and_their_mean() -> None:
    table = chances(auc(runs(TWO), "return"), ("recall", "as-written")).set_index("env")
    assert list(chances(auc(runs(TWO), "return"), ())) == CHANCE
    assert table.index.tolist() == ["a", "b", MEAN]
    assert table.loc["a", "estimate"] == pytest.approx(7 / 9)  # of nine pairs six wins, two draws, one loss
    assert tuple(table.loc["a", ["estimate", "low", "high"]]) == probability_of_improvement(
        TWO["a", "recall"], TWO["a", "baseline"]
    )
    assert table.loc["b", "estimate"] == 1
    assert table.loc[MEAN, "estimate"] == pytest.approx(table.loc[["a", "b"], "estimate"].mean())
    distances = (table["estimate"] - table["low"])[["a", "b"]]
    assert table.loc[MEAN, "estimate"] - table.loc[MEAN, "low"] == pytest.approx(np.linalg.norm(distances) / 2)


def test_one_environment_is_no_mean() -> None:
    alone = {key: seeds for key, seeds in TWO.items() if key[0] == "a"}
    assert chances(auc(runs(alone), "return"), ("recall",))["env"].tolist() == ["a"]


# Others' runs


def test_curves_of_others_look_like_ours(tmp_path: Path) -> None:
    write_reference(tmp_path / "sb3", ("Hopper-v5", "Hopper-v5-full"), seeds=3)
    table = reference_curves(tmp_path / "sb3", "stable-baselines3", ["Hopper-v5", "Ant-v5"])
    assert list(table) == COLUMNS
    assert set(table["env"]) == {"Hopper-v5"}
    assert table.groupby("seed").size().tolist() == [20, 20, 20]
    assert len(auc(table, "return")) == 3
    assert reference_facts(tmp_path / "sb3", ["Hopper-v5"]) == "100k steps; stable_baselines3 2; on x"


def test_a_budget_of_whole_rollouts_is_rounded(tmp_path: Path) -> None:
    write_reference(tmp_path / "sb3", ("Hopper-v5",), seeds=1)
    file = tmp_path / "sb3" / "Hopper-v5-0.json"
    file.write_text(file.read_text().replace("100000", "999424"))
    assert reference_facts(tmp_path / "sb3", ["Hopper-v5"]).startswith("999k steps;")


def test_every_version_behind_others_curves_is_named(tmp_path: Path) -> None:
    write_reference(tmp_path / "sb3", ("Hopper-v5",), seeds=2)
    file = tmp_path / "sb3" / "Hopper-v5-1.json"
    file.write_text(file.read_text().replace(json.dumps("2"), json.dumps("3")))
    assert "stable_baselines3 2 and stable_baselines3 3" in reference_facts(tmp_path / "sb3", ["Hopper-v5"])


def test_without_files_there_are_no_curves(tmp_path: Path) -> None:
    table = reference_curves(tmp_path, "stable-baselines3", ["Hopper-v5"])
    assert list(table) == COLUMNS
    assert table.empty
    assert reference_facts(tmp_path, ["Hopper-v5"]) == "none"
    compared = compare_with_reference(runs(TWO), table)
    assert compared.empty
    words = comparison_in_words(compared)
    assert (words["differences"], words["seeds"]) == ("not known, for no runs of it are stored", "no")
    assert words["credible"] == "0 of 0 environments"


def test_a_file_is_of_one_environment() -> None:
    assert env_of(Path("x/HalfCheetah-v5-12.csv")) == "HalfCheetah-v5"
    assert env_of(Path("Ant-v5-full-0.csv")) == "Ant-v5-full"


@pytest.mark.parametrize(
    ("ours", "theirs", "finding"),
    [
        (100.0, 100.0, "credible"),
        (100.0, 100.0 / (1 + MARGIN) * 1.05, "not shown"),
        (90.0, 100.0, "credible"),
        (120.0, 100.0, "credible"),
    ],
)
def test_credible_is_an_interval_above_the_margin(ours: float, theirs: float, finding: str) -> None:
    spread = np.array([-1.0, 0.0, 0.0, 0.0, 1.0])
    (row,) = compare_with_reference(
        runs({("a", "baseline"): [*(ours + spread)]}), runs({("a", "x"): [*(theirs + spread)]})
    ).to_dict("records")
    assert row["finding"] == finding
    assert (row["low"] > MARGIN) == (finding == "credible")
    assert (row["ours"], row["theirs"]) == (pytest.approx(ours), pytest.approx(theirs))
    assert [row[name] for name in SPREADS] == pytest.approx([ours - 1, ours + 1, theirs - 1, theirs + 1])


def test_few_seeds_show_nothing() -> None:
    even = [100.0, 100.1, 99.9, 100.0, 100.0]
    compared = compare_with_reference(runs({("a", "baseline"): even}), runs({("a", "x"): even[:4]}))
    assert compared["finding"].tolist() == ["few seeds"]
    words = comparison_in_words(compared)
    assert (words["seeds"], words["steps"], words["margin"]) == ("4", "100k", "−15 %")
    assert words["spreads"] == "in a between 100 and 100, ours between 100 and 100"


def test_unequal_budgets_are_cut_to_the_shorter() -> None:
    theirs = runs({("a", "x"): [100.0] * 5}, evaluations=20)
    theirs.loc[theirs["step"] > 20_000, "return"] = 1e6
    (row,) = compare_with_reference(runs({("a", "baseline"): [100.0] * 5}, evaluations=4), theirs).to_dict("records")
    assert (row["steps"], row["theirs"], row["estimate"]) == (20_000, 100, 0)


def test_only_steps_after_which_both_were_evaluated_count() -> None:
    """One that was evaluated more often would else be compared by later ones, and one seed's gap by all."""
    ours = runs({("a", "baseline"): [100.0] * 5})
    theirs = runs({("a", "x"): [100.0] * 5})
    ours.loc[ours["step"] % 10_000 > 0, "return"] = 1e6
    theirs = theirs[(theirs["step"] % 10_000 == 0) & ((theirs["step"] < 100_000) | (theirs["seed"] > 0))]
    (row,) = compare_with_reference(ours, theirs).to_dict("records")
    assert (row["steps"], row["ours"], row["theirs"]) == (90_000, 100, 100)
    assert comparison_in_words(compare_with_reference(ours, theirs))["end"] == "10k to 90k"
    assert compare_with_reference(ours[ours["step"] == 5_000], theirs).empty


# Published scores


def test_published_scores_say_where_they_are_from() -> None:
    scores = load_published(PUBLISHED)
    assert len(scores) > 40
    assert (scores["algorithm"] == "SAC").all()
    assert scores["version"].str.fullmatch(r"v\d( or v\d)?").all()
    assert (scores["where"] != "").all()
    assert scores[["steps", "mean"]].gt(0).all(axis=None)
    assert set(scores["task"]) == {"HalfCheetah", "Walker2d", "Hopper", "Ant", "Humanoid"}
    anchor = scores[(scores["source"] == "Tianshou") & (scores["steps"] == 300_000)].set_index("task")
    assert anchor.loc["Ant", ["mean", "spread"]].tolist() == [3561, 780]


def test_a_source_without_its_facts_is_refused(tmp_path: Path) -> None:
    raw = yaml.safe_load(PUBLISHED.read_text())
    del raw[0]["version"]
    (tmp_path / "scores.yml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError, match=r"scores\.yml: Tianshou has .*; it needs .*'version'"):
        load_published(tmp_path / "scores.yml")


@pytest.mark.parametrize(
    ("steps", "budget"), [(100_000, 100_000), (250_000, 300_000), (20_000, 100_000), (10**7, 10**6)]
)
def test_the_nearest_budget_is_shown(steps: int, budget: int) -> None:
    found = nearest(load_published(PUBLISHED), "HalfCheetah-v5", steps).set_index("source")
    assert found.loc["Tianshou", "steps"] == budget
    assert found.index.is_unique


def test_our_scores_come_before_those_of_others() -> None:
    scores = final(runs({("Ant-v5-full", "recall"): [1.0], ("Ant-v5-full", "baseline"): [1.0, 3.0]}), "return")
    table = beside(scores, load_published(PUBLISHED), ("baseline", "recall", "as-written"))
    names = [source for _, source in table.index]
    assert names[:3] == ["baseline, here, 2 seeds", "recall traces, here, 1 seed", "Tianshou, v3"]
    assert table.iloc[:3].to_numpy().tolist() == [["100k", "2 ± 1"], ["100k", "1"], ["100k", "1020 ± 450"]]
    unknown = beside(scores.assign(env="Swimmer-v5"), load_published(PUBLISHED), ("baseline",))
    assert unknown.index.tolist() == [("Swimmer-v5", "baseline, here, 2 seeds")]


def test_what_is_published_at_the_very_budget_is_what_a_baseline_is_held_against() -> None:
    """Tianshou's Hopper at 300,000 steps has 3388; nobody has anything at 7."""
    rows = [("Hopper-v5", "baseline", seed, 847.0 * 2 * seed, 300_000) for seed in (1, 1)]
    scores = pd.DataFrame(rows, columns=["env", "arm", "seed", "value", "budget"])
    assert published_shares(scores, load_published(PUBLISHED)) == "Tianshou 50 % in Hopper-v5"
    assert published_shares(scores.assign(budget=7), load_published(PUBLISHED)) == "–"
    assert published_shares(scores.assign(arm="recall"), load_published(PUBLISHED)) == "–"


def test_the_time_of_recall_is_told_by_environment() -> None:
    timing = pd.DataFrame({"phase": ["environment", "recall", "learner", "evaluation"], "seconds": [50.0, 25, 25, 900]})
    timing = pd.concat([timing.assign(env=env, arm="recall") for env in ("A-v5", "B-v5")])
    assert shares_in_words(timing) == "25 % in A-v5 and 25 % in B-v5"
    assert shares_in_words(timing, "as-written") == "–"


def test_a_mean_is_of_the_environments_of_all_arms_and_stands_last() -> None:
    metrics = runs(TWO | {("a", "as-written"): [80.0, 90.0, 100.0]})
    table = gains(metrics, ("recall", "as-written"))
    assert set(table[table["env"] == MEAN]["arm"]) == {"recall"}
    assert list(gains_for_people(table).index.get_level_values(0)) == ["a", "a", "b", MEAN]
    found = chances(final(metrics, "return"), ("recall", "as-written"))
    assert set(found[found["env"] == MEAN]["arm"]) == {"recall"}
