"""How recall traces pull a soft actor-critic's policy (Eq. 6), and how far."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recall.agents.sac import SACConfig, gaussian, gaussian_log_prob
from recall.engine import compiled
from recall.functional import ADAM_DECAY, ADAM_EPS, Layers, Moments, adam_, copy_, to_arrays
from recall.imitation import imitation_loss
from recall.native.build import load


class TracedPairs(NamedTuple):
    """States and actions to imitate."""

    obs: Tensor
    """(runs, pairs, obs_dim)."""
    x: Tensor
    """Actions before tanh, (runs, pairs, action_dim)."""
    valid: Tensor
    """Which pairs count, (runs, pairs), bool."""

    @classmethod
    def of(cls, obs: np.ndarray, x: np.ndarray, valid: np.ndarray) -> "TracedPairs":
        """Arrays as tensors that share their memory."""
        return cls(torch.from_numpy(obs), torch.from_numpy(x), torch.from_numpy(valid))


def imitation_gradient(actor: Layers, pairs: TracedPairs, weight: Tensor, config: SACConfig) -> Layers:
    """Gradient of weight, a scalar tensor, times Eq. 6 in the actor's parameters.

    The correction of the density for tanh does not depend on the policy and is left out.
    """

    def loss(actor: Layers) -> Tensor:
        log_prob = gaussian_log_prob(pairs.x, *gaussian(actor, pairs.obs, config.precision))
        return weight * imitation_loss(log_prob, pairs.valid).sum()

    return torch.func.grad(loss)(actor)


Gradient = Callable[[Layers, TracedPairs, float], Layers]
"""`imitation_gradient` with its settings, of a weight that is a number."""


def eager_gradient(config: SACConfig) -> Gradient:
    """As it stands above."""
    return lambda actor, pairs, weight: imitation_gradient(actor, pairs, torch.tensor(weight), config)


def compiled_gradient(config: SACConfig) -> Gradient:
    """As one compiled graph."""
    graph = compiled(partial(imitation_gradient, config=config))
    return lambda actor, pairs, weight: graph(actor, pairs, torch.tensor(weight))


def native_gradient(config: SACConfig) -> Gradient:
    """As one operator in C++, of `recall/native`, on one thread.

    Raises:
        OSError: there is no compiler to build it.
        RuntimeError: it cannot be built, or not run by this processor.
    """
    load(config.precision)
    bfloat16 = config.precision == "bfloat16"
    return lambda actor, pairs, weight: tuple(
        torch.ops.recall_native.imitation_gradient(actor, *pairs, weight, bfloat16)
    )


GRADIENTS = {"eager": eager_gradient, "compiled": compiled_gradient, "native": native_gradient}
"""By engine."""


def policy_kl(before: Layers, after: Layers, obs: Tensor) -> Tensor:
    """Mean KL(before || after) of policies over states (runs, n, obs_dim), in nats, (runs,). Tanh does not matter."""
    mean, log_std = (each.double() for each in gaussian(before, obs, "float32"))
    new_mean, new_log_std = (each.double() for each in gaussian(after, obs, "float32"))  # near 0 terms cancel
    spread = (2 * log_std).exp() + (mean - new_mean).square()
    kl = new_log_std - log_std + 0.5 * spread * (-2 * new_log_std).exp() - 0.5
    return kl.sum(2).mean(1).float()


class Imitation:
    """The imitation of an actor: gradients to add to its updates, or steps of its own with moments of their own.

    Args:
        actor: the policy, changed in place by `step`.
        config: settings.
    """

    def __init__(self, actor: Layers, config: SACConfig) -> None:
        self.actor, self.config = actor, config
        self.moments = Moments.of(tuple(layer.double() for layer in actor))
        self.steps = torch.zeros(())
        self.kl = torch.zeros(len(actor[0]))
        """KL by which the last step of its own moved the policy on the imitated states, (runs,)."""
        self._gradient = GRADIENTS[config.numerics["engine"]](config)

    def gradient(self, pairs: TracedPairs, weight: float) -> Layers:
        """Of weight times Eq. 6."""
        return self._gradient(self.actor, pairs, weight)

    def step(self, pairs: TracedPairs, weight: float) -> None:
        """One step of Adam down weight times Eq. 6, at the actor's learning rate (Algorithm 2, line 13).

        Its moments are float64: where a trace is far from all data the policy may be so certain of another action that
        the squares of the gradient, 1e20 and more, overflow float32, and Adam would never step again.
        """
        before = tuple(layer.clone() for layer in self.actor)
        gradient = tuple(layer.double() for layer in self.gradient(pairs, weight))
        self.steps.add_(1)
        adam_(self.actor, gradient, self.moments, self.steps, self.config.learning_rate)
        self.kl = policy_kl(before, self.actor, pairs.obs)

    def moved(self, gradient: Layers, own: Layers, moments: Moments, updates: Tensor) -> Layers:
        """The actor after what a gradient adds to its next update, whose own gradient is `own`.

        Adam scales it as it scales the sum; what it adds to the following updates by momentum is counted at once.
        """
        decay = ADAM_DECAY[1]
        squares = zip(moments.second, gradient, own, strict=True)
        seconds = [decay * second + (1 - decay) * (added + other).square() for second, added, other in squares]
        scale = 1 - decay ** (updates + 1)
        return tuple(
            layer - self.config.learning_rate * added / ((second / scale).sqrt() + ADAM_EPS)
            for layer, added, second in zip(self.actor, gradient, seconds, strict=True)
        )

    def state(self) -> dict:
        """Moments, for a checkpoint."""
        moments = to_arrays(sum(self.moments, ()))
        return {"moments": moments, "steps": self.steps.numpy(), "kl": self.kl.numpy()}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        copy_(sum(self.moments, ()), state["moments"])
        self.steps.copy_(torch.from_numpy(state["steps"]))
        self.kl = torch.from_numpy(state["kl"])
