"""The tuning grid of the page four-rooms: the same number of configurations and seeds for every arm."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from recall.analysis.endpoints import auc, steps_to_threshold
from recall.analysis.records import load_record
from recall.checkpoints import scratch_folder
from recall.experiments import TUNING_ARENA, TUNING_SEEDS, Arm, spec, tuning_grid
from recall.runs import RunSpec, csv
from recall.storage import write_atomic
from recall.store import Store, refuse_unwritable
from recall.sweep import train_missing


def tune(output: Path, progress: bool = True) -> pd.DataFrame:
    """Train the whole grid and write one row a configuration and seed to `output`, CSV.

    Finished configurations wait in scratch space, so an interrupted grid goes on where it was.
    """
    refuse_unwritable(output.parent)
    specs = {
        spec(f"tuning-{arm}", str(index), config, TUNING_ARENA, TUNING_SEEDS): config
        for arm, configs in tuning_grid().items()
        for index, config in enumerate(configs)
    }
    store = Store(scratch_folder() / "tuning", {})
    train_missing(list(specs), store, progress=progress)
    frames = [_rows(run, config, load_record(store.path(run)).table("metrics")) for run, config in specs.items()]
    table = pd.concat(frames).sort_values(["arm", "config", "seed"], ignore_index=True)
    write_atomic(output, csv(table).encode())
    return table


def _rows(run: RunSpec, config: Arm, metrics: pd.DataFrame) -> pd.DataFrame:
    tidy = metrics.assign(page=run.page, env=run.env_label, arm=run.arm)
    scores = {"auc": auc(tidy)["value"], "steps_to_90": steps_to_threshold(tidy)["value"]}
    arm = run.page.removeprefix("tuning-")
    return pd.DataFrame(
        {
            "arm": arm,
            "config": int(run.arm),
            "settings": json.dumps(varied(config)),
            "seed": run.seeds,
            **scores,
        }
    )


def varied(arm: Arm) -> dict:
    """What the grid varies of an arm."""
    if arm.recall is None:
        return {name: asdict(arm.agent)[name] for name in ("learning_rate", "entropy")}
    return {"weight": arm.recall.weight, "sides": arm.sides}


def best(table: pd.DataFrame) -> dict[str, dict]:
    """The configuration of each arm with the largest mean area under the curve."""
    means = table.groupby(["arm", "settings"], as_index=False)["auc"].mean()
    rows = means.loc[means.groupby("arm")["auc"].idxmax()]
    return {row.arm: json.loads(row.settings) for row in rows.itertuples()}
