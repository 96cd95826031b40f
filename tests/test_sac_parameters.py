"""The pages sac and baselines: the runs they mean, which of them they share, and what they refuse."""

from dataclasses import replace
from typing import Any

import pytest

from recall.agents.sac import SACConfig
from recall.continuous_recaller import ContinuousRecallConfig
from recall.envs.gym_env import GymConfig
from recall.errors import ConfigError, ParameterError
from recall.page_parameters import PageParameters
from recall.pages import (
    PAGES,
    BaselinesParameters,
    DeltaStateParameters,
    DoseParameters,
    SacChecksParameters,
    SacParameters,
    store,
)
from recall.parameters import check_parameters
from recall.runs import RunSpec
from recall.sac_experiments import ARMS, PAIR, trace_length

PUBLISHED = SacParameters().specs()
AGENT = SACConfig(random_steps=10_000)
ENVS = ("HalfCheetah-v5", "Ant-v5")
"""Of the page sac-checks."""


def recall_of(spec: RunSpec) -> ContinuousRecallConfig:
    assert isinstance(spec.recall, ContinuousRecallConfig)
    return spec.recall


def test_the_published_page_sac() -> None:
    """The third arm is known, and not trained yet."""
    runs = [(spec.env_label, spec.arm, *spec.seeds) for spec in PUBLISHED]
    envs, arms = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5"), ("baseline", "recall")
    assert runs == [(env, arm, seed) for env in envs for arm in arms for seed in range(5)]
    assert {(spec.total_steps, spec.eval_every, spec.agent) for spec in PUBLISHED} == {(300_000, 5_000, AGENT)}
    assert {spec.n_updates / spec.eval_every for spec in PUBLISHED} == {60}
    assert {spec.arm for spec in SacParameters(arms="all").specs()} == {*arms, "as-written"}


def test_the_published_baselines() -> None:
    runs = [(spec.env_label, *spec.seeds) for spec in BaselinesParameters().specs()]
    assert runs == [(env, seed) for env in ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5") for seed in range(5)]
    assert {spec.arm for spec in BaselinesParameters().specs()} == {"baseline"}


def test_a_run_that_both_pages_show_is_one_record() -> None:
    shared = {spec for spec in PUBLISHED if spec.arm == "baseline"}
    assert shared <= set(BaselinesParameters().specs())
    assert {spec.page for spec in shared} == {"baselines"}
    assert {spec.page for spec in PUBLISHED if spec.arm != "baseline"} == {"sac"}
    assert len({spec.folder for spec in PUBLISHED}) == len({spec.key for spec in PUBLISHED}) == len(PUBLISHED)


def test_a_record_carries_the_rules_of_every_page_that_shows_it() -> None:
    claims = store(local=True).claims
    assert claims["sac"].keys() >= {"6.4-all-tasks", "6.4-hardest-most"}
    assert claims["sac"].items() <= claims["baselines"].items()
    assert not claims["sac"].keys() & claims["four-rooms"].keys()
    assert {shown for schema in PAGES.values() for shown in schema.shows} == claims.keys()


def test_only_the_published_store_leaves_policies_out() -> None:
    assert store(local=False).policy_seeds == (0,)
    assert store(local=True).policy_seeds is None


def test_arms_differ_in_recall_alone() -> None:
    assert ARMS["baseline"] is None
    assert ARMS["recall"] == ContinuousRecallConfig()
    written = ARMS["as-written"]
    assert written is not None
    assert (written.joint, written.weight, written.target_fraction, written.action_std) == (False, 1.0, None, 1.0)
    assert (written.normalise, written.pre_tanh, written.stay_in_range) == (False, False, False)


@pytest.mark.parametrize(
    ("env_id", "length"),
    [("HalfCheetah-v5", 20), ("Walker2d-v5", 20), ("Hopper-v5", 20), ("Ant-v5", 50), ("Humanoid-v5", 50)],
)
def test_traces_are_as_long_as_table_2_has_them(env_id: str, length: int) -> None:
    assert trace_length(env_id) == length
    assert {recall_of(spec).length for spec in SacParameters(env_id=env_id).specs() if spec.recall} == {length}


def test_parameters_reach_every_run() -> None:
    specs = SacParameters(
        env_id="Swimmer-v5, Ant-v5", seeds=2, first_seed=7, total_steps=3_000, eval_every=500, random_steps=200,
        temperature=0.1, precision="float32", full_observation=True, arms="as-written,baseline", weight=0.3, length=9,
    ).specs()  # fmt: skip
    assert len(specs) == 2 * 2 * 2
    assert {spec.arm for spec in specs} == {"baseline", "as-written"}
    assert {spec.env_label for spec in specs} == {"Swimmer-v5", "Ant-v5-full"}
    assert {spec.seeds for spec in specs} == {(7,), (8,)}
    assert {(spec.total_steps, spec.eval_every) for spec in specs} == {(3_000, 500)}
    agent = SACConfig(random_steps=200, temperature=0.1, precision="float32")
    assert {spec.agent for spec in specs} == {agent}
    assert {(recall_of(spec).weight, recall_of(spec).length) for spec in specs if spec.recall} == {(0.3, 9)}


def test_an_observation_that_is_always_full_is_one_environment() -> None:
    full, usual = (SacParameters(env_id="Hopper-v5", full_observation=full).specs() for full in (True, False))
    assert full == usual
    assert SacParameters(env_id="Hopper-v5").envs == (GymConfig("Hopper-v5"),)
    assert SacParameters(env_id="Hopper-v5,Hopper-v5").envs == (GymConfig("Hopper-v5"),)


@pytest.mark.parametrize("schema", [SacParameters, BaselinesParameters, SacChecksParameters])
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 200"),
        ({"first_seed": -1}, "first_seed is -1"),
        ({"total_steps": 99}, "total_steps is 99; it must be from 100"),
        ({"eval_every": 49}, "eval_every is 49; it must be from 50"),
        ({"total_steps": 10_000}, "total_steps is 10000 and random_steps 10000, so nothing would be learned"),
        ({"total_steps": 2_000_000}, "that must be from 1 to 200 evaluations"),
        ({"total_steps": 11_000, "eval_every": 12_000}, "that must be from 1 to 200 evaluations"),
        ({"random_steps": -1}, "random_steps is -1"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"env_id": "Hoper-v5"}, "env_id is 'Hoper-v5', which Gymnasium does not know; .* Hopper-v5"),
        ({"env_id": "CartPole-v1"}, "CartPole-v1 has the actions Discrete.*only a vector of real numbers"),
        ({"env_id": ""}, "env_id is ''"),
    ],
)
def test_parameters_out_of_range_are_refused(
    schema: type[PageParameters], wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        schema(**wrong)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"length": 0}, "length is 0; it must be from 1 to 10000"),
        ({"weight": -0.1}, "weight is -0.1"),
        ({"arms": "recal"}, "arms has recal; known are all, baseline, recall, as-written"),
    ],
)
def test_what_only_recall_has_is_checked_too(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        SacParameters(**wrong)


def test_the_dose_has_a_run_for_each_weight_and_one_without() -> None:
    specs = DoseParameters(env_id="Hopper-v5", weights="0.1, 0,0.1", seeds=2).specs()
    assert [(spec.page, spec.arm, spec.seeds) for spec in specs] == [
        ("dose", arm, (seed,)) for arm in ("weight-0", "weight-0.1") for seed in (0, 1)
    ]
    assert [spec.recall.weight for spec in specs if isinstance(spec.recall, ContinuousRecallConfig)] == [0, 0, 0.1, 0.1]


def test_predictions_are_of_the_same_data_and_imitate_nothing() -> None:
    specs = DeltaStateParameters(env_id="Ant-v5", seeds=1).specs()
    change, state = (recall_of(spec) for spec in specs)
    assert [spec.arm for spec in specs] == ["predict-change", "predict-state"]
    assert change == replace(ContinuousRecallConfig(), weight=0.0, length=50)
    assert state == replace(change, predict_change=False)


def test_the_checks_are_pairs_that_differ_in_one_setting() -> None:
    specs = SacChecksParameters().specs()
    runs = {(spec.page, spec.env_label, spec.arm): spec for spec in specs if spec.seeds == (0,)}
    assert list(runs) == [
        *((page, env, arm) for env in ENVS for page, arm in (("baselines", "baseline"), ("sac", "recall"))),
        *(("sac-checks", env, arm) for env in ENVS for arm in ("baseline-fixed", "recall-fixed")),
        *(("sac-checks", "Ant-v5-full", arm) for arm in ("baseline", "recall")),
    ]
    assert len({spec.folder for spec in specs}) == len(specs) == 5 * len(runs)
    for (page, label, arm), spec in runs.items():
        usual = runs["sac" if spec.recall else "baselines", label.removesuffix("-full"), arm.removesuffix("-fixed")]
        fixed = replace(usual.agent, temperature=0.2) if arm.endswith("-fixed") else usual.agent
        full = GymConfig("Ant-v5", full_observation=True) if label == "Ant-v5-full" else usual.env
        same = {"page": page, "env_label": label, "arm": arm, "agent": fixed, "env": full}
        assert spec == replace(usual, **same)


def test_the_checks_share_their_first_pair_with_the_page_sac() -> None:
    checks = SacChecksParameters(env_id="Hopper-v5").specs()
    shared = {spec for spec in PUBLISHED if spec.env_label == "Hopper-v5"}
    assert shared < set(checks)
    assert {spec.page for spec in set(checks) - shared} == {"sac-checks"}


def test_a_strangers_checks() -> None:
    specs = SacChecksParameters(
        env_id="Humanoid-v5,Swimmer-v5", seeds=1, first_seed=3, total_steps=3_000, eval_every=500, random_steps=200,
        temperature=0.05, precision="float32", full_observation=False,
    ).specs()  # fmt: skip
    assert [(spec.env_label, spec.arm) for spec in specs] == [
        (env, f"{arm}{kind}") for kind in ("", "-fixed") for env in ("Humanoid-v5", "Swimmer-v5") for arm in PAIR
    ]
    agent = SACConfig(random_steps=200, precision="float32")
    assert [spec.agent for spec in specs] == 4 * [agent] + 4 * [replace(agent, temperature=0.05)]
    assert {(spec.seeds, spec.total_steps) for spec in specs} == {((3,), 3_000)}
    with pytest.raises(ConfigError, match=r"temperature is 0\.0; it must be positive"):
        SacChecksParameters(temperature=0.0)
    with pytest.raises(ParameterError, match="temperature is None"):
        check_parameters(SacChecksParameters, {"temperature": None})


@pytest.mark.parametrize("weights", ["a", "0.1,", "-1", "inf"])
def test_weights_that_are_none_are_refused(weights: str) -> None:
    with pytest.raises((ParameterError, ConfigError), match="weight"):
        DoseParameters(weights=weights)


def test_text_becomes_typed_parameters() -> None:
    raw = {"env_id": "Swimmer-v5", "seeds": "2", "total_steps": "20000", "temperature": "none", "precision": "float32"}
    values = check_parameters(SacParameters, raw)
    assert values == {"env_id": "Swimmer-v5", "seeds": 2, "total_steps": 20_000, "temperature": None} | {
        "precision": "float32"
    }
    with pytest.raises(ParameterError, match="precision is 'half'; it must be 'float32' or 'bfloat16'"):
        check_parameters(SacParameters, {"precision": "half"})
    with pytest.raises(ParameterError, match="there is no parameter 'arms'"):
        check_parameters(BaselinesParameters, {"arms": "all"})
