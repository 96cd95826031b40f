"""Sec. 6.3 as tables of run specifications: trust regions on MuJoCo, alone and with recall traces of any length."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from recall.agents.trpo import TRPOConfig
from recall.envs.gym_env import GymConfig
from recall.runs import RunSpec
from recall.trust_region_recaller import TrustRegionRecallConfig

MUJOCO = ("HalfCheetah-v5", "Walker2d-v5", "Hopper-v5", "Ant-v5")
"""Environments of Fig. 5 and Table 1."""

LENGTHS = {"Hopper-v5": 10, "Ant-v5": 50}
"""Steps of a trace where Table 1 has others than 20."""

ARMS: dict[str, TrustRegionRecallConfig | None] = {
    "baseline": None,
    "recall": TrustRegionRecallConfig(),
    "as-written": TrustRegionRecallConfig(
        target_fraction=None, normalise=False, action_std=1.0, stay_in_range=False, kl_share=None
    ),
}
"""Lines of the page trpo: trust regions alone, with repaired recall traces, and with Algorithm 2 to the letter."""

VARIANTS: dict[str, TrustRegionRecallConfig] = {
    "recall-reward-to-go": TrustRegionRecallConfig(rank="reward-to-go"),
    "recall-trajectories": TrustRegionRecallConfig(learn_from="trajectories"),
}
"""The repaired arm, but for what the buffer is ranked by, or for what the model learns from (Sec. 11.1)."""

LITERAL = "baseline-nagabandi"
"""The arm without recall that has the settings of `NAGABANDI`."""

SWEEP = (1, 5, 10, 20, 50, 100)
"""Lengths of traces on the page trace-length. Sec. 6.3 tried 10, 20 and 50."""

WHOLE_TRACES = TrustRegionRecallConfig(stay_in_range=False)
"""The repaired arm, but for traces that always have their length. Those of the page trpo end where they leave the
range of the states seen, in most tasks after a few steps, so that longer ones would do the same. Decided before any
run."""

SHORT_SWEEP = (10, 20, 50)
"""Those of Sec. 6.3, where there is no time for all."""

NAGABANDI = TRPOConfig(
    n_envs=50,
    n_steps=1000,
    discount=0.995,
    gae_lambda=1.0,
    target_kl=0.05,
    kl_per_dimension=False,
    cg_iterations=10,
    cg_damping=1e-5,
    line_search_steps=15,
    baseline="linear-finite",
    normalise_obs=False,
    normalise_reward=False,
)
"""The baseline to which Sec. 6.3 points, for budgets of 10 million steps and more (rllab). rllab's baseline takes the
time limit for an end; with values beyond it, see `recall.buffers.of_finite_horizon`."""


@dataclass(frozen=True)
class Budget:
    """How long a run of trust region policy optimisation is."""

    total_steps: int = 1_000_000
    """Environment steps of each seed. Not stated in the paper's text; ours."""
    eval_every: int = 50_000
    """Steps between two evaluations of ten episodes of the mean action, in whole rollouts. Not stated in the paper;
    ours."""


def table_length(env_id: str) -> int:
    """Steps of a trace (Table 1); 20 for environments that the paper does not have."""
    return LENGTHS.get(env_id, 20)


def trpo(
    envs: Iterable[GymConfig],
    arms: Mapping[str, TrustRegionRecallConfig | None],
    seeds: Iterable[int],
    agent: TRPOConfig,
    budget: Budget,
) -> list[RunSpec]:
    """Every arm in every environment with every seed, each a run of its own; lengths of traces are those of Table 1.

    The arm `LITERAL` has an agent of its own.
    """
    seeds, agents = tuple(seeds), {LITERAL: NAGABANDI}
    return [
        _spec("trpo", name, env, agents.get(name, agent), _as_in_table(recall, env), seed, budget)
        for env in envs
        for name, recall in arms.items()
        for seed in seeds
    ]


def _as_in_table(recall: TrustRegionRecallConfig | None, env: GymConfig) -> TrustRegionRecallConfig | None:
    return recall and replace(recall, length=table_length(env.env_id))


def trace_length(
    envs: Iterable[GymConfig],
    lengths: Iterable[int],
    seeds: Iterable[int],
    agent: TRPOConfig,
    budget: Budget,
    recall: TrustRegionRecallConfig = WHOLE_TRACES,
) -> list[RunSpec]:
    """Fig. 7 and 13: an arm without traces, one with traces of each length; a run for every environment and seed."""
    seeds = tuple(seeds)
    arms = {"baseline": None} | {f"length-{length}": replace(recall, length=length) for length in lengths}
    return [
        _spec("trace-length", name, env, agent, found, seed, budget)
        for env in envs
        for name, found in arms.items()
        for seed in seeds
    ]


def _spec(
    page: str,
    arm: str,
    env: GymConfig,
    agent: TRPOConfig,
    recall: TrustRegionRecallConfig | None,
    seed: int,
    budget: Budget,
) -> RunSpec:
    """One run: evaluated after as many whole rollouts as `eval_every` steps hold, one at least."""
    return RunSpec(
        page=page,
        arm=arm,
        env_label=env.label,
        env=env,
        agent=agent,
        recall=recall,
        seeds=(seed,),
        total_steps=budget.total_steps,
        eval_every=max(1, budget.eval_every // agent.steps_per_update),
    )
