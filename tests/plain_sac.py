"""Soft actor-critic written plainly, one run with modules, autograd and torch's Adam: what the fast one is held to.

Its mathematics share no code with the package.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from recall.agents.sac import SACConfig
from recall.agents.sac_update import Learner
from recall.functional import Layers

Transition = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""obs (batch, obs_dim), action, reward (batch,), next_obs, terminated."""


def perceptron(*sizes: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers = [layer for n_in, n_out in pairwise(sizes) for layer in (nn.Linear(n_in, n_out), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class PlainSAC:
    """Actor, two critics, their targets and the temperature, each with an optimiser."""

    def __init__(self, obs_dim: int, action_dim: int, config: SACConfig) -> None:
        hidden, rate = config.hidden, config.learning_rate
        self.action_dim, self.discount, self.tau = action_dim, config.discount, config.tau
        self.actor = perceptron(obs_dim, *hidden, 2 * action_dim)
        self.critics = [perceptron(obs_dim + action_dim, *hidden, 1) for _ in range(2)]
        self.targets = [perceptron(obs_dim + action_dim, *hidden, 1) for _ in range(2)]
        self.log_temperature = torch.zeros(1, requires_grad=True)
        both = [parameter for critic in self.critics for parameter in critic.parameters()]
        self.critic_optimiser = adam(both, rate)
        self.actor_optimiser = adam(list(self.actor.parameters()), rate)
        self.temperature_optimiser = adam([self.log_temperature], rate)

    @property
    def temperature(self) -> float:
        """Weight of the entropy."""
        return self.log_temperature.detach().exp().item()

    def policy(self, obs: Tensor) -> TransformedDistribution:
        """The squashed Gaussian."""
        mean, log_std = self.actor(obs).chunk(2, -1)
        gaussian = Independent(Normal(mean, log_std.clamp(-20, 2).exp()), 1)
        return TransformedDistribution(gaussian, [TanhTransform(cache_size=1)])

    def act(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """An action by standard normal noise, and its log density."""
        policy = self.policy(obs)
        (squash,) = policy.transforms
        gaussian = policy.base_dist.base_dist
        action = squash(gaussian.loc + gaussian.scale * noise)
        return action, policy.log_prob(action)

    @staticmethod
    def value(critics: list[nn.Sequential], obs: Tensor, action: Tensor) -> Tensor:
        """The lower of two critics, (batch,)."""
        found = [critic(torch.cat([obs, action], 1)).squeeze(1) for critic in critics]
        return torch.minimum(*found)

    def target(self, batch: Transition, noise: Tensor) -> Tensor:
        """Reward and, unless the state is terminal, the discounted soft value of the next state."""
        _, _, reward, next_obs, terminated = batch
        with torch.no_grad():
            action, log_prob = self.act(next_obs, noise)
            value = self.value(self.targets, next_obs, action) - self.temperature * log_prob
        return torch.where(terminated.bool(), reward, reward + self.discount * value)

    def critic_loss(self, batch: Transition, target: Tensor) -> Tensor:
        """Half the mean squared error, of both critics together."""
        x = torch.cat([batch[0], batch[1]], 1)
        errors = torch.stack([critic(x).squeeze(1) - target for critic in self.critics])
        return 0.5 * errors.square().mean(1).sum()

    def actor_loss(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Temperature times log density minus value, in the mean; and the mean log density."""
        action, log_prob = self.act(obs, noise)
        loss = self.temperature * log_prob - self.value(self.critics, obs, action)
        return loss.mean(), log_prob.mean()

    def temperature_loss(self, log_prob: Tensor) -> Tensor:
        """Its gradient raises the temperature while the entropy is below minus the number of action dimensions."""
        return -(self.log_temperature * (log_prob.detach() - self.action_dim)).sum()

    def update(self, batch: Transition, noise: Tensor) -> None:
        """Critics, actor, temperature, targets; noise is (2, batch, action_dim), for next states and for states."""
        target = self.target(batch, noise[0])
        descend(self.critic_optimiser, self.critic_loss(batch, target))
        loss, log_prob = self.actor_loss(batch[0], noise[1])
        descend(self.actor_optimiser, loss)
        descend(self.temperature_optimiser, self.temperature_loss(log_prob))
        with torch.no_grad():
            for slow, fast in zip(parameters(self.targets), parameters(self.critics), strict=True):
                slow.copy_((1 - self.tau) * slow + self.tau * fast)


def parameters(networks: list[nn.Sequential]) -> list[Tensor]:
    """Of several networks, one after the other."""
    return [parameter for network in networks for parameter in network.parameters()]


def adam(leaves: list[Tensor], learning_rate: float) -> torch.optim.Adam:
    """The optimiser before its first step."""
    optimiser = torch.optim.Adam(leaves, learning_rate)
    for leaf in leaves:
        means = {name: torch.zeros_like(leaf, requires_grad=False) for name in ("exp_avg", "exp_avg_sq")}
        optimiser.state[leaf] = {"step": torch.zeros(()), **means}
    return optimiser


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def plain(learner: Learner, run: int, obs_dim: int, action_dim: int, config: SACConfig) -> PlainSAC:
    """One run of a learner as it stands, its optimisers included."""
    sac = PlainSAC(obs_dim, action_dim, config)
    with torch.no_grad():
        for leaf, layer in places(sac, learner, run):
            leaf.copy_(layer)
    return sac


def hand_over(sac: PlainSAC, learner: Learner, run: int) -> None:
    """Put a run of a learner where the plain one is."""
    with torch.no_grad():
        for leaf, layer in places(sac, learner, run):
            layer.copy_(leaf)


def places(sac: PlainSAC, learner: Learner, run: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Where each of a run's numbers lies in the plain form and where in a learner, in the same shape."""
    here, pair = [run], [2 * run, 2 * run + 1]
    yield from matched(list(sac.actor.parameters()), learner.actor, here)
    yield from matched(parameters(sac.critics), learner.critics, pair)
    yield from matched(parameters(sac.targets), learner.targets, pair)
    yield sac.log_temperature, learner.log_temperature[0][run]
    for optimiser, moments, rows in (
        (sac.actor_optimiser, learner.actor_moments, here),
        (sac.critic_optimiser, learner.critic_moments, pair),
        (sac.temperature_optimiser, learner.temperature_moments, here),
    ):
        states = [optimiser.state[leaf] for leaf in optimiser.param_groups[0]["params"]]
        yield from matched([state["exp_avg"] for state in states], moments.first, rows)
        yield from matched([state["exp_avg_sq"] for state in states], moments.second, rows)
        yield from ((state["step"], learner.updates) for state in states)


def matched(leaves: list[Tensor], layers: Layers, rows: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """The parameters of modules (out, in) beside stacked layers (rows, in, out), network by network."""
    stacked = [layer[row] for row in rows for layer in layers]
    yield from ((leaf, as_module(layer, leaf)) for leaf, layer in zip(leaves, stacked, strict=True))


def as_module(layer: Tensor, like: Tensor) -> Tensor:
    """A weight (in, out) or bias (1, out) of one network in the shape of a module's."""
    return layer.view(like.shape) if like.ndim == 1 else layer.mT
