"""How the learning curves of stable-baselines3's agents are measured: as ours are, with a file a run."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # read when they load

import gymnasium as gym
import numpy as np
import pandas as pd
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from recall.evaluation import evaluate, evaluation_seeds
from recall.runs import processor_family
from recall.storage import write_atomic

FOLDER = Path(__file__).parents[1] / "papermill_runs" / "reference"
VERSIONS = ("stable_baselines3", "torch", "gymnasium", "mujoco", "numpy")
"""Packages whose versions are kept with a curve."""


@dataclass(frozen=True)
class Schedule:
    """How long a run is, and when it is evaluated."""

    total_steps: int
    """Environment steps."""
    eval_every: int
    """Steps between two evaluations."""
    eval_episodes: int
    """Episodes of each."""

    @classmethod
    def of(cls, options: Any) -> "Schedule":
        """That of a script's options, which name the same three."""
        return cls(*(getattr(options, each.name) for each in fields(cls)))


class Curve(BaseCallback):
    """Evaluates the deterministic policy every `eval_every` steps."""

    def __init__(self, env_id: str, schedule: Schedule) -> None:
        super().__init__()
        self.env = gym.make(env_id)
        self.schedule = schedule
        self.rows: list[tuple[int, float, float]] = []

    def _act(self, obs: np.ndarray) -> np.ndarray:
        normaliser = self.model.get_vec_normalize_env()
        return self.model.predict(normaliser.normalize_obs(obs) if normaliser else obs, deterministic=True)[0]

    def evaluate_if_due(self) -> None:
        """Add a point to the curve."""
        step, schedule = self.num_timesteps, self.schedule
        if step and (step % schedule.eval_every == 0 or step == schedule.total_steps):
            seeds = evaluation_seeds(len(self.rows), schedule.eval_episodes)
            self.rows.append((step, *evaluate(self.env, self._act, seeds)))
            print(self.env.spec.id if self.env.spec else "", *self.rows[-1], flush=True)

    def _on_step(self) -> bool:
        self.evaluate_if_due()
        return True


class RolloutCurve(Curve):
    """The same where updates come between rollouts: it waits for the one that belongs to the steps."""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.evaluate_if_due()

    def _on_training_end(self) -> None:
        self.evaluate_if_due()


def learned(model: BaseAlgorithm, seed: int, curve: Curve, *others: BaseCallback) -> pd.DataFrame:
    """The curve of one run, with other callbacks beside; columns seed, step, return, length."""
    model.learn(curve.schedule.total_steps, callback=[curve, *others])
    table = pd.DataFrame(curve.rows, columns=["step", "return", "length"])
    table.insert(0, "seed", seed)
    return table


def train_missing(
    folder: Path,
    env_ids: tuple[str, ...],
    seeds: tuple[int, ...],
    train: Callable[[str, int], pd.DataFrame],
    settings: dict[str, Any],
    packages: tuple[str, ...] = VERSIONS,
) -> None:
    """Train what `folder` lacks, the first seed of every environment first; a curve is a CSV with its facts beside."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    facts = {
        "settings": settings,
        "versions": {name: version(name) for name in packages},
        "processor": processor_family(),
    }
    for env_id, seed in product(env_ids, seeds):
        refuse_other_settings(folder / f"{env_id}-{seed}.json", settings)
    for seed in seeds:
        for env_id in env_ids:
            path = folder / f"{env_id}-{seed}.csv"
            if not path.is_file():
                text = train(env_id, seed).to_csv(index=False, float_format="%.6g", lineterminator="\n")
                write_atomic(path.with_suffix(".json"), (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
                write_atomic(path, text.encode())


def refuse_other_settings(facts: Path, settings: dict[str, Any]) -> None:
    """Stop where the curve beside these facts was trained with other settings: such curves are never averaged."""
    kept = json.loads(facts.read_text(encoding="utf-8"))["settings"] if facts.is_file() else {}
    odd = {name: value for name, value in kept.items() if name in settings and settings[name] != value}
    if odd:
        raise SystemExit(f"{facts} is of a curve with {odd}; give the same settings, or another --folder")
