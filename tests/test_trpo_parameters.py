"""The pages trpo and trace-length: the runs they mean, and what they refuse."""

from collections import Counter
from itertools import product
from typing import Any

import pytest

from recall.agents.trpo import TRPOConfig
from recall.analysis.claims import load_claims
from recall.analysis.rules import MIN_SEEDS
from recall.errors import ConfigError, ParameterError
from recall.page_parameters import PageParameters
from recall.pages import PAGES, TraceLengthParameters, TrpoParameters, claims_file, store
from recall.parameters import check_parameters
from recall.runs import RunSpec
from recall.trpo_experiments import NAGABANDI
from recall.trpo_parameters import TrustRegionParameters
from recall.trust_region_recaller import TrustRegionRecallConfig

TASKS = ("HalfCheetah-v5", "Walker2d-v5", "Hopper-v5", "Ant-v5")


def recall_of(spec: RunSpec) -> TrustRegionRecallConfig:
    assert isinstance(spec.recall, TrustRegionRecallConfig)
    return spec.recall


def test_the_published_page_trpo_has_the_arms_that_are_trained() -> None:
    specs = TrpoParameters().specs()
    assert [(spec.env_label, spec.arm, *spec.seeds) for spec in specs] == [
        (env, arm, seed) for env in TASKS for arm in ("baseline", "recall") for seed in range(5)
    ]
    every = {spec.key for spec in TrpoParameters(arms="all").specs()}
    assert {spec.key for spec in specs} < every


def test_all_arms_of_the_page_trpo() -> None:
    specs, usual = TrpoParameters(arms="all").specs(), ("baseline", "recall", "as-written")
    close = (*usual, "recall-trajectories")
    arms = {env: close if env in ("HalfCheetah-v5", "Hopper-v5") else usual for env in TASKS}
    assert [(spec.env_label, spec.arm, *spec.seeds) for spec in specs] == [
        (env, arm, seed) for env in TASKS for arm in arms[env] for seed in range(5)
    ]
    assert {spec.total_steps for spec in specs} == {1_000_000}
    assert {spec.eval_every * spec.agent.steps_per_update for spec in specs} == {49_152}
    assert len({spec.folder for spec in specs}) == len({spec.key for spec in specs}) == len(specs)


def test_the_papers_own_baseline_is_an_arm_with_another_agent() -> None:
    given: dict[str, Any] = {"env_id": "HalfCheetah-v5", "seeds": 1, "total_steps": 10_000_000, "eval_every": 100_000}
    ours, literal = TrpoParameters(**given, arms="baseline,baseline-nagabandi").specs()
    assert (ours.arm, ours.agent) == ("baseline", TRPOConfig())
    assert (literal.arm, literal.agent, literal.recall) == ("baseline-nagabandi", NAGABANDI, None)
    assert (literal.n_updates, literal.eval_every) == (200, 2)
    assert "baseline-nagabandi" not in {spec.arm for spec in TrpoParameters(arms="all").specs()}
    with pytest.raises(ConfigError, match="total_steps 40000 gives 0 updates"):
        TrpoParameters(arms="baseline-nagabandi", total_steps=40_000)


ALL_LENGTHS = TraceLengthParameters(env_id=",".join(TASKS))


def test_the_published_page_trace_length_has_the_environments_that_are_trained() -> None:
    specs = TraceLengthParameters().specs()
    assert {spec.env_label for spec in specs} == {"HalfCheetah-v5", "Walker2d-v5", "Hopper-v5"}
    assert {spec.seeds for spec in specs} == {(seed,) for seed in range(5)}
    assert {spec.key for spec in specs} < {spec.key for spec in ALL_LENGTHS.specs()}


def test_all_environments_of_the_page_trace_length() -> None:
    lengths = Counter((spec.env_label, spec.recall and recall_of(spec).length) for spec in ALL_LENGTHS.specs())
    close = {(env, n): 5 for env in ("HalfCheetah-v5", "Hopper-v5") for n in (None, 1, 5, 10, 20, 50, 100)}
    short = {(env, n): seeds for env, seeds in (("Walker2d-v5", 5), ("Ant-v5", 3)) for n in (None, 10, 20, 50)}
    assert lengths == close | short


@pytest.mark.parametrize("parameters", [TrpoParameters(arms="all"), ALL_LENGTHS])
def test_every_comparison_of_a_claim_has_the_seeds_that_a_verdict_needs(parameters: TrustRegionParameters) -> None:
    seeds = Counter((spec.env_label, spec.arm) for spec in parameters.specs())
    for claim in (each for each in load_claims(claims_file()) if each.page == parameters.page):
        for pair in product(claim.environments, (*claim.treatment, *claim.baseline)):
            assert seeds[pair] >= MIN_SEEDS, (claim.id, *pair)


def test_arms_are_those_that_the_claims_name() -> None:
    claims = store(local=True).claims
    assert claims["trpo"].keys() == {"6.3-final", "6.3-faster", "11.1-trajectories-unstable"}
    assert claims["trace-length"].keys() >= {"6.3-length", "fig7-fig13-length"}
    assert {"recall", "recall-trajectories", "baseline"} <= {spec.arm for spec in TrpoParameters(arms="all").specs()}
    assert {"length-10", "length-20", "length-50"} <= {spec.arm for spec in TraceLengthParameters().specs()}


def test_parameters_reach_every_run() -> None:
    specs = TrpoParameters(
        env_id="Swimmer-v5, Ant-v5", seeds=2, first_seed=7, total_steps=9_000, eval_every=5_000, full_observation=True,
        arms="baseline,recall-reward-to-go", weight=0.3, length=9,
    ).specs()  # fmt: skip
    assert len(specs) == 2 * 2 * 2
    assert {spec.env_label for spec in specs} == {"Swimmer-v5", "Ant-v5-full"}
    assert {spec.seeds for spec in specs} == {(7,), (8,)}
    assert {(spec.total_steps, spec.eval_every) for spec in specs} == {(9_000, 2)}
    recalls = [recall_of(spec) for spec in specs if spec.arm != "baseline"]
    assert {(each.rank, each.weight, each.length) for each in recalls} == {("reward-to-go", 0.3, 9)}
    assert [spec.recall for spec in specs if spec.arm == "baseline"] == [None] * 4


@pytest.mark.parametrize("schema", [TrpoParameters, TraceLengthParameters])
def test_a_small_budget_needs_no_other_parameter(schema: type[PageParameters]) -> None:
    for steps in (2048, 20_000):
        specs = schema(env_id="Swimmer-v5", seeds=1, total_steps=steps).specs()
        assert {spec.eval_every for spec in specs} == {steps // 2048}


@pytest.mark.parametrize("schema", [TrpoParameters, TraceLengthParameters])
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 200"),
        ({"first_seed": -1}, "first_seed is -1"),
        ({"total_steps": 2047}, "total_steps is 2047; it must be from 2048"),
        ({"eval_every": 2047}, "eval_every is 2047; it must be from 2048"),
        ({"total_steps": 600_000, "eval_every": 3_000}, "which gives 292 evaluations; at most 200 fit a record"),
        ({"env_id": "Hoper-v5"}, "env_id is 'Hoper-v5', which Gymnasium does not know; .* Hopper-v5"),
        ({"env_id": "CartPole-v1"}, "CartPole-v1 has the actions Discrete"),
    ],
)
def test_parameters_out_of_range_are_refused(
    schema: type[PageParameters], wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        schema(**wrong)


@pytest.mark.parametrize(
    ("page", "wrong", "sentence"),
    [
        ("trpo", {"length": 0}, "length is 0; it must be from 1 to 10000"),
        ("trpo", {"weight": -0.1}, "weight is -0.1"),
        ("trpo", {"arms": "trajectories"}, "arms has trajectories; known are all, baseline, recall, as-written"),
        ("trace-length", {"lengths": "10,a"}, "lengths is '10,a'"),
        ("trace-length", {"lengths": "1.5"}, "lengths has 1.5; it must be whole numbers from 1 to 10000"),
        ("trace-length", {"lengths": "0"}, "lengths has 0"),
        ("trace-length", {"lengths": "inf"}, "lengths has inf"),
    ],
)
def test_what_a_page_has_alone_is_checked_too(page: str, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        PAGES[page](**wrong)


def test_text_becomes_typed_parameters() -> None:
    raw = {"env_id": "Swimmer-v5", "seeds": "2", "total_steps": "20000", "lengths": "5,20"}
    typed = {"env_id": "Swimmer-v5", "seeds": 2, "total_steps": 20_000, "lengths": "5,20"}
    assert check_parameters(TraceLengthParameters, raw) == typed
    with pytest.raises(ParameterError, match="there is no parameter 'arms'"):
        check_parameters(TraceLengthParameters, {"arms": "all"})
