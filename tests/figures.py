"""Every figure of the page four-rooms from made-up records; needs what an analysis may need, nothing more."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from fake_records import write_record

from recall.analysis.costs import cost_curves, costs
from recall.analysis.endpoints import auc, first_reward, steps_to_threshold
from recall.analysis.grid_plots import occupancy_pictures, trace_pictures
from recall.analysis.interval_plots import improvements, speedups, tuning_grid
from recall.analysis.panels import Panel
from recall.analysis.plots import DISTANCE, PATH, STATES, curves, survivals, trace_returns
from recall.analysis.records import find_records, tidy
from recall.analysis.style import GRID_ARMS

BLOCKED = """
import sys, hashlib
from pathlib import Path

class Block:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("torch", "mujoco", "gymnasium"):
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Block)
sys.path.insert(0, "tests")
import {module}

for panels in {module}.all_figures(*map(Path, sys.argv[1:])):
    for panel in panels:
        print(hashlib.sha256(panel.svg().encode()).hexdigest())
"""
"""A program that draws the figures of one of these modules without the libraries that an analysis must not need."""

SEEDS, SIDE = 6, 7
STEPS = 2000 * np.arange(1, 11)
ENVIRONMENTS = ("side-7", "side-9", "side-9-hard")


def cells() -> pd.DataFrame:
    """Free cells of a grid of four rooms."""
    free = np.ones((SIDE, SIDE), bool)
    free[[0, 3, -1]] = free[:, [0, 3, -1]] = False
    free[[3, 3, 1, 5], [1, 5, 3, 3]] = True
    return pd.DataFrame(np.argwhere(free), columns=["row", "col"])


def metrics(arm: str, env: str, seeds: int = SEEDS) -> pd.DataFrame:
    """Seeds that learn one after the other; in the hard grid two seeds of every arm never do."""
    place = list(GRID_ARMS).index(arm)
    frames = []
    for seed in range(seeds):
        half = np.inf if env.endswith("hard") and seed > 3 else 2000 * (1 + place / 4) * (1 + seed / 5)
        success = 1 / (1 + np.exp(np.clip((half - STEPS) / 500, -50, 50)))
        path = np.where(success > 0.01, 10 + 40 * (1 - success), np.nan)
        frame = {"seed": seed, "step": STEPS, "success": success, "path_length": path}
        visited = np.minimum(STEPS / 400, len(cells()))
        frames.append(pd.DataFrame(frame | {"states_visited": visited, "first_reward_step": half / 2}))
    return pd.concat(frames, ignore_index=True).replace(np.inf, np.nan)


def recall_table(seeds: int) -> pd.DataFrame:
    """Diagnostics of an arm with recall, unknown before the third evaluation."""
    frames = []
    for seed in range(seeds):
        known = np.where(STEPS > 2000, 1.0, np.nan)
        frame = {"seed": seed, "step": STEPS, "trace_length": 9 * known, "trace_return": (0.8 + seed / 100) * known}
        frame |= {"policy_return": STEPS / 25_000 * known, "model_tv": 0.9 * np.exp(-STEPS / 5000)}
        frames.append(pd.DataFrame(frame | {"model_gradient_steps": STEPS // 500}))
    return pd.concat(frames, ignore_index=True)


def traces() -> pd.DataFrame:
    """Two ways back from the goal, at every moment; the second is shorter."""
    way = [(5, 4), (5, 3), (5, 2), (4, 2)]
    rows = [(trace, at, *cell) for trace, length in ((0, 4), (3, 2)) for at, cell in enumerate(way[:length])]
    table = pd.DataFrame(rows, columns=["trace", "position", "row", "col"]).assign(action=3)
    return pd.concat([table.assign(snapshot=moment) for moment in ("early", "midway", "late")], ignore_index=True)


def tables(arm: str, env: str, seeds: int) -> dict[str, pd.DataFrame]:
    """Everything the record of an arm holds."""
    grid = cells()
    visits = np.arange(1.0, len(grid) + 1)
    found = {
        "metrics": metrics(arm, env, seeds),
        "occupancy": pd.concat(
            [
                grid.assign(phase=phase, visits=part / part.sum())
                for phase, part in (("before", visits[::-1]), ("after", visits))
            ]
        ),
        "timing": pd.DataFrame({"phase": ["environment", "recall", "learner", "evaluation"], "seconds": [1, 2, 3, 4]}),
    }
    if not arm.startswith("baseline"):
        values = [
            grid.assign(snapshot=moment, value=np.linspace(0, 1, len(grid))) for moment in ("early", "midway", "late")
        ]
        found |= {"recall": recall_table(seeds), "values": pd.concat(values), "traces": traces()}
    return found


def write_page(root: Path, arms: tuple[str, ...] = tuple(GRID_ARMS), seeds: int = SEEDS) -> None:
    """Records of the arms in every environment."""
    for env in ENVIRONMENTS:
        for arm in arms:
            write_record(root, tables(arm, env, seeds), arm=arm, env=env, agent_config={"n_envs": 8, "n_steps": 32})


def tuning() -> pd.DataFrame:
    """Four settings of two arms, three seeds each; the last setting is the best."""
    rows = [
        (arm, f'{{"weight": {weight}, "sides": {sides}}}', seed, weight + sides / 10 + seed / 100)
        for arm in ("learned", "true")
        for weight in (0.1, 0.3)
        for sides in (1.0, 2.0)
        for seed in (1000, 1001, 1002)
    ]
    return pd.DataFrame(rows, columns=["arm", "settings", "seed", "auc"])


def every_figure(root: Path) -> dict[str, list[Panel]]:
    """The figures by name, from records under `root`."""
    records = find_records(root)
    of_metrics, of_recall = tidy(records), tidy(records, "recall")
    times = steps_to_threshold(of_metrics)
    return {
        "success": curves(of_metrics, limits=(0, 1.02)),
        "path length": curves(of_metrics, PATH),
        "states visited": curves(of_metrics, STATES),
        "distance": curves(of_recall, DISTANCE, ("learned", "learned-both")),
        "trace return": trace_returns(of_recall),
        "steps to 90 %": survivals(times, "at 90 % success"),
        "first reward": survivals(first_reward(of_metrics), "rewarded"),
        "improvement": improvements(auc(of_metrics), "mean success"),
        "speed-up": speedups(times),
        "traces": trace_pictures(tidy(records, "traces"), tidy(records, "values"), "side-7"),
        "occupancy": occupancy_pictures(tidy(records, "occupancy"), "side-7"),
        "costs": cost_curves(costs(records), "side-7"),
        "tuning": tuning_grid(tuning()),
    }


def all_figures(root: Path) -> Iterable[list[Panel]]:
    """The same without their names."""
    return every_figure(root).values()
