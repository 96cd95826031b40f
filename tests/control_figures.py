"""Every figure of the pages sac and baselines from made-up records; needs what an analysis may need, nothing more."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from fake_records import write_record

from recall.analysis.control_plots import (
    ADVANTAGE,
    COSINE,
    DISTANCE_TO_DATA,
    ENTROPY,
    EPISODE_RETURN,
    KL,
    RATIO,
    REACH,
    TEMPERATURE,
    along_traces,
    likelihoods,
    over_training,
)
from recall.analysis.costs import control_cost_curves, control_costs
from recall.analysis.endpoints import auc
from recall.analysis.gain_plots import chance_dots, credibility_dots, gain_dots, recall_shares
from recall.analysis.gains import gains
from recall.analysis.panels import Panel
from recall.analysis.records import find_records, tidy
from recall.analysis.reference import compare_with_reference, reference_curves
from recall.analysis.together import aggregate
from recall.analysis.trust_region_columns import TRUST_REGION_TABLES

ENVIRONMENTS = ("HalfCheetah-v5", "Hopper-v5", "Humanoid-v5")
ARMS = ("baseline", "recall", "as-written")
HEIGHTS = {"HalfCheetah-v5": 7000.0, "Hopper-v5": 2500.0, "Humanoid-v5": 600.0}
WORTH = {"baseline": 1.0, "recall": 1.1, "as-written": 0.6, "stable-baselines3": 0.97}
"""Of the arms; another one's is 1."""

NUMBERS_OF_TRPO = {
    "kl": 0.05, "improvement": 0.02, "line_search_steps": 1.0, "accepted": 1.0, "policy_gradient": 0.5,
    "policy_step": 0.3, "value_loss": 0.1, "value_gradient": 0.2, "explained_variance": 0.8, "imitation_loss": 5.0,
    "step_share": 0.5,
}  # fmt: skip
"""What its tables hold and those of soft actor-critic do not."""
RANDOM_STEPS = 10_000
"""As in soft actor-critic: nothing is learned before."""


def learning(env: str, arm: str, seed: int, steps: np.ndarray) -> np.ndarray:
    """Returns of a seed, which falls below zero before it learns."""
    rng = np.random.default_rng([seed, *arm.encode()])
    progress = np.clip(steps / 100_000 - 0.1, 0, None)
    top = HEIGHTS.get(env, 100.0) * WORTH.get(arm, 1.0) * (1 + 0.12 * rng.standard_normal())
    dip = 0.03 * top * np.exp(-(((steps - 20_000) / 5000) ** 2))
    return top * (1 - np.exp(-2 * progress)) - dip + 0.02 * top * rng.standard_normal(len(steps)) * (progress > 0)


def weight_of(arm: str) -> float:
    """How much more or less than others an arm imitates."""
    return float(arm.removeprefix("weight-")) if arm.startswith("weight-") else 1.0


def control_metrics(env: str, arm: str, seed: int, steps: np.ndarray) -> pd.DataFrame:
    """Evaluations of a seed; what an update returns is empty before the first one."""
    learned = np.where(steps > RANDOM_STEPS, 1.0, np.nan)
    score = learning(env, arm, seed, steps)
    columns = {
        "return": score,
        "episode_length": 1000.0,
        "train_return": 0.8 * score,
        "critic_loss": 3.0 * learned,
        "actor_loss": -score / 10 * learned,
        "temperature": 0.2 * np.exp(-steps / 80_000) * learned,
        "entropy": (4 - 8 * steps / 100_000) * learned,
        "critic_gradient": 9.0 * learned,
        "actor_gradient": 2.0 * learned,
        "imitation_gradient": 0.1 * learned * weight_of(arm) * (arm not in ("baseline", "as-written")),
    }
    return pd.DataFrame({"seed": seed, "step": steps, **columns})


def control_recall(arm: str, seed: int, steps: np.ndarray, simulator: bool = True) -> pd.DataFrame:
    """What is measured of the traces; empty before the first ones, and without a simulator its columns too."""
    known = np.where(steps > RANDOM_STEPS, 1.0 + seed / 50, np.nan)
    bad, late = 1 + 4.0 * (arm == "as-written"), steps / 100_000
    reached = known if simulator else known * np.nan
    columns = {
        "action_nll": (6 - late) * known * bad,
        "state_unit": -2.0 * known,
        "state_nll": (3 - 20 * late) * known,
        "held_out_action_nll": (6.2 - late) * known * bad,
        "held_out_state_nll": (4 - 18 * late) * known,
        "target_value": 300 * late * known,
        "trace_length": (18 - 12 * (arm == "as-written")) * known,
        "in_range": 0.9 / bad * known,
        "reach_1": 0.3 * bad * reached,
        "reach_last": 0.7 * bad**2 * reached,
        "reach_real": 2e-7 * reached,
        "data_distance_1": 0.5 * bad * known,
        "data_distance_last": 0.9 * bad * known,
        "data_distance_real": 0.3 * known,
        "gradient_ratio": 0.05 * np.exp(-late) * bad * known * weight_of(arm),
        "gradient_cosine": (0.1 - 0.2 * late) * known,
        "imitation_kl": 1e-4 * bad * known,
        "trace_advantage": (-4 * late) * known,
    }
    return pd.DataFrame({"seed": seed, "step": steps, **columns})


def control_tables(env: str, arm: str, seed: int, steps: np.ndarray, simulator: bool = True) -> dict[str, pd.DataFrame]:
    """Everything the record of a seed holds."""
    seconds = [40, 0 if arm.startswith("baseline") else 25 + seed, 300, 20]
    timing = pd.DataFrame({"phase": ["environment", "recall", "learner", "evaluation"], "seconds": seconds})
    tables = {"metrics": control_metrics(env, arm, seed, steps), "timing": timing}
    return tables if arm.startswith("baseline") else tables | {"recall": control_recall(arm, seed, steps, simulator)}


def trust_region_tables(
    env: str, arm: str, seed: int, steps: np.ndarray, simulator: bool = True
) -> dict[str, pd.DataFrame]:
    """The same of a run of trust region policy optimisation, whose imitation moves the policy farther as written."""
    tables = control_tables(env, arm, seed, steps, simulator)
    whose = {name: [column.name for column in table.columns] for name, table in TRUST_REGION_TABLES.items()}
    found = {name: table.assign(**NUMBERS_OF_TRPO).reindex(columns=whose[name]) for name, table in tables.items()}
    if "recall" in found:
        far = 10.0 if arm == "as-written" else 0.1
        found["recall"] = found["recall"].assign(rollout_kl=0.06 * far, trust_region_kl=0.06)
    found["metrics"] = found["metrics"].assign(entropy=4 - steps / 1e6)
    return found


def write_control_page(
    root: Path,
    environments: Sequence[str] = ENVIRONMENTS,
    arms: Sequence[str] = ARMS,
    seeds: int = 2,
    evaluations: int = 20,
    simulator: bool = True,
) -> None:
    """A record for each environment, arm and seed."""
    steps = 5000 * np.arange(1, evaluations + 1)
    settings = {"total_steps": int(steps[-1]), "agent_config": {"random_steps": RANDOM_STEPS}, "agent": "sac"}
    for env in environments:
        for arm in arms:
            recall = None if arm == "baseline" else {"arm": arm, "interval": 1000, "model_updates": 50}
            for seed in range(seeds):
                tables = control_tables(env, arm, seed, steps, simulator)
                page = "baselines" if arm == "baseline" else "sac"
                write_record(root, tables, page=page, arm=arm, env=env, recall=recall, **settings)


def write_reference(
    folder: Path, environments: Sequence[str] = ENVIRONMENTS, seeds: int = 5, eval_every: int = 5000
) -> None:
    """Curves as the scripts in benchmarks/ write them."""
    folder.mkdir(parents=True)
    steps = eval_every * np.arange(1, 21)
    facts = {"settings": {"total_steps": 100_000}, "versions": {"stable_baselines3": "2"}, "processor": "x"}
    for env in environments:
        for seed in range(seeds):
            score = learning(env, "stable-baselines3", seed, steps)
            curve = {"seed": seed, "step": steps, "return": score, "length": 1000.0}
            pd.DataFrame(curve).to_csv(folder / f"{env}-{seed}.csv", index=False)
            (folder / f"{env}-{seed}.json").write_text(json.dumps(facts))


def every_figure(root: Path) -> dict[str, list[Panel]]:
    """The figures of the page sac by name, from records under `root`."""
    records = find_records(root)
    metrics, recall, timing = (tidy(records, name) for name in ("metrics", "recall", "timing"))
    return {
        "returns": over_training(metrics, EPISODE_RETURN),
        "together": aggregate(metrics),
        "gains": gain_dots(gains(metrics, ARMS[1:])),
        "improvement": chance_dots(auc(metrics, "return"), "mean return"),
        "costs": control_cost_curves(control_costs(records)),
        "likelihood": likelihoods(recall),
        "reach": along_traces(recall, REACH),
        "distance to data": along_traces(recall, DISTANCE_TO_DATA),
        "advantage": over_training(recall, ADVANTAGE, ARMS[1:]),
        "ratio": over_training(recall, RATIO, ARMS[1:]),
        "cosine": over_training(recall, COSINE, ARMS[1:], (-1, 1)),
        "KL": over_training(recall, KL, ARMS[1:]),
        "entropy": over_training(metrics, ENTROPY),
        "temperature": over_training(metrics, TEMPERATURE),
        "share of time": recall_shares(timing),
    }


def baseline_figures(root: Path, reference: Path) -> dict[str, list[Panel]]:
    """Those of the page baselines."""
    ours = tidy(find_records(root, "baselines"))
    theirs = reference_curves(reference, "stable-baselines3", sorted(set(ours["env"])))
    both = pd.concat([ours, theirs]) if len(theirs) else ours
    return {
        "ours and theirs": over_training(both, EPISODE_RETURN, ("baseline", "stable-baselines3")),
        "credibility": credibility_dots(compare_with_reference(ours, theirs)),
    }


def all_figures(root: Path, reference: Path) -> Iterable[list[Panel]]:
    """Those of both pages, without their names."""
    return [*every_figure(root).values(), *baseline_figures(root, reference).values()]
