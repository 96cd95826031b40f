"""Perceptrons in numpy, stacked over runs, with their derivatives written out.

Where layers are 64 units wide and batches small, numpy takes a fraction of the time that torch's calls take, and no
compiler is waited for.
"""

from collections.abc import Sequence
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import torch

from recall.engine import ONEDNN, onednn_product
from recall.functional import ADAM_DECAY
from recall.networks import orthogonal

Arrays = list[np.ndarray]
"""Weights (runs, in, out) and biases (runs, 1, out), layer by layer."""

MANY_ROWS = 512
"""From so many on, oneDNN's product is faster than numpy's where that does not know a processor's widest units."""


def init_perceptron(sizes: Sequence[int], generators: Sequence[np.random.Generator], out_gain: float) -> Arrays:
    """Weights orthogonal with gain sqrt(2), those of the last layer with `out_gain`; biases 0."""
    layers: Arrays = []
    gains = [2**0.5] * (len(sizes) - 2) + [out_gain]
    for (n_in, n_out), gain in zip(pairwise(sizes), gains, strict=True):
        layers.append(np.stack([orthogonal(each, n_in, n_out, gain) for each in generators]))
        layers.append(np.zeros((len(generators), 1, n_out), np.float32))
    return layers


def flattened(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (runs, ...) as one, (runs, numbers)."""
    return np.concatenate([each.reshape(len(each), -1) for each in arrays], 1)


def views(flat: np.ndarray, like: Sequence[np.ndarray]) -> Arrays:
    """The inverse of `flattened`, sharing memory: what changes `flat` in place changes them."""
    ends = np.cumsum([each[0].size for each in like])
    return [
        flat[:, end - each[0].size : end].reshape(len(flat), *each.shape[1:])
        for each, end in zip(like, ends, strict=True)
    ]


class Pass:
    """A forward pass through tanh layers and a linear one, which remembers what its derivatives need.

    Args:
        layers: parameters.
        x: inputs, (runs, batch, in).
    """

    def __init__(self, layers: Sequence[np.ndarray], x: np.ndarray) -> None:
        self.layers, self.inputs = layers, [x]
        for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
            hidden = _product(self.inputs[-1], weight)
            hidden += bias
            self.inputs.append(np.tanh(hidden, out=hidden))
        self.output = _product(self.inputs[-1], layers[-2])
        """(runs, batch, out)."""
        self.output += layers[-1]

    @cached_property
    def slopes(self) -> Arrays:
        """Derivative of each hidden layer's tanh, (runs, batch, hidden)."""
        squares = [np.square(hidden) for hidden in self.inputs[1:]]
        return [np.subtract(1, square, out=square) for square in squares]

    def tangent(self, directions: Sequence[np.ndarray]) -> np.ndarray:
        """How the outputs move with the parameters, (runs, batch, out): the Jacobian times `directions`."""
        moved = _product(self.inputs[0], directions[0])
        moved += directions[1]
        for depth, slope in enumerate(self.slopes, 1):
            moved *= slope
            moved = _product(moved, self.layers[2 * depth])
            moved += _product(self.inputs[depth], directions[2 * depth])
            moved += directions[2 * depth + 1]
        return moved

    def gradient(self, errors: np.ndarray, into: Sequence[np.ndarray]) -> None:
        """Of the sum of outputs times `errors`, (runs, batch, out), in each parameter: the Jacobian's transpose.

        It is written into arrays in the shapes of the parameters.
        """
        for depth in range(len(self.inputs) - 1, -1, -1):
            np.matmul(self.inputs[depth].mT, errors, out=into[2 * depth])
            np.matmul(_ones(errors.shape[1]), errors, out=into[2 * depth + 1])  # three times faster than summing
            if depth:
                errors = _product(errors, self.layers[2 * depth].mT)
                errors *= self.slopes[depth - 1]


@cache
def _ones(n: int) -> np.ndarray:
    return np.ones((1, n), np.float32)


def _product(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(runs, n, in) times (runs, in, out)."""
    if x.shape[2] == 1:
        return x * weight  # of a single column numpy's own is slow
    if ONEDNN and x.shape[1] >= MANY_ROWS:
        return onednn_product(torch.from_numpy(x), torch.from_numpy(weight)).numpy()
    return x @ weight


class AdamSteps:
    """Steps of Adam (Kingma & Ba 2015, Algorithm 1) on flat parameters (runs, numbers), in their precision.

    Args:
        like: parameters of the shape and type of those that are learned.
        learning_rate: step size.
        eps: what keeps the denominator from 0.
    """

    def __init__(self, like: np.ndarray, learning_rate: float, eps: float) -> None:
        self.learning_rate, self.eps = learning_rate, eps
        self.first, self.second = np.zeros_like(like), np.zeros_like(like)
        self.steps = 0
        self._work = np.empty_like(like)

    def descent(self, gradient: np.ndarray) -> np.ndarray:
        """What to take from the parameters for the next step down; the following call overwrites it."""
        (decay1, decay2), work = ADAM_DECAY, self._work
        self.steps += 1
        scale1, scale2 = 1 - decay1**self.steps, 1 - decay2**self.steps
        self.first *= decay1
        self.first += np.multiply(gradient, 1 - decay1, out=work)
        np.square(gradient, out=work)
        work *= 1 - decay2
        self.second *= decay2
        self.second += work
        np.sqrt(self.second, out=work)
        work += self.eps * scale2**0.5
        np.divide(self.first, work, out=work)
        work *= self.learning_rate * scale2**0.5 / scale1
        return work

    def state(self) -> dict:
        """Moments, for a checkpoint."""
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.first[...], self.second[...], self.steps = state["first"], state["second"], state["steps"]


class Adam(AdamSteps):
    """Adam on flat parameters (runs, numbers), changed in place.

    Args:
        parameters: what is learned.
        learning_rate: step size.
        eps: what keeps the denominator from 0.
    """

    def __init__(self, parameters: np.ndarray, learning_rate: float, eps: float) -> None:
        super().__init__(parameters, learning_rate, eps)
        self.parameters = parameters

    def step(self, gradient: np.ndarray) -> None:
        """Descend once."""
        self.parameters -= self.descent(gradient)

    def state(self) -> dict:
        """Parameters and moments, for a checkpoint."""
        return {"parameters": self.parameters, **super().state()}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.parameters[...] = state["parameters"]
        super().load_state(state)
