"""Randomness as an argument: one named stream for each purpose and each seed.

A seed draws the same numbers whichever seeds share its batch, and no stream moves another: a run that imitates with
weight zero consumes the same environment and policy numbers as a run that does not imitate at all.
"""

from collections.abc import Sequence

import numpy as np

STREAMS = ("init", "env", "policy", "model_init", "model", "traces", "noise", "replay", "imitation")
"""Names in the order of their creation: a new one goes to the end, for a place is part of what a seed draws."""

GOAL_STREAMS = (*STREAMS, "gan_init", "gan", "goals", "labels", "coverage")
"""Those of a training that makes its own goals."""


class Streams:
    """Named streams of independent numbers for a group of seeds."""

    def __init__(self, seeds: Sequence[int], names: Sequence[str] = STREAMS) -> None:
        self.seeds = tuple(seeds)
        self._generators = {
            name: [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,))) for seed in seeds]
            for index, name in enumerate(names)
        }

    def __getitem__(self, name: str) -> list[np.random.Generator]:
        """The generators of one stream, one a seed."""
        return self._generators[name]

    def uniform(self, name: str, *shape: int) -> np.ndarray:
        """Uniform numbers in [0, 1), `(runs, *shape)`, float32."""
        out = np.empty((len(self.seeds), *shape), np.float32)
        for row, generator in zip(out, self._generators[name], strict=True):
            generator.random(out=row, dtype=np.float32)
        return out

    def normal(self, name: str, *shape: int) -> np.ndarray:
        """Standard normal numbers, `(runs, *shape)`, float32."""
        out = np.empty((len(self.seeds), *shape), np.float32)
        for row, generator in zip(out, self._generators[name], strict=True):
            generator.standard_normal(out=row, dtype=np.float32)
        return out

    def integers(self, name: str, low: int, high: int, *shape: int) -> np.ndarray:
        """Integers from `low` to below `high`, `(runs, *shape)`."""
        return np.stack([generator.integers(low, high, shape) for generator in self._generators[name]])

    def state(self) -> dict:
        """Every generator's position, as JSON types."""
        return {name: [g.bit_generator.state for g in group] for name, group in self._generators.items()}

    def load_state(self, state: dict) -> None:
        """Put every generator back where `state()` found it."""
        for name, group in self._generators.items():
            for generator, saved in zip(group, state[name], strict=True):
                generator.bit_generator.state = saved
