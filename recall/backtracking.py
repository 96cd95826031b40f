"""Backtracking models q(s, a | s') = q(a | s') q(s | a, s') of environments with finitely many states (Sec. 2.2).

A model is an action predictor, the backward policy q(a | s'), and a state predictor q(s | a, s'). Each may be exact,
learned or random; the arms of the four-room experiments are pairs of them (`make_model`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recall.errors import ConfigError
from recall.networks import StackedMLP, load_optimizer_state, optimizer_state, tanh
from recall.seeding import Streams

VISIT_PRIOR = 1e-3
"""Visits every state is given in advance: where an agent has never been, the posterior follows its policy alone."""


class Batch(NamedTuple):
    """Transitions to learn from, (runs, batch) each, and which runs have any, (runs,) bool."""

    obs: np.ndarray
    action: np.ndarray
    next_obs: np.ndarray
    found: np.ndarray


class Predictor:
    """Either half of a model. This base neither learns nor follows the agent."""

    learns = False

    def learn(self, batch: Batch) -> dict[str, np.ndarray]:
        """One gradient step; returns metrics, (runs,) each."""
        return {}

    def follow(self, visits: np.ndarray, probs: np.ndarray) -> None:
        """Take note of how the agents behave: visits (runs, states), policies (runs, states, actions)."""

    def state(self) -> dict:
        """What it learned, for a checkpoint."""
        return {}

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""


class LearnedPredictor(Predictor):
    """A network and its optimiser."""

    learns = True

    def __init__(self, network: StackedMLP, learning_rate: float) -> None:
        self.network = network
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, learning_rate, fused=True)

    def descend(self, loss: Tensor) -> None:
        """One optimiser step on losses (runs,), which share no parameter."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        self.optimizer.step()

    def state(self) -> dict:
        """Network and optimiser."""
        return optimizer_state(self.parameters, self.optimizer)

    def load_state(self, state: dict) -> None:
        """Put both back."""
        load_optimizer_state(self.parameters, self.optimizer, state)


class ActionPredictor(Predictor):
    """q(a | s') as a table: `probs` is (runs, next states, actions)."""

    probs: np.ndarray


class StatePredictor(Predictor, ABC):
    """q(s | a, s')."""

    @abstractmethod
    def sample(self, action: np.ndarray, next_obs: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Previous states and whether they exist, (runs, n) each."""

    @abstractmethod
    def prob_of(self, predecessor: np.ndarray) -> np.ndarray:
        """Probability of the state predecessor[s', a], (runs or 1, next states, actions); 0 where it is -1."""


class BacktrackingModel:
    """One step back in time: an action predictor and a state predictor (Eq. 2)."""

    def __init__(self, actions: ActionPredictor, states: StatePredictor) -> None:
        self.actions, self.states = actions, states

    @property
    def learns(self) -> bool:
        """Whether either predictor does."""
        return self.actions.learns or self.states.learns

    def learn(self, batch: Batch) -> dict[str, np.ndarray]:
        """One gradient step of both predictors (Algorithm 2 lines 8 and 9); returns metrics, (runs,) each."""
        return self.actions.learn(batch) | self.states.learn(batch)

    def follow(self, visits: np.ndarray, probs: np.ndarray) -> None:
        """Take note of how the agents behave."""
        self.actions.follow(visits, probs)

    def state(self) -> dict:
        """What both learned, for a checkpoint."""
        return {"actions": self.actions.state(), "states": self.states.state()}

    def load_state(self, state: dict) -> None:
        """Put both back."""
        self.actions.load_state(state["actions"])
        self.states.load_state(state["states"])

    def step_back(self, next_obs: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sample (obs, action, valid) that lead to next_obs, (runs, n) each; uniform is (runs, n, 2)."""
        runs = np.arange(len(next_obs))[:, None]
        action = choose(self.actions.probs[runs, next_obs], uniform[..., 0])
        obs, valid = self.states.sample(action, next_obs, uniform[..., 1])
        return obs, action, valid


def choose(probs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Sample categories of (..., n) by inverting the cumulative distribution at uniform numbers (...)."""
    return (uniform[..., None] >= np.cumsum(probs, -1)[..., :-1]).sum(-1)


def posterior(predecessor: np.ndarray, visits: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """p(a | s') of the agents' own behaviour in a deterministic environment, by Bayes' rule.

    p(s, a | s') is proportional to d(s) pi(a | s) where a leads from s to s', d being the visits to s.

    Args:
        predecessor: the s from which a leads to s', (next states, actions); -1 where there is none.
        visits: d, (runs, states).
        probs: pi, (runs, states, actions).

    Returns:
        (runs, next states, actions); all zero where s' has no predecessor.
    """
    source = np.maximum(predecessor, 0)
    joint = (visits[:, source] + VISIT_PRIOR) * probs[:, source, np.arange(probs.shape[2])] * (predecessor >= 0)
    total = joint.sum(2, keepdims=True)
    return joint / np.where(total > 0, total, 1)


def total_variation(
    model: BacktrackingModel, predecessor: np.ndarray, true: np.ndarray, arrivals: np.ndarray
) -> np.ndarray:
    """Exact distance of q(s, a | s') to a true p(s, a | s') that sits on predecessor[s', a], (runs,).

    The sum over s has two parts: what the model gives the one predecessor, and what it gives all other states.

    Args:
        model: what is judged.
        predecessor: (next states, actions); -1 where there is none.
        true: p(a | s'), (runs, next states, actions).
        arrivals: weight of each s' in the average, (runs, next states); states without predecessor do not count.
    """
    q_action, q_state = model.actions.probs, model.states.prob_of(predecessor)
    distance = 0.5 * (np.abs(q_action * q_state - true) + q_action * (1 - q_state)).sum(2)
    weight = arrivals * (predecessor >= 0).any(1)
    return (distance * weight).sum(1) / np.maximum(weight.sum(1), 1)


class FixedActions(ActionPredictor):
    """A backward policy that stays as it is."""

    def __init__(self, probs: np.ndarray) -> None:
        self.probs = probs


class ExactPosterior(ActionPredictor):
    """The exact posterior of the agents' own actions: the *true* backtracking model of Sec. 6.1."""

    def __init__(self, predecessor: np.ndarray, n_runs: int) -> None:
        self.predecessor = predecessor
        self.probs = np.zeros((n_runs, *predecessor.shape), np.float32)

    def follow(self, visits: np.ndarray, probs: np.ndarray) -> None:
        """Bayes' rule on the policies as they are and where they have been."""
        self.probs = posterior(self.predecessor, visits, probs)


class LearnedActions(LearnedPredictor, ActionPredictor):
    """q(a | s') as a tanh network trained by cross-entropy (Sec. 3.1, Sec. 9)."""

    def __init__(self, network: StackedMLP, learning_rate: float) -> None:
        super().__init__(network, learning_rate)
        self._tabulate()

    def _tabulate(self) -> None:
        """Evaluate the network on every state: for sampling now and for the loss of the next step."""
        self._log_probs = torch.log_softmax(self.network.table(), 2)
        self.probs = self._log_probs.detach().exp().numpy()

    def load_state(self, state: dict) -> None:
        """Put network and optimiser back."""
        super().load_state(state)
        self._tabulate()

    def learn(self, batch: Batch) -> dict[str, np.ndarray]:
        """One gradient step on the batch; the metric is the likelihood before it."""
        runs = np.arange(len(batch.found))[:, None]
        loss = likelihood_loss(self._log_probs[runs, batch.next_obs, batch.action], batch)
        self.descend(loss)
        self._tabulate()
        return {"action_nll": where_found(loss, batch)}


class ExactStates(StatePredictor):
    """The environment's own predecessor table."""

    def __init__(self, predecessor: np.ndarray) -> None:
        self.predecessor = predecessor

    def sample(self, action: np.ndarray, next_obs: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The predecessor; where there is none the state stays and is marked as not existing."""
        obs = self.predecessor[next_obs, action]
        return np.where(obs >= 0, obs, next_obs), obs >= 0

    def prob_of(self, predecessor: np.ndarray) -> np.ndarray:
        """Certainty."""
        return (predecessor >= 0).astype(np.float32)[None]


class LearnedStates(LearnedPredictor, StatePredictor):
    """q(s | a, s') as a ReLU network with one output a state, trained by cross-entropy (Sec. 3.1, Sec. 9)."""

    def __init__(self, network: StackedMLP, n_states: int, learning_rate: float) -> None:
        super().__init__(network, learning_rate)
        self.n_states = n_states

    def _log_probs(self, action: np.ndarray, next_obs: np.ndarray) -> Tensor:
        return torch.log_softmax(self.network.lookup(next_obs, action + self.n_states), 2)

    def learn(self, batch: Batch) -> dict[str, np.ndarray]:
        """One gradient step on the batch; the metric is the likelihood before it."""
        chosen = torch.from_numpy(batch.obs).unsqueeze(2)
        log_prob = self._log_probs(batch.action, batch.next_obs).gather(2, chosen).squeeze(2)
        loss = likelihood_loss(log_prob, batch)
        self.descend(loss)
        return {"state_nll": where_found(loss, batch)}

    def sample(self, action: np.ndarray, next_obs: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A state from the network; it vouches for every one."""
        with torch.no_grad():
            probs = self._log_probs(action, next_obs).exp().numpy()
        return choose(probs, uniform), np.ones(action.shape, bool)

    def prob_of(self, predecessor: np.ndarray) -> np.ndarray:
        """Probability of the given predecessors, for every pair of next state and action."""
        n_runs = len(self.network.weights[0])
        next_obs, action = (index.ravel()[None].repeat(n_runs, 0) for index in np.indices(predecessor.shape))
        with torch.no_grad():
            probs = self._log_probs(action, next_obs).exp().numpy()
        chosen = probs[:, np.arange(predecessor.size), np.maximum(predecessor, 0).ravel()]
        return chosen.reshape(-1, *predecessor.shape) * (predecessor >= 0)


def likelihood_loss(log_prob: Tensor, batch: Batch) -> Tensor:
    """Negative mean log-likelihood (Eq. 5 with Multinoullis), (runs, batch) -> (runs,).

    Steps into a wall are left out, as in the exact predecessors, and so are runs without a good trajectory.
    """
    counted = torch.from_numpy((batch.obs != batch.next_obs) & batch.found[:, None])
    return -(log_prob * counted).sum(1) / counted.sum(1).clamp(min=1)


def where_found(loss: Tensor, batch: Batch) -> np.ndarray:
    """A loss as a metric: unknown for runs without a good trajectory."""
    return np.where(batch.found, loss.detach().numpy(), np.nan)


class Setting(NamedTuple):
    """What a model is made from."""

    predecessor: np.ndarray
    """Of the environment, (next states, actions); -1 where there is none."""
    learning_rate: float
    """Adam's step size of learned predictors, beta of Algorithm 2."""
    generators: list[np.random.Generator]
    """Of the networks' first parameters, one a run."""

    def exact_states(self) -> ExactStates:
        """The one state that an action leads from."""
        return ExactStates(self.predecessor)

    def learned_actions(self) -> LearnedActions:
        """A network before any training."""
        n_states, n_actions = self.predecessor.shape
        return LearnedActions(StackedMLP((n_states, 128, 128, n_actions), tanh, self.generators), self.learning_rate)

    def learned_states(self) -> LearnedStates:
        """A network before any training."""
        n_states, n_actions = self.predecessor.shape
        network = StackedMLP((n_states + n_actions, 128, 128, n_states), torch.relu, self.generators)
        return LearnedStates(network, n_states, self.learning_rate)

    def fixed(self, probs: np.ndarray) -> FixedActions:
        """Action probabilities, (next states, actions) or one a run, that never change."""
        return FixedActions(np.broadcast_to(probs, (len(self.generators), *self.predecessor.shape)))

    def possible(self) -> FixedActions:
        """All actions that lead there, equally likely."""
        exists = (self.predecessor >= 0).astype(np.float32)
        return self.fixed(exists / np.maximum(exists.sum(1, keepdims=True), 1))

    def uniform(self) -> FixedActions:
        """All actions, equally likely."""
        return self.fixed(np.full(self.predecessor.shape, 1 / self.predecessor.shape[1], np.float32))


MODELS: dict[str, Callable[[Setting], BacktrackingModel]] = {
    # exact posterior and predecessors
    "true": lambda of: BacktrackingModel(ExactPosterior(of.predecessor, len(of.generators)), of.exact_states()),
    # exact predecessors, all equally likely
    "true-uniform": lambda of: BacktrackingModel(of.possible(), of.exact_states()),
    # learned actions, exact predecessors (Sec. 12)
    "learned": lambda of: BacktrackingModel(of.learned_actions(), of.exact_states()),
    # both learned (Sec. 3.1)
    "learned-both": lambda of: BacktrackingModel(of.learned_actions(), of.learned_states()),
    # uniform actions, exact predecessors
    "untrained": lambda of: BacktrackingModel(of.uniform(), of.exact_states()),
    # the learned one before any training
    "untrained-network": lambda of: BacktrackingModel(of.fixed(of.learned_actions().probs), of.exact_states()),
}
"""By name. A new model is a line here: `RecallConfig(model=...)` and the page's parameters then know it."""


def make_model(kind: str, predecessor: np.ndarray, learning_rate: float, streams: Streams) -> BacktrackingModel:
    """The backtracking model of an arm.

    Args:
        kind: one of `MODELS`.
        predecessor: of the environment, (next states, actions); -1 where there is none.
        learning_rate: Adam's step size of learned predictors.
        streams: random numbers; "model_init" is read.

    Raises:
        ConfigError: for an unknown kind.
    """
    if kind not in MODELS:
        raise ConfigError(f"model is {kind!r}; it must be one of {', '.join(MODELS)}")
    return MODELS[kind](Setting(predecessor, learning_rate, streams["model_init"]))
