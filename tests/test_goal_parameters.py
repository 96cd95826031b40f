"""The pages goal-gan and ant-maze: the runs they mean, and what they refuse."""

import json
from typing import Any

import pytest
from small_control import run_eagerly

from recall.analysis.claims import Claim, load_claims
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.point_mass import PointMassConfig
from recall.errors import ConfigError, ParameterError
from recall.goal_agent import GoalAgentConfig
from recall.goal_experiments import ARMS
from recall.goal_parameters import AntMazeParameters, GoalGanParameters
from recall.goal_recaller import GoalRecallConfig
from recall.pages import claims_file
from recall.parameters import check_parameters
from recall.runs import spec_json
from recall.specs import spec_from_json

LABELS = ("point-mass", "point-mass-3", "point-mass-4", "point-mass-5", "point-mass-6", "point-u-maze")


def test_the_published_page() -> None:
    specs = GoalGanParameters().specs()
    assert [(spec.env_label, spec.arm, *spec.seeds) for spec in specs] == [
        (label, arm, seed) for label in LABELS for arm in ("baseline", "recall") for seed in range(5)
    ]
    assert {(spec.n_updates, spec.agent.steps_per_update, spec.eval_every) for spec in specs} == {(100, 100_000, 1)}
    assert {spec.recall.length for spec in specs if isinstance(spec.recall, GoalRecallConfig)} == {20}
    assert len({spec.folder for spec in specs}) == len({spec.key for spec in specs}) == len(specs)
    assert {spec.arm for spec in GoalGanParameters(arms="all").specs()} == {*ARMS}


def test_environments_and_arms_are_those_that_the_claims_name() -> None:
    claims = [claim for claim in load_claims(claims_file()) if claim.page == "goal-gan"]
    assert {claim.id for claim in claims} == {"6.2-subgoals-faster", "fig4a", "fig8-coverage"}
    assert named(claims) <= {(spec.env_label, spec.arm) for spec in GoalGanParameters(seeds=1).specs()}


def named(claims: list[Claim]) -> set[tuple[str, str]]:
    """Environments and arms that claims compare."""
    return {(env, arm) for claim in claims for env in claim.environments for arm in (*claim.treatment, *claim.baseline)}


def test_settings_are_of_their_task() -> None:
    for spec in GoalGanParameters(seeds=1).specs():
        assert isinstance(spec.agent, GoalAgentConfig)
        maze = spec.env_label == "point-u-maze"
        assert (spec.agent.policy.discount, spec.agent.curriculum.label_attempts) == ((0.99, 0) if maze else (0.995, 3))


def test_specifications_come_back_from_what_records_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)
    for spec in GoalGanParameters(seeds=1, arms="all").specs():
        assert spec_from_json(json.loads(json.dumps(spec_json(spec)))) == spec


def test_one_dimension_for_strangers() -> None:
    raw = {"dimension": "4", "seeds": "2"}
    specs = GoalGanParameters(**check_parameters(GoalGanParameters, raw)).specs()
    assert {spec.env_label for spec in specs} == {"point-mass-4"}
    assert {spec.env for spec in specs} == {PointMassConfig(4)}
    assert len(specs) == 2 * 2


def test_parameters_reach_every_run() -> None:
    specs = GoalGanParameters(
        env_id="recall/PointMassUMaze-v0, recall/PointMassND-v0", dimension=2, seeds=1, first_seed=9, outer_steps=3,
        eval_every=5, arms="baseline,recall", weight=0.3, length=7,
    ).specs()  # fmt: skip
    assert [(spec.env_label, spec.arm) for spec in specs] == [
        (label, arm) for label in ("point-mass", "point-u-maze") for arm in ("baseline", "recall")
    ]
    assert {(spec.seeds, spec.total_steps, spec.eval_every) for spec in specs} == {((9,), 300_000, 3)}
    recalls = [spec.recall for spec in specs if isinstance(spec.recall, GoalRecallConfig)]
    assert {(each.weight, each.length) for each in recalls} == {(0.3, 7)}
    assert len(recalls) == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"dimension": 7}, "dimension is 7; it must be from 2 to 6"),
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 200"),
        ({"outer_steps": 0}, "outer_steps is 0; it must be from 1"),
        ({"eval_every": 0}, "eval_every is 0; it must be from 1"),
        ({"outer_steps": 400}, "which gives 401 evaluations; at most 200 fit a record, so make eval_every larger"),
        ({"arms": "true"}, "arms has true; known are all, baseline, recall, as-written"),
        ({"weight": -0.1}, "weight is -0.1"),
        ({"length": 0}, "length is 0; it must be from 1 to 10000"),
        ({"env_id": "Hopper-v5"}, "env_id has 'Hopper-v5'; known are recall/PointMassND-v0 and recall/PointMassUMaze"),
        ({"env_id": "recall/PointMassUMaze-v0", "dimension": 2}, "dimension is 2, and env_id .* leave one out"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        GoalGanParameters(**wrong)


# The ant


def test_the_published_page_of_the_ant() -> None:
    specs = AntMazeParameters().specs()
    assert [(spec.env_label, spec.arm, *spec.seeds) for spec in specs] == [
        ("ant-u-maze", arm, seed) for arm in ("baseline", "recall") for seed in range(3)
    ]
    assert {(spec.page, spec.n_updates, spec.agent.steps_per_update, spec.eval_every) for spec in specs} == {
        ("ant-maze", 60, 500_000, 5)
    }
    assert {spec.env for spec in specs} == {AntUMazeConfig()}
    assert {spec.recall.length for spec in specs if isinstance(spec.recall, GoalRecallConfig)} == {50}
    for spec in specs:
        assert isinstance(spec.agent, GoalAgentConfig)
        curriculum = spec.agent.curriculum
        assert (curriculum.label_attempts, curriculum.gan.updates, curriculum.archive_visited) == (0, 250, True)
        assert (curriculum.min_success, curriculum.max_success) == (0.1, 0.9)


def test_the_ants_runs_are_those_that_the_claims_name_and_come_back_from_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_eagerly(monkeypatch)
    specs = AntMazeParameters(seeds=1).specs()
    claims = [claim for claim in load_claims(claims_file()) if claim.page == "ant-maze"]
    assert {claim.id for claim in claims} == {"fig4b", "fig3-fig9-coverage"}
    assert named(claims) <= {(spec.env_label, spec.arm) for spec in specs}
    for spec in specs:
        assert spec_from_json(json.loads(json.dumps(spec_json(spec)))) == spec


def test_a_strangers_ant() -> None:
    raw = {"seeds": "1", "outer_steps": "2", "length": "9", "weight": "0.5", "first_seed": "7"}
    specs = AntMazeParameters(**check_parameters(AntMazeParameters, raw)).specs()
    assert [(spec.arm, spec.seeds, spec.total_steps, spec.eval_every) for spec in specs] == [
        (arm, (7,), 1_000_000, 2) for arm in ("baseline", "recall")
    ]
    recall = specs[1].recall
    assert isinstance(recall, GoalRecallConfig)
    assert (recall.length, recall.weight) == (9, 0.5)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"arms": "as-written"}, "arms has as-written; known are all, baseline, recall"),
        ({"outer_steps": 0}, "outer_steps is 0; it must be from 1"),
        ({"outer_steps": 1000}, "which gives 201 evaluations"),
        ({"length": 0}, "length is 0"),
    ],
)
def test_the_ants_parameters_out_of_range_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        AntMazeParameters(**wrong)
