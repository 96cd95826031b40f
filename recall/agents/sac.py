"""Soft actor-critic (Haarnoja et al. 2018b) as Sec. 6.4 needs it: settings, and one pure function a loss."""

from dataclasses import dataclass
from math import inf, log, pi
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recall.engine import Precision, rounds_inputs, update_engine
from recall.errors import ConfigError
from recall.functional import Layers, mlp, scalar_mlp

LOG_STD_RANGE = (-20.0, 2.0)
"""Bounds of the policy's log standard deviation (Haarnoja et al. 2018b, public code)."""


@dataclass(frozen=True)
class SACConfig:
    """Settings of soft actor-critic."""

    name: ClassVar[str] = "sac"
    """What specifications call it."""
    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""
    steps_per_update: ClassVar[int] = 1
    """Environment steps of a seed between two updates."""

    learning_rate: float = 3e-4
    """Adam's step size of actor, critics and temperature. Not stated in the paper; Haarnoja et al. 2018b, Table 1."""
    discount: float = 0.99
    """Discount factor. Not stated in the paper; Haarnoja et al. 2018b, Table 1."""
    tau: float = 0.005
    """Share of the critics that enters their targets every update. Not stated in the paper; Haarnoja et al. 2018b."""
    batch_size: int = 256
    """Transitions an update. Not stated in the paper; Haarnoja et al. 2018b, Table 1."""
    hidden: tuple[int, ...] = (256, 256)
    """Units of the hidden ReLU layers of every network. Not stated in the paper; Haarnoja et al. 2018b, Table 1."""
    buffer_size: int = 1_000_000
    """Transitions the replay buffer holds. Not stated in the paper; Haarnoja et al. 2018b, Table 1."""
    random_steps: int = 10_000
    """Steps of uniform actions before the first update. Not stated in the paper; usual on MuJoCo, and it matters."""
    temperature: float | None = None
    """Fixed temperature, the inverse of the reward scale of the paper's time; None: automatic, with target entropy
    minus the number of action dimensions. Not stated in the paper; Haarnoja et al. 2018b, Sec. 5."""
    precision: Precision = "bfloat16"
    """Of matrix products, float32 or bfloat16. What enters a network stays float32, except with AMX. Not stated in the
    paper; ours, shown to learn alike."""

    def __post_init__(self) -> None:
        positive = {name: getattr(self, name) for name in ("learning_rate", "tau", "batch_size", "buffer_size")}
        for name, value in positive.items():
            if not 0 < value < inf:
                raise ConfigError(f"{name} is {value}; it must be positive")
        if not (0 < self.discount <= 1 and self.tau <= 1):
            raise ConfigError(f"discount is {self.discount}, tau {self.tau}; both lie in (0, 1]")
        if self.random_steps < 0 or not self.hidden or min(self.hidden) < 1:
            raise ConfigError(
                f"random_steps is {self.random_steps}, hidden {self.hidden}; "
                "random_steps must be 0 or more, hidden one or more layers of 1 or more units"
            )
        if self.temperature is not None and not 0 < self.temperature < inf:
            raise ConfigError(f"temperature is {self.temperature}; it must be positive, or None for automatic")
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"precision is {self.precision!r}; it must be float32 or bfloat16")

    @property
    def numerics(self) -> dict[str, str]:
        """Engine and precision; that of inputs where they are rounded."""
        found = {"engine": update_engine(self.precision), "precision": self.precision}
        return found | {"inputs": "bfloat16"} if rounds_inputs(self.precision) else found


class Batch(NamedTuple):
    """Transitions; (runs, batch, dims) each, reward and terminated (runs, batch)."""

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor


def gaussian(actor: Layers, obs: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of the action before tanh, (runs, batch, action_dim) each."""
    mean, log_std = mlp(actor, obs, precision=precision).chunk(2, dim=2)
    return mean, log_std.clamp(*LOG_STD_RANGE)


def squash(x: Tensor) -> Tensor:
    """Tanh by way of the sigmoid, which torch has vectorised: ten times faster on a CPU."""
    return 2 * torch.sigmoid(2 * x) - 1


def gaussian_log_prob(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of independent Gaussians, summed over the last axis."""
    z = (x - mean) * (-log_std).exp()
    return (-0.5 * z.square() - log_std - 0.5 * log(2 * pi)).sum(-1)


def squash_correction(x: Tensor) -> Tensor:
    """Sum of log tanh'(x) over the last axis (Haarnoja et al. 2018a, Eq. 21), in a form that does not overflow."""
    return (2 * (log(2) - x - softplus(-2 * x))).sum(-1)


def sample(actor: Layers, obs: Tensor, noise: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
    """Actions in [-1, 1] by reparameterised standard normal `noise`, and their log pi(a|s), (runs, batch)."""
    mean, log_std = gaussian(actor, obs, precision)
    x = mean + log_std.exp() * noise
    return squash(x), gaussian_log_prob(x, mean, log_std) - squash_correction(x)


def q_values(critics: Layers, obs: Tensor, action: Tensor, precision: Precision) -> Tensor:
    """Both critics, (runs, 2, batch); their parameters lie as (runs * 2, in, out)."""
    x = torch.cat([obs, action], 2)
    runs, batch, size = x.shape
    both = x[:, None].expand(runs, 2, batch, size).reshape(2 * runs, batch, size)
    return scalar_mlp(critics, both, precision).view(runs, 2, batch)


def soft_target(
    actor: Layers,
    targets: Layers,
    batch: Batch,
    temperature: Tensor,
    noise: Tensor,
    config: SACConfig,
) -> Tensor:
    """What the critics regress on (Haarnoja et al. 2018b, Eq. 6), (runs, batch).

    A terminal state is worth nothing; a truncated episode goes on for the critic.
    """
    action, log_prob = sample(actor, batch.next_obs, noise, config.precision)
    value = q_values(targets, batch.next_obs, action, config.precision).amin(1) - temperature[:, None] * log_prob
    return batch.reward + config.discount * (1 - batch.terminated) * value


def critic_loss(critics: Layers, batch: Batch, target: Tensor, precision: Precision) -> Tensor:
    """Half the mean squared Bellman error, summed over the two critics (Haarnoja et al. 2018b, Eq. 5), (runs,)."""
    error = q_values(critics, batch.obs, batch.action, precision) - target[:, None]
    return 0.5 * error.square().mean(2).sum(1)


def actor_loss(
    actor: Layers, critics: Layers, obs: Tensor, temperature: Tensor, noise: Tensor, precision: Precision
) -> tuple[Tensor, Tensor]:
    """E[temperature log pi(a|s) - min Q(s, a)] (Haarnoja et al. 2018b, Eq. 9) and E[log pi(a|s)], (runs,) each."""
    action, log_prob = sample(actor, obs, noise, precision)
    value = q_values(critics, obs, action, precision).amin(1)
    return (temperature[:, None] * log_prob - value).mean(1), log_prob.mean(1)


def temperature_gradient(log_prob: Tensor, action_dim: int) -> Tensor:
    """Gradient of the temperature's loss in log temperature (Haarnoja et al. 2018b, Eq. 18), (runs,).

    Its loss is -log temperature * (E[log pi] + target entropy), in the logarithm as public implementations have it; the
    target entropy is minus `action_dim`.
    """
    return -(log_prob - action_dim)
