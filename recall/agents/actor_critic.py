"""Actor-critic with generalised advantage estimation (Konda 2002; Schulman et al. 2015b), the baseline of Sec. 6.1."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from recall.buffers import Rollout, by_run
from recall.errors import ConfigError
from recall.networks import StackedMLP, load_optimizer_state, optimizer_state, tanh
from recall.returns import gae
from recall.seeding import Streams


@dataclass(frozen=True)
class ActorCriticConfig:
    """Settings of the actor-critic."""

    name: ClassVar[str] = "actor-critic"
    """What specifications call it."""
    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    numerics: ClassVar[dict[str, str]] = {"engine": "eager", "precision": "float32"}
    """Engine and precision."""

    learning_rate: float = 1e-2
    """Adam's step size. Not stated in the paper; chosen by the tuning grid of the page four-rooms."""
    entropy: float = 0.01
    """Weight of the entropy bonus. Not stated in the paper; 0.01 is what A2C of its time used (Mnih et al. 2016)."""
    discount: float = 0.99
    """Discount factor. Not stated in the paper; usual."""
    gae_lambda: float = 0.95
    """Lambda of GAE. Not stated in the paper; Schulman et al. 2015b recommend 0.92 to 0.99."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of the hidden tanh layers, policy and value alike. Not stated in the paper; usual for small tasks."""
    n_envs: int = 8
    """Environments stepped side by side. Not stated in the paper; ours."""
    n_steps: int = 32
    """Steps of each environment between two updates. Not stated in the paper; ours."""
    adam_eps: float = 1e-5
    """Adam's epsilon. Not stated in the paper; usual for actor-critic methods."""

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0 and self.entropy >= 0 and self.adam_eps > 0):
            raise ConfigError(
                f"learning_rate {self.learning_rate}, entropy {self.entropy}, adam_eps {self.adam_eps}: "
                "learning_rate and adam_eps must be positive, entropy 0 or more"
            )
        if not (0 < self.discount <= 1 and 0 <= self.gae_lambda <= 1):
            raise ConfigError(
                f"discount {self.discount}, gae_lambda {self.gae_lambda}: both lie in [0, 1], discount above 0"
            )
        if min(self.n_envs, self.n_steps, *self.hidden) < 1:
            raise ConfigError(f"n_envs, n_steps and hidden units must be 1 or more, found {self}")

    @property
    def steps_per_update(self) -> int:
        """Environment steps of a seed between two updates."""
        return self.n_envs * self.n_steps


def policy_gradient_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """Negative policy gradient objective -E[A log pi(a|s)], (runs, batch) -> (runs,)."""
    return -(advantage * log_prob).mean(1)


def entropy(log_probs: Tensor) -> Tensor:
    """Mean entropy of categorical policies, (runs, batch, actions) -> (runs,)."""
    return -(log_probs.exp() * log_probs).sum(2).mean(1)


def value_loss(value: Tensor, returns: Tensor) -> Tensor:
    """Half the mean squared error of the critic, (runs, batch) -> (runs,)."""
    return 0.5 * (value - returns).square().mean(1)


class ActorCritic:
    """A group of independent actor-critics on an environment with finitely many states.

    Observations are state indices, one-hot to the networks. A network is then a table of its outputs, evaluated once an
    update for all states: it serves the whole rollout, the imitation of traces and the loss alike.
    """

    def __init__(self, config: ActorCriticConfig, n_states: int, n_actions: int, streams: Streams) -> None:
        self.config = config
        generators = streams["init"]
        self.policy = StackedMLP((n_states, *config.hidden, n_actions), tanh, generators, out_scale=0.01)
        self.critic = StackedMLP((n_states, *config.hidden, 1), tanh, generators)
        self.parameters = [*self.policy.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, config.learning_rate, eps=config.adam_eps, fused=True)
        self._runs = np.arange(len(generators))[:, None]
        self._tabulate()

    def _tabulate(self) -> None:
        """Evaluate both networks on every state, once for each set of parameters."""
        self.log_probs = torch.log_softmax(self.policy.table(), 2)
        self.values = self.critic.table().squeeze(2)
        self.probs = self.log_probs.detach().exp().numpy()
        self.state_values = self.values.detach().numpy()
        self._cumulative = np.cumsum(self.probs, axis=2)[..., :-1]
        self._added_loss = torch.zeros(len(self._runs))

    def act(self, obs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Sample actions (runs, n) in states (runs, n) from uniform numbers of the same shape."""
        return (uniform[..., None] >= self._cumulative[self._runs, obs]).sum(2)

    def value(self, obs: np.ndarray) -> np.ndarray:
        """Values (runs, n) of states (runs, n)."""
        return self.state_values[self._runs, obs]

    def log_prob(self, obs: np.ndarray, action: np.ndarray) -> Tensor:
        """Differentiable log pi(a|s), (runs, n)."""
        return self.log_probs[self._runs, obs, action]

    def add_loss(self, loss: Tensor) -> None:
        """Let the next update also descend `loss`, (runs,), built from `log_prob`."""
        self._added_loss = self._added_loss + loss

    def update(self, rollout: Rollout) -> dict[str, np.ndarray]:
        """One step of Adam on a rollout and the added losses; returns metrics, (runs,) each."""
        obs, action, advantage, returns = self._targets(rollout)
        states = self.log_probs[self._runs, obs]
        actor_loss = policy_gradient_loss(self.log_prob(obs, action), advantage)
        critic_loss = value_loss(self.values[self._runs, obs], returns)
        mean_entropy = entropy(states)
        loss = actor_loss - self.config.entropy * mean_entropy + critic_loss + self._added_loss
        self.optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        self.optimizer.step()
        self._tabulate()
        return {"value_loss": critic_loss.detach().numpy(), "entropy": mean_entropy.detach().numpy()}

    def state(self) -> dict:
        """Networks and optimiser, for a checkpoint."""
        return optimizer_state(self.parameters, self.optimizer)

    def load_state(self, state: dict) -> None:
        """Put both back where `state()` found them."""
        load_optimizer_state(self.parameters, self.optimizer, state)
        self._tabulate()

    def _targets(self, rollout: Rollout) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
        """States, actions, advantages and returns of a rollout, (runs, steps * envs) each."""
        value = self.state_values[self._runs, rollout.obs]
        next_value = self.state_values[self._runs, rollout.next_obs]
        advantage = gae(
            rollout.reward,
            value,
            next_value,
            rollout.terminated,
            rollout.truncated,
            self.config.discount,
            self.config.gae_lambda,
        )
        flat = [by_run(x) for x in (rollout.obs, rollout.action, advantage, advantage + value)]
        return flat[0], flat[1], torch.from_numpy(flat[2]), torch.from_numpy(flat[3])
