"""How policies act: in numpy, which is faster than torch for the few states of a step."""

from collections.abc import Sequence

import numpy as np

from recall.agents.sac import LOG_STD_RANGE
from recall.perceptron import Pass


def act(layers: Sequence[np.ndarray], obs: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """Actions of squashed Gaussian policies in [-1, 1], (runs, n, action_dim), in float32; the mean's without noise.

    Args:
        layers: weights (runs, in, out) and biases (runs, 1, out), layer by layer.
        obs: states, (runs, n, obs_dim).
        noise: standard normal, (runs, n, action_dim), or zero.
    """
    x = obs
    *hidden, weight, bias = layers
    for factor, offset in zip(hidden[::2], hidden[1::2], strict=True):
        x = x @ factor
        x += offset
        np.maximum(x, 0, out=x)
    output = x @ weight
    output += bias
    n = output.shape[2] // 2
    mean, log_std = output[..., :n], _within(output[..., n:], *LOG_STD_RANGE)
    return np.tanh(mean + np.exp(log_std) * noise)


def act_normalised(layers: Sequence[np.ndarray], obs: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """Unbounded actions of Gaussian policies that see normalised observations, float32; the mean's without noise.

    Args:
        layers: mean and inverse deviation of the observations (runs, 1, obs_dim), the range to which they are then cut
            (runs, 1, 1), the tanh layers' weights and biases, the log standard deviation (runs, 1, action_dim).
        obs: states, (runs, n, obs_dim).
        noise: standard normal, (runs, n, action_dim), or zero.
    """
    action = Pass(layers[3:-1], normalised(layers, obs)).output
    action += np.exp(layers[-1]) * noise
    return action


def normalised(layers: Sequence[np.ndarray], obs: np.ndarray) -> np.ndarray:
    """Observations (runs, n, obs_dim) as the policies of `act_normalised` see them."""
    x = obs - layers[0]
    x *= layers[1]
    return _within(x, -layers[2], layers[2])


def _within(x: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """x, cut to the range in place: a third of np.clip's time."""
    np.minimum(x, high, out=x)
    return np.maximum(x, low, out=x)


def mean_action(layers: Sequence[np.ndarray], obs: np.ndarray) -> np.ndarray:
    """What is executed of the mean of `act_normalised`, in [-1, 1]."""
    return np.clip(act_normalised(layers, obs), -1, 1)
