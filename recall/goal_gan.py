"""A generative adversarial network of goals (Held et al. 2017): it learns what good goals look like, and makes more."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from recall.errors import ConfigError, RecallError
from recall.functional import Layers, copy_, mlp, to_arrays


@dataclass(frozen=True)
class GoalGANConfig:
    """Settings of both networks. The paper points to Held et al. 2017, whose code they are from."""

    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""

    noise_dim: int = 4
    """Numbers from which a goal is made. Held et al. 2017."""
    generator_hidden: tuple[int, ...] = (256, 256)
    """Units of the generator's ReLU layers. Held et al. 2017."""
    discriminator_hidden: tuple[int, ...] = (128, 128)
    """Units of the discriminator's leaky ReLU layers. Held et al. 2017."""
    leak: float = 0.1
    """Slope of the leaky ReLU below 0. Held et al. 2017."""
    learning_rate: float = 1e-3
    """RMSprop's step size, of both. Held et al. 2017."""
    decay: float = 0.9
    """RMSprop's decay of the mean square, which begins at 1. TensorFlow's default, on which Held et al. 2017 rely."""
    epsilon: float = 1e-10
    """What RMSprop adds to the mean square. TensorFlow's default, on which Held et al. 2017 rely."""
    batch: int = 64
    """Labelled goals, and as many generated ones, an update. Held et al. 2017."""
    updates: int = 300
    """Of each network after each outer step. Held et al. 2017: 300 in the point maze, 250 in the ant's, 100
    in N dimensions."""
    pretraining_updates: int = 300
    """Of each network on goals visited at first. Held et al. 2017: 300 in the point maze, 250 in
    the ant's, 30 in N dimensions."""
    output_scale: float = 2.0
    """What the generator's outputs of -1 and 1 are, in units of the range of goals; before noise and clipping it can
    so make goals beyond the range. Held et al. 2017, in whose code it looks like an oversight."""

    def __post_init__(self) -> None:
        for name in ("noise_dim", "batch", "updates", "pretraining_updates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("learning_rate", "epsilon", "output_scale"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be positive and finite")
        for name in ("generator_hidden", "discriminator_hidden"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be one or more layers of 1 or more units")
        if not (0 <= self.decay < 1 and 0 <= self.leak < 1):
            raise ConfigError(f"decay is {self.decay}, leak {self.leak}; both lie in [0, 1), 1 excluded")


class GoalGAN:
    """One pair of networks a run, trained together; least squares losses (Mao et al. 2017) with labels 1 and -1.

    Args:
        config: settings.
        centre: middle of the box of goals, (dimension,).
        reach: how far it goes from there in each coordinate.
        init: generators of the first weights, one a run.
        noise: generators of the noise, one a run.
    """

    def __init__(
        self,
        config: GoalGANConfig,
        centre: np.ndarray,
        reach: float,
        init: Sequence[np.random.Generator],
        noise: Sequence[np.random.Generator],
    ) -> None:
        self.config, self.noise = config, noise
        self._centre, self._unit = centre, config.output_scale * reach
        sizes = (config.noise_dim, *config.generator_hidden, len(centre))
        self.generator = xavier(sizes, init)
        self.discriminator = xavier((len(centre), *config.discriminator_hidden, 1), init)
        self._mean_squares = {
            name: tuple(torch.ones_like(each) for each in getattr(self, name))
            for name in ("generator", "discriminator")
        }

    def sample(self, n: int) -> np.ndarray:
        """New goals as the generator makes them, (runs, n, dimension) float64; some may lie outside the box."""
        with torch.no_grad():
            made = self._generate(self._draw(n)).numpy().astype(np.float64)
        return self._centre + self._unit * made

    def train(self, goals: Sequence[np.ndarray], labels: Sequence[np.ndarray], updates: int) -> dict[str, np.ndarray]:
        """Update both networks in turn; returns the last losses, (runs,) each.

        Args:
            goals: those of each run, (n, dimension).
            labels: which of them are good, (n,) bool.
            updates: how many.

        Raises:
            RecallError: a run has no goals.
        """
        if not min(map(len, goals)):
            raise RecallError(
                "a run has no labelled goals to learn from; take more episodes an outer step, or lower min_episodes"
            )
        units = [((each - self._centre) / self._unit).astype(np.float32) for each in goals]
        batches = zip(*(self._batches(*pair) for pair in zip(units, labels, strict=True)), strict=True)
        for _, batch in zip(range(updates), batches, strict=False):
            known, target = (torch.from_numpy(np.stack(column)) for column in zip(*batch, strict=True))
            noise = self._draw(self.config.batch)
            with torch.no_grad():
                made = self._generate(noise)
            judged = torch.cat([known, made], 1)
            targets = torch.cat([target, torch.full((len(made), made.shape[1]), -1.0)], 1)
            told_apart = self._descend("discriminator", partial(self._discriminator_loss, judged, targets))
            passed_off = self._descend("generator", partial(self._generator_loss, noise))
        return {"discriminator_loss": told_apart.numpy(), "generator_loss": passed_off.numpy()}

    def _batches(self, goals: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Goals and targets in order, over and over (Held et al. 2017)."""
        start, targets = 0, np.where(labels, 1.0, -1.0).astype(np.float32)
        while True:
            rows = np.arange(start, start + self.config.batch) % len(goals)
            yield goals[rows], targets[rows]
            start = (start + self.config.batch) % len(goals)

    def _draw(self, n: int) -> Tensor:
        """Noise, (runs, n, noise_dim)."""
        shape = (n, self.config.noise_dim)
        return torch.from_numpy(np.stack([each.standard_normal(shape, np.float32) for each in self.noise]))

    def _generate(self, noise: Tensor) -> Tensor:
        return torch.tanh(mlp(self.generator, noise))

    def judge(self, goals: Tensor) -> Tensor:
        """The discriminator's opinion of goals in its units, (runs, n, dimension) -> (runs, n)."""
        return mlp(self.discriminator, goals, partial(leaky_relu, negative_slope=self.config.leak))[..., 0]

    def _discriminator_loss(self, judged: Tensor, targets: Tensor) -> Tensor:
        """Mean of (D(g) - 1)^2 over good goals and of (D(g) + 1)^2 over bad and generated ones (Held, 4.2), (runs,)."""
        return (self.judge(judged) - targets).square().mean(1)

    def _generator_loss(self, noise: Tensor) -> Tensor:
        """Mean of (D(G(z)) - 1)^2, (runs,); Held et al. 2017 write 0 for 1, their code has 1."""
        return (self.judge(self._generate(noise)) - 1).square().mean(1)

    def _descend(self, name: str, loss: Callable[[], Tensor]) -> Tensor:
        """One step of RMSprop of one network; the loss before it, (runs,)."""
        layers: Layers = getattr(self, name)
        for layer in layers:
            layer.requires_grad_()
        found = loss()
        grads = torch.autograd.grad(found.sum(), layers)
        config = self.config
        for layer, grad, square in zip(layers, grads, self._mean_squares[name], strict=True):
            layer.requires_grad_(False)
            square.mul_(config.decay).addcmul_(grad, grad, value=1 - config.decay)
            layer.sub_(config.learning_rate * grad * (square + config.epsilon).rsqrt())
        return found.detach()

    def state(self) -> dict:
        """Weights and mean squares, for a checkpoint; the streams of noise are their owner's."""
        squares = {name: to_arrays(each) for name, each in self._mean_squares.items()}
        networks = {"generator": to_arrays(self.generator), "discriminator": to_arrays(self.discriminator)}
        return {**networks, "mean_squares": squares}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        for name, squares in self._mean_squares.items():
            copy_(getattr(self, name), state[name])
            copy_(squares, state["mean_squares"][name])


def xavier(sizes: Sequence[int], generators: Sequence[np.random.Generator]) -> Layers:
    """Weights uniform within sqrt(6 / (fan-in + fan-out)), biases 0 (Glorot & Bengio 2010), one network a run."""
    layers: list[Tensor] = []
    for n_in, n_out in pairwise(sizes):
        limit = (6 / (n_in + n_out)) ** 0.5
        weights = np.stack([each.uniform(-limit, limit, (n_in, n_out)) for each in generators])
        layers += [torch.from_numpy(weights.astype(np.float32)), torch.zeros(len(generators), 1, n_out)]
    return tuple(layers)
