"""How recall traces pull a policy of trust regions (Eq. 6): in a step of its own, and how far it goes."""

from collections.abc import Callable
from math import inf, log, pi

import numpy as np

from recall.agents.trpo import Gaussian, entropy, kl_divergence, log_density, surrogate_gradient
from recall.agents.trpo_learner import TRPO, refuse_non_finite
from recall.functional import ADAM_EPS
from recall.perceptron import AdamSteps, Pass

HALVINGS = 20
"""How often a step is halved at most until it keeps to the bound."""


def imitation_gradient(
    found: Pass, policy: Gaussian, action: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 6 with its sign turned, the mean over valid pairs in nats, (runs,), and its gradient, (runs, numbers).

    The gradient is that of a surrogate in which every valid pair has the same advantage. A run without a valid pair
    has neither.

    Args:
        found: the policies' pass through the traced states.
        policy: what it gave.
        action: what is imitated, (runs, pairs, action_dim).
        valid: which pairs count, (runs, pairs).
    """
    share = valid / np.maximum(valid.sum(1, keepdims=True), 1, dtype=np.float32)
    density = log_density(action, policy) - 0.5 * action.shape[2] * log(2 * pi)
    return -(share * density).sum(1), -surrogate_gradient(found, policy, action, share * valid.shape[1])


def kl_where(old: Gaussian, new: Gaussian, valid: np.ndarray) -> np.ndarray:
    """Mean KL(old || new) over the valid ones of states (runs, n), in nats, (runs,); 0 where none is."""
    counts = valid.sum(1)
    spread = kl_divergence(old, Gaussian(old.mean, new.log_std))
    mean = np.where(valid[..., None], new.mean, old.mean)
    moved = kl_divergence(old, Gaussian(mean, new.log_std)) - spread
    return np.where(counts > 0, spread + moved * valid.shape[1] / np.maximum(counts, 1), 0.0)


def shortened(
    kl: Callable[[np.ndarray], np.ndarray], parameters: np.ndarray, descent: np.ndarray, bound: float
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters after a step, halved until its KL is within a bound, and the share that was taken of it, (runs,).

    A run for which the step is still too long after `HALVINGS` stays as it is, to the bit.

    Args:
        kl: of the policies of other parameters, (runs,).
        parameters: from where, (runs, numbers).
        descent: what the whole step takes from them.
        bound: on the KL; infinite takes the step whole.
    """
    share = np.ones((len(parameters), 1), np.float32)
    for _ in range(HALVINGS + 1):
        moved = parameters - share * descent
        beyond = ~(kl(moved) <= bound)
        if not beyond.any():
            break
        share[beyond] /= 2
    share[beyond] = 0
    return np.where(share > 0, moved, parameters), share[:, 0]


def length(vectors: np.ndarray) -> np.ndarray:
    """Of vectors (runs, n), (runs,)."""
    return np.linalg.norm(vectors, axis=1)


def quotient(dividend: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """Of numbers (runs,); 0 where the divisor is."""
    return np.divide(dividend, divisor, out=np.zeros_like(dividend), where=divisor > 0)


class Imitation:
    """Steps towards traced actions, after the trust-region step of the same iteration (Algorithm 2, line 13).

    They are Adam's, whose length does not depend on a factor on the gradient: the weight is one on the step. Moments
    are float64: where a trace is far from all data the squares of the gradient may overflow float32. A run without a
    valid pair has no gradient, and coasts on its moments as Adam does.

    Args:
        agent: whose policies are changed.
        learning_rate: Adam's step size.
        weight: factor on the step.
        bound: on the mean KL of a step in the states of the rollout, in nats; None sets no bound.
    """

    def __init__(self, agent: TRPO, learning_rate: float, weight: float, bound: float | None) -> None:
        self.agent, self.weight = agent, weight
        self.bound = inf if bound is None else bound
        self.adam = AdamSteps(agent.parameters.astype(np.float64), learning_rate, ADAM_EPS)

    def step(
        self, obs: np.ndarray, action: np.ndarray, valid: np.ndarray, visited: np.ndarray
    ) -> dict[str, np.ndarray]:
        """One step; returns what it was, (runs,) each.

        Args:
            obs: traced states, (runs, pairs, obs_dim).
            action: what is imitated there, (runs, pairs, action_dim).
            valid: which pairs count, (runs, pairs).
            visited: states of the rollout, (runs, n, obs_dim).

        Raises:
            NonFiniteError: the gradient, Adam's moments or the policy they leave is NaN or infinite.
        """
        agent, weight = self.agent, self.weight
        x, seen = agent.seen(obs), agent.seen(visited)
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is named below
            found, traced = agent.passed(agent.parameters, x)
            before = agent.passed(agent.parameters, seen)[1]
            loss, gradient = imitation_gradient(found, traced, action, valid)
            gradient = gradient.astype(np.float64)
            descent = weight * self.adam.descent(gradient)

            def kl(parameters: np.ndarray) -> np.ndarray:
                return kl_divergence(before, agent.passed(parameters, seen)[1])

            moved, share = shortened(kl, agent.parameters, descent.astype(np.float32), self.bound)
        numbers = {"gradient": gradient, **self.adam.state(), "policy": moved}
        refuse_non_finite(agent.updates, {f"imitation's {name}": number for name, number in numbers.items()})
        agent.become(moved)
        own, after = agent.gradient.astype(np.float64), agent.passed(moved, x)[1]
        return {
            "imitation_loss": loss,
            "gradient_ratio": weight * quotient(length(gradient), length(own)),
            "gradient_cosine": quotient(-(gradient * own).sum(1), length(gradient) * length(own)),
            "imitation_kl": kl_where(traced, after, valid),
            "rollout_kl": kl(moved),
            "step_share": share,
            "entropy": entropy(after.log_std),
        }

    def state(self) -> dict:
        """Moments, for a checkpoint."""
        return self.adam.state()

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.adam.load_state(state)
