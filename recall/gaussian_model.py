"""A backtracking model of continuous states and actions: q(a | s') and q(s | a, s') as Gaussians (Sec. 3.1, Eq. 3-5).

Two perceptrons a run, as in Sec. 9: tanh for the action predictor, ReLU for the state predictor, which predicts the
state before, or how it differs from the state after (Sec. 2.2), with a variance of its own for each dimension.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import grad_and_value

from recall.agents.sac import gaussian_log_prob
from recall.engine import compiled
from recall.functional import Layers, Moments, adam_, copy_, init_layers, mlp, to_arrays
from recall.seeding import Streams

HIDDEN = (128, 128)
"""Units of the hidden layers (Sec. 9)."""

LOG_STD_RANGE = (-5.0, 2.0)
"""Bounds of the state predictor's log standard deviation. Not stated in the paper; ours."""


class Pairs(NamedTuple):
    """What a model learns from, in its own units: (runs, batch, dims) each."""

    next_obs: Tensor
    action: Tensor
    before: Tensor
    """obs - next_obs, or obs where that is what the state predictor gives."""


class Networks(NamedTuple):
    """Both predictors."""

    actions: Layers
    states: Layers


def predict_action(networks: Networks, next_obs: Tensor) -> Tensor:
    """Mean of q(a | s')."""
    return mlp(networks.actions, next_obs, torch.tanh)


def predict_before(networks: Networks, next_obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of q(s - s' | a, s'), or of q(s | a, s')."""
    mean, log_std = mlp(networks.states, torch.cat([next_obs, action], 2)).chunk(2, 2)
    return mean, log_std.clamp(*LOG_STD_RANGE)


def log_likelihood(networks: Networks, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Mean log q(a | s') with unit variance, and mean log q(s | a, s'), the two terms of Eq. 5, (runs,) each."""
    mean = predict_action(networks, pairs.next_obs)
    actions = gaussian_log_prob(pairs.action, mean, torch.zeros_like(mean))
    states = gaussian_log_prob(pairs.before, *predict_before(networks, pairs.next_obs, pairs.action))
    return actions.mean(1), states.mean(1)


Likelihood = Callable[[Networks, Pairs], tuple[Tensor, Tensor]]
"""What `log_likelihood` is of one kind of action."""


def learn_(
    networks: Networks,
    moments: tuple[Moments, Moments],
    pairs: Pairs,
    updates: Tensor,
    learning_rate: Tensor,
    likelihood: Likelihood = log_likelihood,
) -> Tensor:
    """One step of Adam up Eq. 5, in place; returns both negative log likelihoods before it, (2, runs)."""

    def loss(networks: Networks) -> tuple[Tensor, Tensor]:
        found = torch.stack(likelihood(networks, pairs))
        return -found.sum(), -found

    updates.add_(1)
    grads, (_, found) = grad_and_value(loss, has_aux=True)(networks)
    for layers, gradient, each in zip(networks, grads, moments, strict=True):
        adam_(layers, gradient, each, updates, learning_rate)
    return found


class GaussianModel:
    """The predictors of a group of runs, their optimisers, and the step back in time.

    Args:
        obs_dim, action_dim: sizes.
        learning_rate: Adam's step size, beta of Algorithm 2.
        streams: random numbers; "model_init" is read.
        likelihood: of what the action predictor gives.
        eager: never compile, for models that learn too little to be worth the wait.
    """

    def __init__(
        self,
        obs_dim: int,
        action_dim: int,
        learning_rate: float,
        streams: Streams,
        likelihood: Likelihood = log_likelihood,
        eager: bool = False,
    ) -> None:
        generators = streams["model_init"]
        self.width = action_dim + obs_dim
        """Numbers of noise that a step back takes."""
        self.networks = Networks(
            init_layers((obs_dim, *HIDDEN, action_dim), generators),
            init_layers((obs_dim + action_dim, *HIDDEN, 2 * obs_dim), generators),
        )
        self.moments = (Moments.of(self.networks.actions), Moments.of(self.networks.states))
        self.updates = torch.zeros(())
        self._learning_rate = torch.tensor(learning_rate)
        self._likelihood = likelihood
        learn = learn_ if likelihood is log_likelihood else partial(learn_, likelihood=likelihood)
        self._learn = learn if eager else compiled(learn)

    def learn(self, pairs: Pairs) -> np.ndarray:
        """One gradient step (Algorithm 2, lines 8 and 9); returns the negative log likelihoods before it, (2, runs)."""
        return self._learn(self.networks, self.moments, pairs, self.updates, self._learning_rate).numpy()

    def log_likelihood(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """Of the actions and of the states, per transition, (runs,) each."""
        with torch.no_grad():
            actions, states = self._likelihood(self.networks, pairs)
        return actions.numpy(), states.numpy()

    def step_back(self, next_obs: np.ndarray, action_std: float, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample an action that leads to next_obs, then what leads there, in the model's units.

        Args:
            next_obs: (runs, n, obs_dim).
            action_std: standard deviation of the action around its mean.
            noise: standard normal, (runs, n, action_dim + obs_dim).

        Returns:
            action (runs, n, action_dim) and what `Pairs.before` holds, (runs, n, obs_dim).
        """
        state, drawn = torch.from_numpy(next_obs), torch.from_numpy(noise)
        with torch.no_grad():
            mean = predict_action(self.networks, state)
            action = mean + action_std * drawn[..., : mean.shape[2]]
            before, log_std = predict_before(self.networks, state, action)
            return action.numpy(), (before + log_std.exp() * drawn[..., mean.shape[2] :]).numpy()

    def state(self) -> dict:
        """Parameters and optimisers, for a checkpoint."""
        return {
            "actions": to_arrays(self.networks.actions),
            "states": to_arrays(self.networks.states),
            "moments": to_arrays(sum((sum(each, ()) for each in self.moments), ())),
            "updates": self.updates.numpy(),
        }

    def load_state(self, state: dict) -> None:
        """Put both back where `state()` found them."""
        copy_(self.networks.actions, state["actions"])
        copy_(self.networks.states, state["states"])
        copy_(sum((sum(each, ()) for each in self.moments), ()), state["moments"])
        self.updates.copy_(torch.from_numpy(state["updates"]))
