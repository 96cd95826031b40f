"""Networks and their optimiser as functions of stacked parameters; every tensor's first axis are the runs."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from recall.engine import Precision, product

Layers = tuple[Tensor, ...]
"""Weights (runs, in, out) and biases (runs, 1, out) of a perceptron, layer by layer."""

ADAM_DECAY = (0.9, 0.999)
ADAM_EPS = 1e-8
"""Kingma & Ba 2015, Algorithm 1."""


def init_layers(sizes: Sequence[int], generators: Sequence[np.random.Generator]) -> Layers:
    """Weights and biases uniform within 1/sqrt(fan-in), as torch's linear layers start."""
    layers: list[Tensor] = []
    for n_in, n_out in pairwise(sizes):
        for rows in (n_in, 1):
            drawn = np.stack([g.uniform(-1, 1, (rows, n_out)) for g in generators]) / n_in**0.5
            layers.append(torch.from_numpy(drawn.astype(np.float32)))
    return tuple(layers)


def mlp(
    layers: Layers, x: Tensor, activation: Callable[[Tensor], Tensor] = torch.relu, precision: Precision = "float32"
) -> Tensor:
    """Outputs (runs, batch, out) of inputs (runs, batch, in)."""
    hidden = hidden_layers(layers[:-2], x, activation, precision)
    return product(hidden, layers[-2], precision) + layers[-1]


def hidden_layers(layers: Layers, x: Tensor, activation: Callable[[Tensor], Tensor], precision: Precision) -> Tensor:
    """Activations (runs, batch, hidden) of the last hidden layer.

    Inputs are never rounded: on Walker2d that was nearly all of bfloat16's error, and its cost is small.
    """
    for index, (weight, bias) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
        x = activation(product(x, weight, precision if index else "float32") + bias)
    return x


def scalar_mlp(layers: Layers, x: Tensor, precision: Precision = "float32") -> Tensor:
    """A ReLU network's single output (runs, batch): the last product, one unit wide, is a weighted sum."""
    hidden = hidden_layers(layers[:-2], x, torch.relu, precision)
    return (hidden * layers[-2].mT).sum(2) + layers[-1][:, :, 0]


class Moments(NamedTuple):
    """Adam's running means of gradients and of their squares."""

    first: Layers
    second: Layers

    @classmethod
    def of(cls, layers: Layers) -> "Moments":
        """Zeros in the shapes of some parameters."""
        return cls(*(tuple(torch.zeros_like(each) for each in layers) for _ in cls._fields))


def adam_(layers: Layers, grads: Layers, moments: Moments, updates: Tensor, learning_rate: float | Tensor) -> None:
    """One step of Adam in place; `updates` counts it, from 1."""
    decay1, decay2 = ADAM_DECAY
    scale1, scale2 = 1 - decay1**updates, 1 - decay2**updates
    for layer, grad, first, second in zip(layers, grads, *moments, strict=True):
        first.lerp_(grad, 1 - decay1)
        second.mul_(decay2).addcmul_(grad, grad, value=1 - decay2)
        layer.sub_(learning_rate * (first / scale1) / ((second / scale2).sqrt() + ADAM_EPS))


def squared_norm(layers: Layers) -> Tensor:
    """Sum of squares over all parameters of each run; runs lead, or divide, every layer's first axis."""
    return torch.stack([layer.square().flatten(1).sum(1) for layer in layers]).sum(0)


def all_finite(state: Mapping[str, Any]) -> bool:
    """Whether no number of nested dictionaries is NaN or infinite."""
    parts = state.values()
    return all(all_finite(part) if isinstance(part, Mapping) else bool(np.isfinite(part).all()) for part in parts)


def to_arrays(layers: Any) -> Any:
    """Tensors as numpy arrays that share their memory, for checkpoints."""
    return {str(index): layer.numpy() for index, layer in enumerate(layers)}


def copy_(layers: Layers, arrays: dict[str, np.ndarray]) -> None:
    """Put arrays back where `to_arrays` found them."""
    for index, layer in enumerate(layers):
        layer.copy_(torch.from_numpy(arrays[str(index)]))
