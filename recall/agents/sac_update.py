"""One update of soft actor-critic as a function of its learner: as it reads, compiled, or native."""

from collections.abc import Callable
from functools import partial
from math import log
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad_and_value

from recall.agents.sac import Batch, SACConfig, actor_loss, critic_loss, soft_target, temperature_gradient
from recall.engine import compiled
from recall.functional import Layers, Moments, adam_, init_layers, squared_norm
from recall.native.build import load
from recall.seeding import Streams

METRICS = (
    "critic_loss",
    "actor_loss",
    "temperature",
    "entropy",
    "critic_gradient",
    "actor_gradient",
    "imitation_gradient",
    "critic_parameters",
    "actor_parameters",
)
"""What an update returns: losses before it, the norms of gradients and, after it, of parameters."""


class Learner(NamedTuple):
    """Everything an update changes, in place."""

    actor: Layers
    critics: Layers
    targets: Layers
    log_temperature: Layers
    actor_moments: Moments
    critic_moments: Moments
    temperature_moments: Moments
    updates: Tensor
    """How many there were, as a float32 scalar."""


def init_learner(config: SACConfig, obs_dim: int, action_dim: int, streams: Streams) -> Learner:
    """Parameters before the first update."""
    generators = streams["init"]
    actor = init_layers((obs_dim, *config.hidden, 2 * action_dim), generators)
    critics = init_layers((obs_dim + action_dim, *config.hidden, 1), [g for g in generators for _ in range(2)])
    targets = tuple(layer.clone() for layer in critics)
    log_temperature = (torch.full((len(generators), 1), log(config.temperature or 1.0)),)
    moments = [Moments.of(each) for each in (actor, critics, log_temperature)]
    return Learner(actor, critics, targets, log_temperature, moments[0], moments[1], moments[2], torch.zeros(()))


def update_(learner: Learner, batch: Batch, noise: Tensor, imitation: Layers, config: SACConfig) -> Tensor:
    """One update of critics, actor, temperature and targets, in place.

    Args:
        learner: what is updated.
        batch: transitions.
        noise: standard normal, (2, runs, batch, action_dim): for next states, and for states.
        imitation: gradient added to the actor's, in the shapes of its parameters; zeros without recall traces.
        config: settings.

    Returns:
        (len(METRICS), runs).
    """
    learner.updates.add_(1)
    temperature = learner.log_temperature[0][:, 0].exp()
    with torch.no_grad():
        target = soft_target(learner.actor, learner.targets, batch, temperature, noise[0], config)
    critic_grads, critic_losses = gradient(critic_loss, learner.critics, batch, target, config.precision)
    adam_(learner.critics, critic_grads, learner.critic_moments, learner.updates, config.learning_rate)
    actor_grads, (actor_losses, log_prob) = gradient(
        actor_loss, learner.actor, learner.critics, batch.obs, temperature, noise[1], config.precision
    )
    both = tuple(own + added for own, added in zip(actor_grads, imitation, strict=True))
    adam_(learner.actor, both, learner.actor_moments, learner.updates, config.learning_rate)
    if config.temperature is None:
        slope = temperature_gradient(log_prob, noise.shape[3])
        adam_(
            learner.log_temperature,
            (slope[:, None],),
            learner.temperature_moments,
            learner.updates,
            config.learning_rate,
        )
    for slow, fast in zip(learner.targets, learner.critics, strict=True):
        slow.lerp_(fast, config.tau)
    return torch.stack(
        [
            critic_losses,
            actor_losses,
            temperature,
            -log_prob,
            _per_run(squared_norm(critic_grads)),
            squared_norm(actor_grads).sqrt(),
            squared_norm(imitation).sqrt(),
            _per_run(squared_norm(learner.critics)),
            squared_norm(learner.actor).sqrt(),
        ]
    )


Update = Callable[[Learner, Batch, Tensor, Layers], Tensor]
"""`update_` with its settings."""


def eager_update(config: SACConfig) -> Update:
    """As it stands above."""
    return partial(update_, config=config)


def compiled_update(config: SACConfig) -> Update:
    """As one compiled graph."""
    return compiled(eager_update(config), same_inputs=True)


def native_update(config: SACConfig) -> Update:
    """As one operator in C++, of `recall/native`, on one thread.

    Raises:
        OSError: there is no compiler to build it.
        RuntimeError: it cannot be built, or not run by this processor.
    """
    load(config.precision)
    rates = (config.learning_rate, config.discount, config.tau)
    choices = (config.temperature is None, config.precision == "bfloat16")

    def update(learner: Learner, batch: Batch, noise: Tensor, imitation: Layers) -> Tensor:
        networks = (*learner.actor, *learner.critics, *learner.targets, *learner.log_temperature)
        moments = (learner.actor_moments, learner.critic_moments, learner.temperature_moments)
        tensors = (*networks, *(layer for each in moments for part in each for layer in part), learner.updates)
        return torch.ops.recall_native.soft_actor_critic(tensors, batch, noise, imitation, *rates, *choices)

    return update


UPDATES = {"eager": eager_update, "compiled": compiled_update, "native": native_update}
"""By engine."""


def _per_run(squares: Tensor) -> Tensor:
    """Norm over both critics, (runs * 2,) -> (runs,)."""
    return squares.view(-1, 2).sum(1).sqrt()


def gradient(loss: Any, layers: Layers, *arguments: Any) -> tuple[Layers, Any]:
    """Gradient of a loss summed over runs, which share no parameter, and what the loss returned, one a run."""

    def total(layers: Layers) -> tuple[Tensor, Any]:
        found = loss(layers, *arguments)
        return (found[0] if isinstance(found, tuple) else found).sum(), found

    found_gradient, (_, found) = grad_and_value(total, has_aux=True)(layers)
    return found_gradient, found
