"""Trust region policy optimisation (Schulman et al. 2015a) as Sec. 6.3 needs it: settings, and its mathematics.

Policies are Gaussian: a perceptron's mean, and a log standard deviation that does not depend on the state. All
quantities are of stacked runs, (runs, ...), in numpy; parameters are flat, (runs, numbers), the log standard deviation
last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import e, inf, log, pi
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from recall.errors import ConfigError
from recall.perceptron import Pass, views

CG_TOLERANCE = 1e-10
"""Squared length of a residual at which conjugate gradient stops (rllab, sb3-contrib)."""


@dataclass(frozen=True)
class TRPOConfig:
    """Settings of trust region policy optimisation. RL-Zoo's are those of sb3-contrib for MuJoCo.

    The baseline of Nagabandi et al. 2017, to which the paper points (rllab): n_envs=50, n_steps=1000, discount=0.995,
    gae_lambda=1.0, target_kl=0.05, kl_per_dimension=False, cg_iterations=10, cg_damping=1e-5, line_search_steps=15,
    baseline="linear-finite", normalise_obs=False, normalise_reward=False.
    """

    name: ClassVar[str] = "trpo"
    """What specifications call it."""
    version: ClassVar[int] = 2
    """Raised by every change that moves numbers; part of the identity of a run."""
    numerics: ClassVar[dict[str, str]] = {"engine": "numpy", "precision": "float32"}
    """Engine and precision."""

    n_envs: int = 16
    """Environments stepped side by side. Not stated in the paper; RL-Zoo 2; ours, as many share each call."""
    n_steps: int = 128
    """Steps of each environment between two updates. Not stated in the paper; ours, for RL-Zoo's 2048 of all of them;
    Nagabandi et al. 2017 have 50,000, Held et al. 2017 20,000, in the ant's maze 100,000."""
    discount: float = 0.99
    """Discount factor. Not stated in the paper; usual; Nagabandi et al. 2017 have 0.995, Held et al. 2017 0.99 in
    mazes and 0.995 in N dimensions."""
    gae_lambda: float = 0.95
    """Lambda of GAE. Not stated in the paper; RL-Zoo; rllab has 1."""
    target_kl: float = 0.01
    """Bound on the mean KL(old || new) of an update, in nats. Not stated in the paper; RL-Zoo and rllab; RL-Zoo has
    0.04 for HalfCheetah, Nagabandi et al. 2017 0.05."""
    kl_per_dimension: bool = True
    """Whether target_kl and cg_damping are of the KL divided by the number of action dimensions. Not stated in the
    paper; sb3-contrib, and so RL-Zoo, takes the mean over them, where the KL is the sum; rllab has the sum."""
    cg_iterations: int = 25
    """Iterations of conjugate gradient at most. Not stated in the paper; RL-Zoo; rllab has 10."""
    cg_damping: float = 0.1
    """What is added to the Fisher matrix's diagonal. Not stated in the paper; RL-Zoo; rllab has 1e-5."""
    line_search_steps: int = 10
    """Step lengths tried at most. Not stated in the paper; RL-Zoo; rllab has 15."""
    line_search_shrink: float = 0.8
    """Ratio of a tried length to the one before. Not stated in the paper; RL-Zoo and rllab."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of the hidden tanh layers, policy and value alike. Not stated in the paper; RL-Zoo and
    Nagabandi et al. 2017; Held et al. 2017 have the same in mazes, (32, 32) in N dimensions."""
    initial_std: float = 1.0
    """Standard deviation of the first actions, of which [-1, 1] is executed. Not stated in the paper; RL-Zoo, rllab. It
    learns; in the point maze of Held et al. 2017 it does not."""
    baseline: Literal["network", "linear", "linear-finite"] = "network"
    """Values by a network, or by rllab's regression on features; linear-finite takes the time limit for an end, beyond
    which nothing is worth anything, as rllab does, and as linear does with goals. Not stated in the paper; RL-Zoo has a
    network."""
    value_learning_rate: float = 1e-3
    """Adam's step size of the value network. Not stated in the paper; RL-Zoo."""
    value_epochs: int = 20
    """Passes of the value network over each rollout. Not stated in the paper; RL-Zoo."""
    value_batch: int = 128
    """States a step of the value network. Not stated in the paper; RL-Zoo."""
    value_ridge: float = 1e-5
    """Regularisation of the linear baseline. Not stated in the paper; rllab."""
    normalise_obs: bool = True
    """Whether agents see states in running standard deviations. Not stated in the paper; RL-Zoo yes, rllab no."""
    normalise_reward: bool = True
    """Whether rewards are in running deviations of the return. Not stated in the paper; RL-Zoo yes, rllab no."""

    def __post_init__(self) -> None:
        counts = ("n_envs", "n_steps", "cg_iterations", "line_search_steps", "value_epochs", "value_batch")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("target_kl", "initial_std", "value_learning_rate", "value_ridge"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be positive")
        if not (0 < self.discount <= 1 and 0 <= self.gae_lambda <= 1):
            raise ConfigError(
                f"discount is {self.discount}, gae_lambda {self.gae_lambda}; both lie in [0, 1], discount above 0"
            )
        if not (0 <= self.cg_damping < inf and 0 < self.line_search_shrink < 1):
            raise ConfigError(
                f"cg_damping is {self.cg_damping}, line_search_shrink {self.line_search_shrink}; "
                "cg_damping must be 0 or more, line_search_shrink between 0 and 1"
            )
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"hidden is {self.hidden}; it must be one or more layers of 1 or more units")
        if self.steps_per_update < 2:
            raise ConfigError("n_envs and n_steps are 1; advantages are standardised, so there must be 2 steps or more")
        if self.baseline not in ("network", "linear", "linear-finite"):
            raise ConfigError(f"baseline is {self.baseline!r}; it must be network, linear or linear-finite")

    @property
    def steps_per_update(self) -> int:
        """Environment steps of a seed between two updates."""
        return self.n_envs * self.n_steps


class Gaussian(NamedTuple):
    """Policies in some states."""

    mean: np.ndarray
    """(runs, batch, action_dim)."""
    log_std: np.ndarray
    """(runs, 1, action_dim)."""


def policy_pass(parameters: np.ndarray, like: list[np.ndarray], x: np.ndarray) -> tuple[Pass, Gaussian]:
    """The policies of flat parameters, whose arrays are shaped `like`, in states `x` as they see them."""
    *layers, log_std = views(parameters, like)
    found = Pass(layers, x)
    return found, Gaussian(found.output, log_std)


def log_ratio(action: np.ndarray, new: Gaussian, old: Gaussian) -> np.ndarray:
    """Difference log new(a|s) - log old(a|s), (runs, batch), for actions (runs, batch, action_dim)."""
    return log_density(action, new) - log_density(action, old)


def log_density(action: np.ndarray, policy: Gaussian) -> np.ndarray:
    """The policy's log density of actions but for a constant, (runs, batch)."""
    z = (action - policy.mean) * np.exp(-policy.log_std)
    return -0.5 * np.einsum("rbd,rbd->rb", z, z) - policy.log_std.sum(2)


def improvement(action: np.ndarray, advantage: np.ndarray, new: Gaussian, old: Gaussian) -> np.ndarray:
    """What the surrogate E[A new(a|s) / old(a|s)] gains over the old policy's (Schulman et al. 2015a, Eq. 14)."""
    return (advantage * np.expm1(log_ratio(action, new, old))).mean(1)


def kl_divergence(old: Gaussian, new: Gaussian) -> np.ndarray:
    """Mean KL(old || new) over states, in nats, (runs,)."""
    narrower = new.log_std.astype(np.float64) - old.log_std  # where the two are close, terms cancel
    spread = (narrower + 0.5 * np.expm1(-2 * narrower)).sum((1, 2))
    moved = (new.mean - old.mean) * np.exp(-new.log_std)
    return spread + 0.5 * np.square(moved).sum(2).mean(1, dtype=np.float64)


def entropy(log_std: np.ndarray) -> np.ndarray:
    """Of policies with log standard deviations (runs, 1, action_dim), in nats, (runs,)."""
    return (log_std + 0.5 * log(2 * pi * e)).sum((1, 2))


def surrogate_gradient(found: Pass, policy: Gaussian, action: np.ndarray, advantage: np.ndarray) -> np.ndarray:
    """Of the surrogate at the policy that acted, (runs, numbers): the policy gradient."""
    z = (action - policy.mean) * np.exp(-policy.log_std)
    weight = advantage[..., None] / advantage.shape[1]
    errors = weight * z * np.exp(-policy.log_std)
    return _flat_gradient(found, errors, (weight * (np.square(z) - 1)).sum(1, keepdims=True))


def fisher_vector_product(found: Pass, policy: Gaussian, vector: np.ndarray, damping: float) -> np.ndarray:
    """Fisher matrix, plus `damping` on its diagonal, times a vector, (runs, numbers) (Schulman et al. 2015a, App. C.1).

    The matrix is that of the mean KL. It falls into two blocks: that of the mean is the Jacobian's square in units of
    the variance, that of the log standard deviation 2.
    """
    *directions, log_std = views(vector, [*found.layers, policy.log_std])
    moved = found.tangent(directions)
    moved *= np.exp(-2 * policy.log_std) / moved.shape[1]
    turned = _flat_gradient(found, moved, 2 * log_std)
    turned += damping * vector
    return turned


def _flat_gradient(found: Pass, errors: np.ndarray, of_log_std: np.ndarray) -> np.ndarray:
    """Gradient of the mean's layers from `errors`, and that of the log standard deviation, (runs, numbers)."""
    like = [*found.layers, of_log_std]
    flat = np.empty((len(errors), sum(each[0].size for each in like)), errors.dtype)
    *layers, log_std = views(flat, like)
    found.gradient(errors, into=layers)
    log_std[...] = of_log_std
    return flat


def conjugate_gradient(
    product: Callable[[np.ndarray], np.ndarray], right: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """The x of A x = `right`, and A x as far as it came, (runs, n) each; `product` multiplies by each run's A.

    A is positive definite. From x = 0 on, a run stops at `CG_TOLERANCE`, all of them after `iterations`.
    """
    x, residual, direction = np.zeros_like(right), right.copy(), right.copy()
    squares = _dot(residual, residual)
    for _ in range(iterations):
        going = squares > CG_TOLERANCE
        if not going.any():
            break
        turned = product(direction)
        length = np.divide(squares, _dot(direction, turned), out=np.zeros_like(squares), where=going)
        x += length * direction
        residual -= length * turned
        before, squares = squares, _dot(residual, residual)
        direction = residual + np.divide(squares, before, out=np.zeros_like(squares), where=going) * direction
    return x, right - residual


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(runs, n) twice -> (runs, 1)."""
    return np.einsum("rn,rn->r", a, b)[:, None]


def longest_step(direction: np.ndarray, turned: np.ndarray, target_kl: float) -> np.ndarray:
    """The direction at the length where the KL's square approximation is `target_kl`, (runs, n) (App. C).

    Args:
        direction: (runs, n).
        turned: the Fisher matrix times it.
        target_kl: the bound.
    """
    square = _dot(direction, turned)
    length = np.divide(2 * target_kl, square, out=np.zeros_like(square), where=square > 0)
    return np.sqrt(length) * direction


class Searched(NamedTuple):
    """Where a line search ended; (runs, ...)."""

    parameters: np.ndarray
    accepted: np.ndarray
    """Whether a step was; the parameters are the old ones to the bit where none was."""
    improvement: np.ndarray
    """Of the surrogate; 0 where no step was accepted."""
    kl: np.ndarray
    """Between old and new; 0 where no step was accepted."""
    tried: np.ndarray
    """Lengths."""


def line_search(
    evaluate: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    parameters: np.ndarray,
    step: np.ndarray,
    target_kl: float,
    config: TRPOConfig,
) -> Searched:
    """The longest of ever shorter steps that improves the surrogate within the bound (Schulman et al. 2015a, App. C).

    Args:
        evaluate: improvement and KL, (runs,) each, of parameters (runs, n).
        parameters: the old ones, (runs, n).
        step: the first that is tried, (runs, n).
        target_kl: the bound.
        config: how many steps are tried, and how they shrink.
    """
    runs = len(parameters)
    found = Searched(parameters.copy(), np.zeros(runs, bool), np.zeros(runs), np.zeros(runs), np.zeros(runs))
    for attempt in range(config.line_search_steps):
        candidate = parameters + config.line_search_shrink**attempt * step
        improved, kl = evaluate(candidate)
        found.tried[~found.accepted] += 1
        good = ~found.accepted & (improved > 0) & (kl <= target_kl)
        for kept, new in ((found.parameters, candidate), (found.improvement, improved), (found.kl, kl)):
            kept[good] = new[good]
        found.accepted[good] = True
        if found.accepted.all():
            break
    return found
