"""Made-up records of Goal GAN: coverage that grows, with snapshots on the maze's lattice or anywhere in a box."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from fake_records import write_record

from recall.analysis.endpoints import auc
from recall.analysis.gain_plots import chance_dots, gain_dots, recall_shares
from recall.analysis.gains import gains
from recall.analysis.goal_maps import coverage_maps
from recall.analysis.goal_plots import of_coverage
from recall.analysis.goal_steps import arrival_dots, arrivals
from recall.analysis.panels import Panel
from recall.analysis.records import find_records, tidy

SPEED = {"baseline": 0.02, "recall": 0.03, "as-written": 0.01}
"""Coverage that an arm gains in an outer step."""

SNAPSHOTS = (0, 5, 30, 60)


def places(env: str) -> np.ndarray:
    """Goals of coverage: 8 of a lattice without its middle, or 50 anywhere."""
    if "maze" in env:
        return np.array([(x, y) for x in (0.0, 1, 2) for y in (0.0, 1, 2) if (x, y) != (1, 1)])
    return np.random.default_rng(0).uniform((-1, -5), (1, 5), (50, 2))


def goal_metrics(env: str, arm: str, seed: int, outer_steps: np.ndarray) -> pd.DataFrame:
    """Coverage grows evenly, later seeds a little slower, up to 1; an outer step is 100,000 steps of training."""
    coverage = np.minimum(1, 0.055 + SPEED[arm] * outer_steps * (1 - seed / 50))
    steps = 100_000 * outer_steps
    labels = 0 if "maze" in env else steps // 2
    columns = {"coverage": coverage, "return": coverage, "training_steps": steps, "visits_steps": steps // 10}
    columns |= {
        "kl": np.where(outer_steps > 0, 0.008, np.nan),
        "entropy": np.where(outer_steps > 0, 2 - coverage, np.nan),
        "labels_steps": labels,
        "evaluation_steps": 20_000 * (outer_steps + 1),
    }
    return pd.DataFrame({"seed": seed, "step": steps, "outer_step": outer_steps, **columns})


def goal_maps(env: str, arm: str, seed: int, outer_steps: np.ndarray) -> pd.DataFrame:
    """The goals nearest to the start are reached, as many as the coverage has."""
    found, metrics = [], goal_metrics(env, arm, seed, outer_steps).set_index("outer_step")
    goals = places(env)
    far = np.linalg.norm(goals, axis=1).argsort().argsort() / len(goals)
    for step in sorted({*SNAPSHOTS, int(outer_steps[-1])} & set(outer_steps.tolist())):
        rows = {"seed": seed, "step": 100_000 * step, "outer_step": step, "x": goals[:, 0], "y": goals[:, 1]}
        found.append(pd.DataFrame(rows | {"success": (far < metrics["coverage"][step]).astype(float)}))
    return pd.concat(found, ignore_index=True)


def goal_tables(env: str, arm: str, seed: int, outer_steps: np.ndarray) -> dict[str, pd.DataFrame]:
    """Everything that a page shows of a seed."""
    recalling = arm != "baseline"
    phases = ["environment", "recall", "learner", "evaluation", "compilation"]
    timing = pd.DataFrame({"phase": phases, "seconds": [10, 45 * recalling, 80, 5, 6 * recalling]})
    tables = {"metrics": goal_metrics(env, arm, seed, outer_steps), "timing": timing}
    tables["coverage"] = goal_maps(env, arm, seed, outer_steps)
    if recalling:
        columns = {"target_value": 0.6, "trace_length": 15.0, "gradient_ratio": 2.0, "rollout_kl": 0.001}
        columns |= {"imitation_loss": 3.0, "gradient_cosine": 0.1}
        tables["recall"] = tables["metrics"][["seed", "step"]].iloc[1:].assign(**columns)
    return tables


def write_goal_page(
    root: Path,
    environments: Iterable[str] = ("point-mass", "point-mass-3", "point-u-maze"),
    arms: Iterable[str] = tuple(SPEED),
    seeds: int = 3,
    outer_steps: int = 60,
) -> None:
    """A record for each environment, arm and seed."""
    for env in environments:
        for arm in arms:
            for seed in range(seeds):
                tables = goal_tables(env, arm, seed, np.arange(outer_steps + 1))
                write_record(root, tables, page="goal-gan", arm=arm, env=env, seeds=[seed])


def every_figure(root: Path) -> dict[str, list[Panel]]:
    """The figures that no other page has, and some that have words of their own, by name."""
    records = find_records(root)
    metrics, timing = tidy(records, "metrics"), tidy(records, "timing")
    return {
        "maps": coverage_maps(tidy(records, "coverage")),
        "arrivals": arrival_dots(arrivals(metrics)),
        "gains": gain_dots(of_coverage(gains(metrics, ("recall", "as-written")))),
        "chances": chance_dots(auc(metrics, "coverage"), "mean coverage"),
        "time": recall_shares(timing),
    }


def all_figures(root: Path) -> Iterable[list[Panel]]:
    """The same without their names."""
    return every_figure(root).values()
