"""Learning curves of stable-baselines3's SAC, measured here as ours are: the reference of the page *baselines*.

    python benchmarks/reference_sac.py --env HalfCheetah-v5 --seeds 0 1 2 3 4

A finished run is a file of its own; what exists is not trained again.
"""

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # read when torch loads

import gymnasium as gym
import numpy as np
import pandas as pd
import torch
import tyro
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

from recall.checkpoints import write_atomic
from recall.evaluation import evaluate, evaluation_seeds
from recall.runs import processor_family

FOLDER = Path(__file__).parents[1] / "papermill_runs" / "reference" / "stable-baselines3-sac"


@dataclass(frozen=True)
class Options:
    """Train stable-baselines3's SAC with its own settings."""

    env: tuple[str, ...] = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5")
    """Gymnasium ids."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of each."""
    total_steps: int = 100_000
    """Environment steps of each."""
    random_steps: int = 10_000
    """Random steps before learning, as in ours; its own default is 100."""
    eval_every: int = 5_000
    """Steps between two evaluations."""
    eval_episodes: int = 5
    """Episodes of each."""
    folder: Path = FOLDER
    """Where the curves go."""


class Curve(BaseCallback):
    """Evaluates the deterministic policy every `eval_every` steps."""

    def __init__(self, env_id: str, options: Options) -> None:
        super().__init__()
        self.env = gym.make(env_id)
        self.options = options
        self.rows: list[tuple[int, float, float]] = []

    def _act(self, obs: np.ndarray) -> np.ndarray:
        return self.model.predict(obs, deterministic=True)[0]

    def _on_step(self) -> bool:
        if self.num_timesteps % self.options.eval_every == 0:
            seeds = evaluation_seeds(len(self.rows), self.options.eval_episodes)
            self.rows.append((self.num_timesteps, *evaluate(self.env, self._act, seeds)))
            print(self.env.spec.id if self.env.spec else "", *self.rows[-1], flush=True)
        return True


def train(env_id: str, seed: int, options: Options) -> pd.DataFrame:
    """One run; columns seed, step, return, length."""
    model = SAC("MlpPolicy", env_id, learning_starts=options.random_steps, seed=seed)
    curve = Curve(env_id, options)
    model.learn(options.total_steps, callback=curve)
    table = pd.DataFrame(curve.rows, columns=["step", "return", "length"])
    table.insert(0, "seed", seed)
    return table


def main(options: Options) -> None:
    """Train what is missing, the first seed of every environment first."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    names = ("stable_baselines3", "torch", "gymnasium", "mujoco", "numpy")
    facts = {
        "settings": {"total_steps": options.total_steps, "random_steps": options.random_steps},
        "versions": {name: version(name) for name in names},
        "processor": processor_family(),
    }
    for seed in options.seeds:
        for env_id in options.env:
            path = options.folder / f"{env_id}-{seed}.csv"
            if not path.is_file():
                table = train(env_id, seed, options)
                text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
                write_atomic(path.with_suffix(".json"), (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
                write_atomic(path, text.encode())


if __name__ == "__main__":
    main(tyro.cli(Options))
