"""Small soft actor-critics for tests, what they learn from, and everything they hold by name."""

from collections.abc import Iterator

import torch
from torch import Tensor

from recall.agents.sac import Batch, SACConfig
from recall.agents.sac_update import Learner, init_learner, update_
from recall.functional import Layers, Moments
from recall.seeding import Streams

OBS, ACTION, RUNS, BATCH = 3, 2, 2, 16
CONFIG = SACConfig(hidden=(8, 8), batch_size=BATCH, precision="float32")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def a_batch(seed: int = 0, runs: int = RUNS) -> Batch:
    """Transitions, a quarter of them terminal."""
    draws = iter(range(10 * seed, 10 * seed + 5))
    parts = [numbers(runs, BATCH, *dims, seed=next(draws)) for dims in ((OBS,), (ACTION,), (), (OBS,))]
    terminated = (numbers(runs, BATCH, seed=next(draws)) > 0.7).float()
    return Batch(parts[0], parts[1].tanh(), parts[2], parts[3], terminated)


def some_noise(seed: int = 0, runs: int = RUNS) -> Tensor:
    return numbers(2, runs, BATCH, ACTION, seed=1000 + seed)


def no_imitation(learner: Learner) -> Layers:
    return tuple(torch.zeros_like(layer) for layer in learner.actor)


def a_learner(config: SACConfig = CONFIG, seeds: tuple[int, ...] = (0, 1), updates: int = 3) -> Learner:
    """A learner after a few updates, so that targets and moments are something."""
    learner = init_learner(config, OBS, ACTION, Streams(seeds))
    for step in range(updates):
        update_(learner, a_batch(step, len(seeds)), some_noise(step, len(seeds)), no_imitation(learner), config)
    return learner


def tensors(learner: Learner) -> Iterator[tuple[str, Tensor]]:
    """Everything a learner holds, by name."""
    for name, value in learner._asdict().items():
        if name == "updates":
            yield name, value
            continue
        layers = sum(value, ()) if isinstance(value, Moments) else value
        yield from ((f"{name}[{index}]", layer) for index, layer in enumerate(layers))


def temperature(learner: Learner) -> Tensor:
    return learner.log_temperature[0][:, 0].exp()
