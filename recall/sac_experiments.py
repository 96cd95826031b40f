"""Sec. 6.4 as tables of run specifications: soft actor-critic on MuJoCo, alone and with recall traces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from recall.agents.sac import SACConfig
from recall.continuous_recaller import ContinuousRecallConfig
from recall.envs.gym_env import REDUCED, GymConfig
from recall.runs import RunSpec

TRAINED = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5")
"""Environments of the pages baselines and sac as published; the others of `MUJOCO` are not trained yet."""

DOSED = ("Hopper-v5", "HalfCheetah-v5")
"""Environments of the page dose as published."""

LONG_TRACES = ("Ant-v5", "Humanoid-v5")
"""Environments with traces of 50 steps (Table 2)."""

ARMS: dict[str, ContinuousRecallConfig | None] = {
    "baseline": None,
    "recall": ContinuousRecallConfig(),
    "as-written": ContinuousRecallConfig(
        joint=False,
        weight=1.0,
        target_fraction=None,
        normalise=False,
        pre_tanh=False,
        action_std=1.0,
        stay_in_range=False,
    ),
}
"""Lines of the page sac: soft actor-critic alone, with repaired recall traces, and with Algorithm 2 to the letter."""

WEIGHTS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Imitation weights of the page dose; without weight the traces are made and looked at, but not imitated."""

CHECKED = ("HalfCheetah-v5", "Ant-v5")
"""Environments of the page sac-checks as published."""

PAIR = ("baseline", "recall")
"""Arms that a check compares: soft actor-critic, and with repaired recall traces."""

TEMPERATURE = 0.2
"""The fixed temperature of the page sac-checks. Not stated in the paper; the inverse of the reward scale 5 that soft
actor-critic had on these tasks when the paper was written (Haarnoja et al. 2018a)."""

MUJOCO = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", *LONG_TRACES)
"""Environments of Fig. 6."""

PREDICTIONS = {"predict-change": True, "predict-state": False}
"""Arms of the page delta-state, and whether their model predicts changes of state."""


@dataclass(frozen=True)
class Budget:
    """How long a run of soft actor-critic is."""

    total_steps: int = 300_000
    """Environment steps of each seed. Not stated in the paper's text; ours, what a few cores can afford."""
    eval_every: int = 5_000
    """Steps between two evaluations of five episodes of the mean action. Not stated in the paper; ours."""


def trace_length(env_id: str) -> int:
    """Steps of a trace (Table 2); 20 for environments that the paper does not have."""
    return 50 if env_id in LONG_TRACES else 20


def sac(
    envs: Iterable[GymConfig],
    arms: Mapping[str, ContinuousRecallConfig | None],
    seeds: Iterable[int],
    agent: SACConfig,
    budget: Budget,
) -> list[RunSpec]:
    """Every arm in every environment with every seed, each a run of its own.

    The lengths of the arms' traces give way to Table 2. An arm without recall belongs to the page baselines, so that
    no page trains it a second time.
    """
    seeds = tuple(seeds)
    return [
        RunSpec(
            page="baselines" if recall is None else "sac",
            arm=name,
            env_label=env.label,
            env=env,
            agent=agent,
            recall=recall and replace(recall, length=trace_length(env.env_id)),
            seeds=(seed,),
            total_steps=budget.total_steps,
            eval_every=budget.eval_every,
        )
        for env in envs
        for name, recall in arms.items()
        for seed in seeds
    ]


def dose(
    envs: Iterable[GymConfig], weights: Iterable[float], seeds: Iterable[int], agent: SACConfig, budget: Budget
) -> list[RunSpec]:
    """The repaired arm with every weight in every environment with every seed, each a run of its own."""
    names = {weight: f"weight-{np.format_float_positional(weight, trim='-')}" for weight in weights}
    arms = {name: replace(ContinuousRecallConfig(), weight=weight) for weight, name in names.items()}
    return [replace(spec, page="dose") for spec in sac(envs, arms, seeds, agent, budget)]


def sac_checks(
    envs: Iterable[GymConfig],
    seeds: Iterable[int],
    agent: SACConfig,
    budget: Budget,
    temperature: float,
    full_observation: bool,
) -> list[RunSpec]:
    """The pair of the page sac, the same with a fixed temperature, and with the full observation where it is reduced.

    The first pair is that of the page sac itself, so that neither page trains it a second time.
    """
    envs, seeds, arms = list(envs), tuple(seeds), {arm: ARMS[arm] for arm in PAIR}
    fixed = {f"{arm}-fixed": recall for arm, recall in arms.items()}
    whole = [GymConfig(env.env_id, full_observation=True) for env in envs if env.env_id in REDUCED]
    checks = sac(envs, fixed, seeds, replace(agent, temperature=temperature), budget)
    if full_observation:
        checks += sac(whole, arms, seeds, agent, budget)
    return [*sac(envs, arms, seeds, agent, budget), *(replace(spec, page="sac-checks") for spec in checks)]


def delta_state(envs: Iterable[GymConfig], seeds: Iterable[int], agent: SACConfig, budget: Budget) -> list[RunSpec]:
    """Models that predict changes of state and models that predict states, of the same data: nothing is imitated."""
    arms = {
        name: replace(ContinuousRecallConfig(), weight=0.0, predict_change=change)
        for name, change in PREDICTIONS.items()
    }
    return [replace(spec, page="delta-state") for spec in sac(envs, arms, seeds, agent, budget)]
