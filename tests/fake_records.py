"""Records for tests of the analysis, written by hand: whole, with true checksums, of made-up numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from recall.identity import FORMAT, file_sha256, settings_key

NUMERICS = {
    "engine": "eager", "precision": "float32", "group": 20, "torch": "2", "numpy": "2", "processor": "x"
}  # fmt: skip

WALL_CLOCK_S = 360.0
"""Seconds that every record took, on one thread."""


def curves(levels: ArrayLike, first_rewards: ArrayLike = np.nan, n_evaluations: int = 20) -> pd.DataFrame:
    """Metrics of one arm: seed i scores `levels[i]` at every evaluation."""
    steps = 1000 * np.arange(1, n_evaluations + 1)
    by_seed = zip(*np.broadcast_arrays(levels, first_rewards), strict=True)
    seeds = [
        pd.DataFrame({"seed": i, "step": steps, "success": level, "first_reward_step": first})
        for i, (level, first) in enumerate(by_seed)
    ]
    return pd.concat(seeds, ignore_index=True)


def arrivals(times: ArrayLike, n_evaluations: int = 20) -> pd.DataFrame:
    """Metrics of one arm: seed i fails every evaluation before `times[i]` and none from then on."""
    frame = curves(times, n_evaluations=n_evaluations)
    return frame.assign(success=(frame["step"] >= frame["success"]).astype(float))


def write_record(
    root: Path,
    tables: Mapping[str, pd.DataFrame],
    *,
    page: str = "four-rooms",
    arm: str = "baseline",
    env: str = "side-11",
    claims: Mapping[str, str] | None = None,
    numerics: Mapping[str, Any] = NUMERICS,
    **settings: Any,
) -> Path:
    """A record of these tables; the settings name the arm, so that no two arms share a folder."""
    steps = {"total_steps": 20_000, "eval_every": 4, "env_id": "recall/FourRooms-v0", "env": {"label": env}}
    seeds = sorted({int(seed) for seed in tables["metrics"]["seed"]})
    settings = {**steps, "seeds": seeds, "agent": arm, **settings}
    labels = {"page": page, "arm": arm, "env_label": env}
    key = settings_key(settings)
    folder = root / page / f"{env}-{arm}-{key}"
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    spec = {
        "format": FORMAT, "key": key, "labels": labels, "settings": settings, "numerics": dict(numerics)
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    seal(folder, claims or {})
    return folder


def seal(folder: Path, claims: Mapping[str, str]) -> None:
    """Write provenance.json with the checksums of the other files as they are now."""
    checksums = {p.name: file_sha256(p) for p in folder.iterdir() if p.name not in ("provenance.json", "timing.csv")}
    provenance = {"sha256": checksums, "claims": dict(claims), "wall_clock_s": WALL_CLOCK_S, "threads": 1}
    (folder / "provenance.json").write_text(json.dumps(provenance))


def edit_spec(folder: Path, change: Mapping[str, Any]) -> None:
    """Change fields of spec.json and forge the checksums to match, as somebody who knows the format would."""
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps(spec | change))
    seal(folder, json.loads((folder / "provenance.json").read_text())["claims"])
