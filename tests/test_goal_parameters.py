"""The page goal-gan: the runs it means, and what it refuses."""

import json
from typing import Any

import pytest
from small_control import run_eagerly

from recall.analysis.claims import load_claims
from recall.envs.point_mass import PointMassConfig
from recall.errors import ConfigError, ParameterError
from recall.goal_agent import GoalAgentConfig
from recall.goal_parameters import GoalGanParameters
from recall.goal_recaller import GoalRecallConfig
from recall.pages import claims_file
from recall.parameters import check_parameters
from recall.runs import spec_json
from recall.specs import spec_from_json

LABELS = ("point-mass", "point-mass-3", "point-mass-4", "point-mass-5", "point-mass-6", "point-u-maze")


def test_the_published_page() -> None:
    specs = GoalGanParameters().specs()
    assert [(spec.env_label, spec.arm, *spec.seeds) for spec in specs] == [
        (label, arm, seed) for label in LABELS for arm in ("baseline", "recall", "as-written") for seed in range(5)
    ]
    assert {(spec.n_updates, spec.agent.steps_per_update, spec.eval_every) for spec in specs} == {(100, 100_000, 1)}
    assert {spec.recall.length for spec in specs if isinstance(spec.recall, GoalRecallConfig)} == {20}
    assert len({spec.folder for spec in specs}) == len({spec.key for spec in specs}) == len(specs)


def test_environments_and_arms_are_those_that_the_claims_name() -> None:
    claims = [claim for claim in load_claims(claims_file()) if claim.page == "goal-gan"]
    runs = {(spec.env_label, spec.arm) for spec in GoalGanParameters(seeds=1).specs()}
    assert {claim.id for claim in claims} == {"6.2-subgoals-faster", "fig4a", "fig8-coverage"}
    for claim in claims:
        assert {(env, arm) for env in claim.environments for arm in ("baseline", "recall")} <= runs


def test_settings_are_of_their_task() -> None:
    for spec in GoalGanParameters(seeds=1).specs():
        assert isinstance(spec.agent, GoalAgentConfig)
        maze = spec.env_label == "point-u-maze"
        assert (spec.agent.policy.discount, spec.agent.curriculum.label_attempts) == ((0.99, 0) if maze else (0.995, 3))


def test_specifications_come_back_from_what_records_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)
    for spec in GoalGanParameters(seeds=1).specs():
        assert spec_from_json(json.loads(json.dumps(spec_json(spec)))) == spec


def test_one_dimension_for_strangers() -> None:
    raw = {"dimension": "4", "seeds": "2"}
    specs = GoalGanParameters(**check_parameters(GoalGanParameters, raw)).specs()
    assert {spec.env_label for spec in specs} == {"point-mass-4"}
    assert {spec.env for spec in specs} == {PointMassConfig(4)}
    assert len(specs) == 3 * 2


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
