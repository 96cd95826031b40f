"""Sec. 6.3 as run specifications: arms, lengths, budgets."""

from dataclasses import replace

from recall.agents.trpo import TRPOConfig
from recall.analysis import trust_region_plots
from recall.envs.gym_env import GymConfig
from recall.runs import RunSpec
from recall.training import begin
from recall.trpo_experiments import (
    ARMS,
    LITERAL,
    MUJOCO,
    NAGABANDI,
    SWEEP,
    VARIANTS,
    Budget,
    table_length,
    trace_length,
    trpo,
)
from recall.trust_region import TrustRegionTraining
from recall.trust_region_recaller import TrustRegionRecallConfig

ENVS = [GymConfig(name) for name in MUJOCO]


def recall_of(spec: RunSpec) -> TrustRegionRecallConfig:
    assert isinstance(spec.recall, TrustRegionRecallConfig)
    return spec.recall


def test_every_arm_has_a_run_in_every_environment_with_every_seed() -> None:
    specs = trpo(ENVS, ARMS | VARIANTS, range(2), TRPOConfig(), Budget())
    assert len({spec.key for spec in specs}) == len(specs) == 4 * 5 * 2
    assert {spec.page for spec in specs} == {"trpo"}
    assert [spec.recall for spec in specs if spec.arm == "baseline"] == [None] * 8
    assert isinstance(begin(specs[-1]), TrustRegionTraining)


def test_lengths_are_those_of_table_1() -> None:
    specs = trpo(ENVS, {"recall": ARMS["recall"]}, [0], TRPOConfig(), Budget())
    lengths = {spec.env_label: recall_of(spec).length for spec in specs}
    assert lengths == {"HalfCheetah-v5": 20, "Walker2d-v5": 20, "Hopper-v5": 10, "Ant-v5": 50}
    assert table_length("Swimmer-v5") == 20


def test_variants_differ_from_the_repaired_arm_in_one_setting_each() -> None:
    assert ARMS["recall"] == TrustRegionRecallConfig()
    defaults = vars(TrustRegionRecallConfig())
    changed = {arm: {k for k, v in vars(config).items() if v != defaults[k]} for arm, config in VARIANTS.items()}
    assert changed == {"recall-reward-to-go": {"rank"}, "recall-trajectories": {"learn_from"}}


def test_the_sweep_has_an_arm_for_each_length_beside_the_baseline_and_differs_in_nothing_else() -> None:
    baseline, *specs = trace_length([GymConfig("Hopper-v5")], SWEEP, [3], TRPOConfig(), Budget())
    assert (baseline.arm, baseline.recall) == ("baseline", None)
    assert [(spec.page, spec.arm) for spec in specs] == [("trace-length", f"length-{length}") for length in SWEEP]
    assert {replace(recall_of(spec), length=20) for spec in specs} == {TrustRegionRecallConfig(stay_in_range=False)}
    assert [recall_of(spec).length for spec in specs] == list(SWEEP)


def test_evaluations_come_every_50000_steps_in_whole_rollouts() -> None:
    (spec,) = trpo(ENVS[:1], {"baseline": None}, [0], TRPOConfig(), Budget())
    assert spec.eval_every * spec.agent.steps_per_update == 49_152
    (literal,) = trpo(ENVS[:1], {"baseline": None}, [0], NAGABANDI, Budget(10_000_000, 20_000))
    assert (literal.n_updates, literal.eval_every) == (200, 1)
    (once,) = trpo(ENVS[:1], {"baseline": None}, [0], TRPOConfig(), Budget(100_000, 100_000))
    assert once.n_updates == once.eval_every == 48


def test_the_papers_baseline_has_an_agent_of_its_own_beside_the_others() -> None:
    assert LITERAL == trust_region_plots.LITERAL
    specs = trpo(ENVS[:1], {"baseline": None, LITERAL: None}, [0], TRPOConfig(), Budget())
    assert [spec.agent for spec in specs] == [TRPOConfig(), NAGABANDI]
    assert NAGABANDI.baseline == "linear-finite"


def test_the_papers_baseline_is_what_the_settings_say_it_is() -> None:
    text = str(TRPOConfig.__doc__)
    literal = text[text.index("n_envs=50") :].rpartition(".")[0]
    assert eval(f"TRPOConfig({literal})", {"TRPOConfig": TRPOConfig}) == NAGABANDI  # noqa: S307 (our own docstring)
