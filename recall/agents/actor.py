"""How a squashed Gaussian policy acts: in numpy, which is faster than torch for the one state of a step."""

from collections.abc import Sequence

import numpy as np

from recall.agents.sac import LOG_STD_RANGE


def act(layers: Sequence[np.ndarray], obs: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
    """Actions in [-1, 1], (runs, n, action_dim), in float32; without standard normal noise the mean's.

    Args:
        layers: weights (runs, in, out) and biases (runs, 1, out), layer by layer.
        obs: states, (runs, n, obs_dim).
        noise: (runs, n, action_dim), or zero.
    """
    x = obs
    *hidden, weight, bias = layers
    for factor, offset in zip(hidden[::2], hidden[1::2], strict=True):
        x = np.maximum(x @ factor + offset, 0)
    mean, log_std = np.split(x @ weight + bias, 2, axis=2)
    return np.tanh(mean + np.exp(np.clip(log_std, *LOG_STD_RANGE)) * noise)
