"""Learning curves of stable-baselines3's PPO without and with recall traces, for the page *your-agent*.

    python benchmarks/reference_sb3.py --seeds 0 1 2 3 4 5 6 7 8 9

A finished run is a file of its own; what exists is not trained again.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import tyro
from reference import FOLDER, VERSIONS, RolloutCurve, Schedule, learned, train_missing
from stable_baselines3 import PPO

from recall.continuous_recaller import ContinuousRecallConfig
from recall.sb3 import CallbackConfig, RecallCallback


@dataclass(frozen=True)
class Options:
    """Train PPO with the settings it comes with, alone and with several doses of recall traces."""

    env: tuple[str, ...] = ("CartPole-v1",)
    """Gymnasium ids."""
    seeds: tuple[int, ...] = tuple(range(10))
    """Seeds of each."""
    steps: tuple[int, ...] = (10, 100)
    """Gradient steps of imitation after a recall; one arm each, beside one without recall."""
    total_steps: int = 49_152
    """Environment steps of each: 24 of PPO's rollouts."""
    eval_every: int = 4_096
    """Steps between two evaluations: two rollouts."""
    eval_episodes: int = 10
    """Episodes of each."""
    folder: Path = FOLDER / "sb3-ppo-recall"
    """Where the curves go, a folder an arm."""


def train(env_id: str, seed: int, options: Options, config: CallbackConfig | None) -> pd.DataFrame:
    """One run."""
    model = PPO("MlpPolicy", env_id, seed=seed, device="cpu")
    recall = [] if config is None else [RecallCallback(config, seed=seed)]
    return learned(model, seed, RolloutCurve(env_id, Schedule.of(options)), *recall)


def main(options: Options) -> None:
    """Train what is missing, every arm's first seed first."""
    arms = {"baseline": None} | {f"steps-{steps}": CallbackConfig(steps=steps) for steps in options.steps}
    for seed in options.seeds:
        for arm, config in arms.items():
            settings: dict[str, object] = asdict(Schedule.of(options))
            if config is not None:
                settings |= {"callback": asdict(config), "recall": asdict(ContinuousRecallConfig())}
            one = partial(train, options=options, config=config)
            train_missing(options.folder / arm, options.env, (seed,), one, settings, VERSIONS)


if __name__ == "__main__":
    main(tyro.cli(Options))
