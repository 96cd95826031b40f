"""What states are worth, for advantages: a network trained by minibatches, or rllab's regression on features."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from recall.agents.trpo import TRPOConfig
from recall.perceptron import Adam, Arrays, Pass, flattened, init_perceptron, views
from recall.seeding import Streams

ADAM_EPS = 1e-5
"""Adam's epsilon of stable-baselines3's actor-critic policies."""

FEATURE_RANGE = 10.0
"""Observations are cut to plus and minus this before they become features (rllab)."""

TIME_UNIT = 100.0
"""Steps of an episode in the unit of the features (rllab)."""


class Baseline(Protocol):
    """State values of each run, as functions of what agents see and of the time since their episode began."""

    def value(self, x: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Values (runs, n) of states (runs, n, dims) at times (runs, n)."""

    def fit(self, x: np.ndarray, time: np.ndarray, returns: np.ndarray) -> dict[str, np.ndarray]:
        """Learn returns (runs, n); returns metrics, (runs,) each."""

    def state(self) -> dict:
        """What was learned, for a checkpoint."""

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""


class NetworkBaseline:
    """A tanh perceptron, trained by Adam on the mean squared error of shuffled minibatches (sb3-contrib)."""

    def __init__(self, config: TRPOConfig, obs_dim: int, streams: Streams) -> None:
        self.config, self.streams = config, streams
        layers = init_perceptron((obs_dim, *config.hidden, 1), streams["init"], out_gain=1.0)
        self.adam = Adam(flattened(layers), config.value_learning_rate, ADAM_EPS)
        self.layers: Arrays = views(self.adam.parameters, layers)
        self._gradient = np.zeros_like(self.adam.parameters)
        self._gradients = views(self._gradient, layers)

    def value(self, x: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Values (runs, n) of states (runs, n, dims); time does not matter."""
        return Pass(self.layers, x).output[..., 0]

    def fit(self, x: np.ndarray, time: np.ndarray, returns: np.ndarray) -> dict[str, np.ndarray]:
        """Learn returns; the loss is the mean over all minibatches, the gradient the norm of the last."""
        losses, size = [], self.config.value_batch
        for _ in range(self.config.value_epochs):
            orders = [each.permutation(x.shape[1]) for each in self.streams["replay"]]
            rows, targets = _ordered(x, orders), _ordered(returns, orders)
            parts = (slice(start, start + size) for start in range(0, x.shape[1], size))
            losses += [self._descend(rows[:, part], targets[:, part]) for part in parts]
        return {"value_loss": np.mean(losses, 0), "value_gradient": np.linalg.norm(self._gradient, axis=1)}

    def _descend(self, x: np.ndarray, returns: np.ndarray) -> np.ndarray:
        """One step; the loss before it, (runs,)."""
        found = Pass(self.layers, x)
        error = found.output
        error -= returns[..., None]
        loss = np.einsum("rbo,rbo->r", error, error) / x.shape[1]
        error *= 2 / x.shape[1]
        found.gradient(error, into=self._gradients)
        self.adam.step(self._gradient)
        return loss

    def state(self) -> dict:
        """Parameters and moments, for a checkpoint."""
        return self.adam.state()

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.adam.load_state(state)


def _ordered(rows: np.ndarray, orders: Sequence[np.ndarray]) -> np.ndarray:
    """(runs, n, ...) with each run's rows in an order of its own."""
    return np.stack([each[order] for each, order in zip(rows, orders, strict=True)])


class LinearBaseline:
    """Ridge regression on states, their squares and three powers of time, anew after every rollout (rllab)."""

    def __init__(self, config: TRPOConfig, obs_dim: int, n_runs: int) -> None:
        self.ridge = config.value_ridge
        self.weights = np.zeros((n_runs, 2 * obs_dim + 4))

    def value(self, x: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Values (runs, n) of states (runs, n, dims) at times (runs, n); 0 before the first rollout."""
        return (features(x, time) @ self.weights[..., None])[..., 0]

    def fit(self, x: np.ndarray, time: np.ndarray, returns: np.ndarray) -> dict[str, np.ndarray]:
        """Learn returns; the loss is the mean squared error that is left."""
        found = features(x, time)
        square = found.mT @ found + self.ridge * np.eye(found.shape[2])
        self.weights = np.linalg.solve(square, found.mT @ returns[..., None].astype(np.float64))[..., 0]
        left = np.square(self.value(x, time) - returns).mean(1)
        return {"value_loss": left}

    def state(self) -> dict:
        """Weights, for a checkpoint."""
        return {"weights": self.weights}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.weights = state["weights"]


def features(x: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Of states (runs, n, dims) at times (runs, n), (runs, n, 2 * dims + 4) float64 (rllab's LinearFeatureBaseline)."""
    cut = np.clip(x, -FEATURE_RANGE, FEATURE_RANGE).astype(np.float64)
    powers = (time / TIME_UNIT)[..., None] ** np.array([1, 2, 3, 0])
    return np.concatenate([cut, np.square(cut), powers], 2)
