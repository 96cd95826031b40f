"""Learning curves of sb3-contrib's TRPO at RL-Zoo's settings: the reference of ours on the page *baselines*.

    python benchmarks/reference_trpo.py --env HalfCheetah-v5 --seeds 0 1 2 3 4

A finished run is a file of its own; what exists is not trained again. Both learn from 2048 steps at a time, and are
evaluated after the same updates.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import tyro
from reference import FOLDER, VERSIONS, RolloutCurve, Schedule, learned, train_missing
from sb3_contrib import TRPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

N_ENVS = 2
ZOO: dict[str, Any] = {
    "n_steps": 1024,
    "batch_size": 128,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "cg_max_steps": 25,
    "cg_damping": 0.1,
    "n_critic_updates": 20,
    "learning_rate": 1e-3,
}
"""RL-Zoo's settings of TRPO for MuJoCo, with observations and rewards normalised."""
TARGET_KL = {"HalfCheetah-v5": 0.04}
"""Where RL-Zoo has another bound than sb3-contrib's 0.01."""


@dataclass(frozen=True)
class Options:
    """Train sb3-contrib's TRPO with RL-Zoo's settings for MuJoCo."""

    env: tuple[str, ...] = ("HalfCheetah-v5", "Hopper-v5")
    """Gymnasium ids."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of each."""
    total_steps: int = 999_424
    """Environment steps of each: 488 updates, as many as ours make of a million steps."""
    eval_every: int = 49_152
    """Steps between two evaluations: 24 updates, as ours have."""
    eval_episodes: int = 10
    """Episodes of each."""
    folder: Path = FOLDER / "sb3-contrib-trpo"
    """Where the curves go."""


def train(env_id: str, seed: int, options: Options) -> pd.DataFrame:
    """One run."""
    envs = VecNormalize(make_vec_env(env_id, N_ENVS, seed), gamma=ZOO["gamma"])
    model = TRPO("MlpPolicy", envs, target_kl=TARGET_KL.get(env_id, 0.01), seed=seed, device="cpu", **ZOO)
    return learned(model, seed, RolloutCurve(env_id, Schedule.of(options)))


def main(options: Options) -> None:
    """Train what is missing."""
    settings = {
        **asdict(Schedule.of(options)),
        "n_envs": N_ENVS,
        "normalised": "obs, reward",
        **ZOO,
        "target_kl": TARGET_KL,
    }
    packages = (*VERSIONS, "sb3_contrib")
    train_missing(options.folder, options.env, options.seeds, partial(train, options=options), settings, packages)


if __name__ == "__main__":
    main(tyro.cli(Options))
