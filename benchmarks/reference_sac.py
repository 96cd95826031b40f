"""Learning curves of stable-baselines3's SAC, measured here as ours are: the reference of the page *baselines*.

    python benchmarks/reference_sac.py --env HalfCheetah-v5 --seeds 0 1 2 3 4

A finished run is a file of its own; what exists is not trained again.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import tyro
from reference import FOLDER, Curve, Schedule, learned, train_missing
from stable_baselines3 import SAC


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
    folder: Path = FOLDER / "stable-baselines3-sac"
    """Where the curves go."""


def train(env_id: str, seed: int, options: Options) -> pd.DataFrame:
    """One run."""
    model = SAC("MlpPolicy", env_id, learning_starts=options.random_steps, seed=seed)
    return learned(model, seed, Curve(env_id, Schedule.of(options)))


def main(options: Options) -> None:
    """Train what is missing."""
    settings = {**asdict(Schedule.of(options)), "random_steps": options.random_steps}
    train_missing(options.folder, options.env, options.seeds, partial(train, options=options), settings)


if __name__ == "__main__":
    main(tyro.cli(Options))
