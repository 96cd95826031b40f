"""A backtracking model of continuous states and a few actions: q(a | s') is categorical (Sec. 3.1)."""

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor

from recall.agents.sac import gaussian_log_prob
from recall.gaussian_model import GaussianModel, Networks, Pairs, predict_action, predict_before
from recall.seeding import Streams


def log_likelihood(networks: Networks, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Mean log q(a | s') and mean log q(s | a, s'), the two terms of Eq. 5, (runs,) each; actions are one-hot."""
    log_probs = predict_action(networks, pairs.next_obs).log_softmax(2)
    states = gaussian_log_prob(pairs.before, *predict_before(networks, pairs.next_obs, pairs.action))
    return (log_probs * pairs.action).sum(2).mean(1), states.mean(1)


class CategoricalModel(GaussianModel):
    """Predictors of a group of runs whose actions are one of `n_actions`; arrays of them are one-hot.

    It is never compiled: it serves agents outside this package, on tasks that train in minutes.
    """

    def __init__(self, obs_dim: int, n_actions: int, learning_rate: float, streams: Streams) -> None:
        super().__init__(obs_dim, n_actions, learning_rate, streams, log_likelihood, eager=True)

    def step_back(self, next_obs: np.ndarray, action_std: float, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample an action that leads to next_obs, then what leads there; `action_std` has no meaning here."""
        state, drawn = torch.from_numpy(next_obs), torch.from_numpy(noise)
        with torch.no_grad():
            cumulative = predict_action(self.networks, state).softmax(2).cumsum(2).numpy()
            n_actions = cumulative.shape[2]
            index = (cumulative[..., :-1] < ndtr(noise[..., :1])).sum(2)
            action = np.eye(n_actions, dtype=np.float32)[index]
            before, log_std = predict_before(self.networks, state, torch.from_numpy(action))
            return action, (before + log_std.exp() * drawn[..., n_actions:]).numpy()
