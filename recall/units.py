"""The units in which a backtracking model sees states, changes of state and actions."""

import numpy as np
import torch

from recall.gaussian_model import Pairs
from recall.normalization import RunningMoments
from recall.replay import Transitions

ACTION_LIMIT = 2.0
"""Largest action before tanh that is learned from or imitated: at the bounds of [-1, 1] it would be infinite."""

RANGE_SLACK = 0.05
"""Share of its range by which a dimension may leave what was seen before a trace ends."""


class Units:
    """Conversions between the environment's units and the model's, all (runs, n, dims).

    Args:
        n_runs, obs_dim: sizes.
        normalise: whether the model sees states and changes of state in standard deviations, or raw.
        pre_tanh: whether the model sees actions before tanh, or as the environment does; None where policies do not
            squash theirs, and the model sees them as they were drawn, beyond [-1, 1] too.
        predict_change: whether the model predicts changes of state, or states.
    """

    def __init__(
        self, n_runs: int, obs_dim: int, normalise: bool, pre_tanh: bool | None, predict_change: bool = True
    ) -> None:
        self.normalise, self.pre_tanh, self.predict_change = normalise, pre_tanh, predict_change
        self.obs = RunningMoments(n_runs, obs_dim)
        self.delta = RunningMoments(n_runs, obs_dim)

    def take_note(self, found: Transitions) -> None:
        """Let the units follow new transitions."""
        self.obs.update(found.next_obs)
        self.delta.update(found.obs - found.next_obs)

    def pairs(self, found: Transitions) -> Pairs:
        """Transitions as the model sees them."""
        before = found.obs - found.next_obs if self.predict_change else found.obs
        arrays = (self.state(found.next_obs), self._seen(found.action), self._scaled(before, self._predicted))
        return Pairs(*(torch.from_numpy(np.ascontiguousarray(each, np.float32)) for each in arrays))

    def _seen(self, action: np.ndarray) -> np.ndarray:
        if self.pre_tanh is None:
            return action
        action = np.clip(action, -np.tanh(ACTION_LIMIT), np.tanh(ACTION_LIMIT))
        return np.arctanh(action) if self.pre_tanh else action

    def state(self, obs: np.ndarray) -> np.ndarray:
        """A state as the model sees it."""
        return np.ascontiguousarray(self._scaled(obs, self.obs), np.float32)

    def before(self, predicted: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        """The state before next_obs by what the model predicts, in the environment's units."""
        if self.normalise:
            moments = self._predicted
            predicted = (predicted * moments.std[:, None] + moments.mean[:, None]).astype(np.float32)
        return next_obs + predicted if self.predict_change else predicted

    @property
    def nats(self) -> np.ndarray:
        """What to add to a state predictor's negative log-likelihood for nats in the environment's units, (runs,)."""
        std = self._predicted.std
        return np.log(std).sum(1) if self.normalise else np.zeros(len(std))

    @property
    def _predicted(self) -> RunningMoments:
        return self.delta if self.predict_change else self.obs

    def drawn(self, action: np.ndarray) -> np.ndarray:
        """An action from the model as a policy's Gaussian draws it: before tanh, if there is one."""
        if self.pre_tanh is None:
            return action
        if self.pre_tanh:
            return np.clip(action, -ACTION_LIMIT, ACTION_LIMIT)
        return np.arctanh(np.clip(action, -np.tanh(ACTION_LIMIT), np.tanh(ACTION_LIMIT))).astype(np.float32)

    def executed(self, x: np.ndarray) -> np.ndarray:
        """What an environment executes, in [-1, 1], of an action as the Gaussian draws it."""
        return np.clip(x, -1, 1) if self.pre_tanh is None else np.tanh(x)

    def in_range(self, obs: np.ndarray) -> np.ndarray:
        """Whether states, or their first dimensions, lie where the data has been, (runs, n)."""
        slack = RANGE_SLACK * (self.obs.high - self.obs.low)
        low, high = (each[:, : obs.shape[2]] for each in (self.obs.low - slack, self.obs.high + slack))
        return np.asarray(((obs >= low[:, None]) & (obs <= high[:, None])).all(2))

    def _scaled(self, values: np.ndarray, moments: RunningMoments) -> np.ndarray:
        return (values - moments.mean[:, None]) / moments.std[:, None] if self.normalise else values

    def state_dict(self) -> dict:
        """Moments, for a checkpoint."""
        return {"obs": self.obs.state(), "delta": self.delta.state()}

    def load_state(self, state: dict) -> None:
        """Put them back where `state_dict()` found them."""
        self.obs.load_state(state["obs"])
        self.delta.load_state(state["delta"])
