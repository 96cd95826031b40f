"""Recall traces for an agent of your own: transitions in, states and actions to imitate out."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from recall.categorical_model import CategoricalModel
from recall.checkpoints import LoadedRows
from recall.continuous_recaller import ContinuousRecallConfig, ContinuousRecaller, worth
from recall.errors import ConfigError
from recall.gaussian_model import GaussianModel
from recall.replay import ReplayBuffer, Transitions
from recall.seeding import Streams

Value = Callable[[np.ndarray], np.ndarray]
"""Values (n,) of states (n, obs_dim)."""


class RecallTraces:
    """Lines 8 to 14 of Algorithm 2 beside an agent that brings transitions and a `log_prob`.

    Give it what happens, let it recall now and then, and raise the probability of what it recalls::

        recall = RecallTraces(obs_dim=3, action_dim=1)
        ...
        recall.observe(obs, action, reward, next_obs, terminated)
        ...
        recall.update(value)
        obs, action = recall.batch(64)
        loss = loss - weight * policy.log_prob(obs, action).mean()

    Args:
        obs_dim: numbers of a state.
        action_dim: numbers of an action; or
        n_actions: how many actions there are, of which each is an index from 0.
        config: how the model learns and traces are made. Of its fields those that say when and how an agent imitates
            (`interval`, `joint`, `weight`, `imitation_batch`, `pre_tanh`) are the agent's affair here; with `n_actions`
            `action_std` means nothing. Vectors of actions are learned as they are given, with that deviation: give them
            in units in which they lie in about [-1, 1]. Recalled ones may lie a little outside.
        capacity: transitions that are kept, the latest.
        seed: of the model and of all that is drawn.

    Raises:
        ConfigError: both or none of action_dim and n_actions are given, or one of the numbers is below 1, or the
            seed below 0.
    """

    def __init__(
        self,
        obs_dim: int,
        action_dim: int | None = None,
        n_actions: int | None = None,
        config: ContinuousRecallConfig | None = None,
        capacity: int = 100_000,
        seed: int = 0,
    ) -> None:
        given = action_dim if n_actions is None else n_actions
        if given is None or (action_dim is not None and n_actions is not None):
            found = "neither is" if given is None else "both are"
            raise ConfigError(
                f"{found} given: action_dim is for actions that are vectors, n_actions for a choice of them"
            )
        sizes = {"obs_dim": obs_dim, "actions": given, "capacity": capacity}
        if wrong := [name for name, size in sizes.items() if size < 1]:
            raise ConfigError(f"{wrong[0]} is {sizes[wrong[0]]}; it must be 1 or more")
        if seed < 0:
            raise ConfigError(f"seed is {seed}; it must be 0 or more")
        config, streams = replace(config or ContinuousRecallConfig(), pre_tanh=None), Streams((seed,))
        self.discrete = n_actions is not None
        self.replay = ReplayBuffer(capacity, 1, obs_dim, given)
        rate = config.model_learning_rate
        model = (
            CategoricalModel(obs_dim, given, rate, streams)
            if self.discrete
            else GaussianModel(obs_dim, given, rate, streams, eager=True)
        )
        self.recaller = ContinuousRecaller(config, self.replay, streams, model)

    def observe(
        self, obs: np.ndarray, action: np.ndarray, reward: np.ndarray, next_obs: np.ndarray, terminated: np.ndarray
    ) -> None:
        """Take in n transitions, in any order.

        Args:
            obs: (n, obs_dim).
            action: (n, action_dim), or (n,) indices.
            reward: (n,).
            next_obs: (n, obs_dim); where an episode ended, its last state, not the first of the next.
            terminated: (n,); a truncated episode is not terminated.

        Raises:
            ConfigError: a shape is another, a number is NaN or infinite, or an action is none. Nothing is taken in.
        """
        n, (obs_dim, width, *_) = len(obs), self.replay.widths
        columns = {"obs": obs, "action": action, "reward": reward, "next_obs": next_obs, "terminated": terminated}
        shapes = {"obs": (n, obs_dim), "action": (n,) if self.discrete else (n, width), "next_obs": (n, obs_dim)}
        for name, column in columns.items():
            if np.shape(column) != shapes.get(name, (n,)):
                lone = "; for a single transition give obs[None] and the like" if np.shape(obs) == (obs_dim,) else ""
                raise ConfigError(f"{name} has shape {np.shape(column)}; it must be {shapes.get(name, (n,))}{lone}")
            if not np.isfinite(np.asarray(column, np.float32)).all():
                raise ConfigError(
                    f"{name} has NaN or infinite numbers, of which nothing can be learned; leave them out"
                )
        if self.discrete:
            index = np.asarray(action)
            if (odd := index[~np.isin(index, np.arange(width))]).size:
                raise ConfigError(f"there is an action {odd[0]}; they must be 0 to {width - 1}")
            columns["action"] = np.eye(width, dtype=np.float32)[index.astype(int)]
        for row in zip(*columns.values(), strict=True):
            self.replay.add(*(np.asarray(each, np.float32)[None] for each in row))

    def update(self, value: Value | None = None) -> dict[str, float]:
        """Learn from the most valuable transitions, and recall how to come to the best of them.

        Args:
            value: of states; None ranks transitions by their reward (Sec. 11.1).

        Returns:
            What is known of it: both negative log-likelihoods, the mean length of the traces, and others.

        Raises:
            ConfigError: nothing was observed yet.
            NonFiniteError: the model, its units or a trace is NaN or infinite.
        """
        if not len(self.replay):
            raise ConfigError("nothing was observed yet; call observe with transitions first")
        self.recaller.trace(_rewards if value is None else partial(worth, partial(_checked, value)))
        return {name: float(metric[0]) for name, metric in self.recaller.metrics.items()}

    def batch(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Recalled states (m, obs_dim) and actions (m, action_dim) or indices (m,): n of them, or none.

        There are none before the first `update`, and where every trace ended at once.
        """
        traces = self.recaller.traces
        if traces is None or not traces.valid.any():
            width = self.replay.widths[1]
            none = np.zeros(0, np.int64) if self.discrete else np.zeros((0, width), np.float32)
            return np.zeros((0, self.replay.widths[0]), np.float32), none
        obs, action, _ = traces.pairs(self.recaller.streams.uniform("imitation", n))
        return obs[0], action[0].argmax(1) if self.discrete else action[0]

    def state(self) -> dict:
        """Transitions, model and random numbers, as a dictionary of copies for a checkpoint of yours."""
        held = self.replay.state()["rows"]
        replay = {"start": held.start, "end": held.end, "rows": held.rows(held.start, held.end).copy()}
        return {"replay": replay} | deepcopy({name: part.state() for name, part in self._parts.items()})

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them, in an object of the same arguments."""
        self.replay.load_state({"rows": LoadedRows(**state["replay"])})
        for name, part in self._parts.items():
            part.load_state(deepcopy(state[name]))

    @property
    def _parts(self) -> dict[str, Any]:
        return {"recaller": self.recaller, "streams": self.recaller.streams}


def _rewards(found: Transitions) -> np.ndarray:
    return found.reward


def _checked(value: Value, obs: np.ndarray) -> np.ndarray:
    """Values of states (1, n, obs_dim), (1, n)."""
    try:
        values = np.asarray(value(obs[0]), np.float32)
    except (TypeError, RuntimeError, AttributeError) as error:
        raise ConfigError(
            f"value failed: {error}; it is given a NumPy array (n, obs_dim) and must give n numbers, without gradients"
        ) from error
    if values.shape != obs.shape[1:2]:
        raise ConfigError(f"value gave shape {values.shape} for {obs.shape[1]} states; it must be ({obs.shape[1]},)")
    return values[None]
