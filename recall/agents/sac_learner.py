"""The learner of soft actor-critic: how it acts, values, imitates and updates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from recall.agents.actor import act
from recall.agents.sac import Batch, SACConfig, actor_loss, q_values
from recall.agents.sac_imitation import Imitation, TracedPairs
from recall.agents.sac_update import METRICS, UPDATES, gradient, init_learner
from recall.agents.sac_value import VALUES
from recall.errors import NonFiniteError
from recall.functional import Layers, Moments, all_finite, copy_, to_arrays
from recall.seeding import Streams


class SAC:
    """A group of independent soft actor-critics, one a run; actions lie in [-1, 1]."""

    def __init__(self, config: SACConfig, obs_dim: int, action_dim: int, streams: Streams) -> None:
        self.config, self.streams = config, streams
        self.action_dim = action_dim
        self.learner = init_learner(config, obs_dim, action_dim, streams)
        engine = config.numerics["engine"]
        self.change = UPDATES[engine](config)
        """How an update changes the learner."""
        self._value = VALUES[engine](config)
        self.imitation = Imitation(self.learner.actor, config)
        self._actor = [layer.numpy() for layer in self.learner.actor]
        self._zeros = tuple(torch.zeros_like(layer) for layer in self.learner.actor)
        self._added = self._zeros

    def act(self, obs: np.ndarray, noise: np.ndarray | float = 0.0, runs: slice = slice(None)) -> np.ndarray:
        """Actions (runs, n, action_dim) for obs (runs, n, obs_dim); the mean's without standard normal noise.

        `runs` chooses whose policies act. In float32 whatever the precision.
        """
        return act([layer[runs] for layer in self._actor], obs, noise)

    def value(self, obs: np.ndarray) -> np.ndarray:
        """Values (runs, n) of states (runs, n, obs_dim): the lower critic at the mean action."""
        with torch.no_grad():
            return self._value(self.learner.actor, self.learner.critics, torch.from_numpy(obs)).numpy()

    def imitate(self, obs: np.ndarray, x: np.ndarray, valid: np.ndarray, weight: float) -> None:
        """Let the next update also descend weight times Eq. 6.

        Pairs are states (runs, n, obs_dim) and actions before tanh (runs, n, action_dim); valid is (runs, n).
        """
        self._added = self.imitation.gradient(TracedPairs.of(obs, x, valid), weight)

    def imitate_now(self, obs: np.ndarray, x: np.ndarray, valid: np.ndarray, weight: float) -> None:
        """Descend it at once, in a step of its own.

        Raises:
            NonFiniteError: its gradient is NaN or infinite, or so large that Adam's moments are.
        """
        self.imitation.step(TracedPairs.of(obs, x, valid), weight)
        self._refuse_non_finite({"imitation": self.imitation.state()})

    def action_value(self, obs: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The lower critic, (runs, n), for obs (runs, n, obs_dim) and action (runs, n, action_dim)."""
        with torch.no_grad():
            values = q_values(self.learner.critics, torch.from_numpy(obs), torch.from_numpy(action), "float32")
        return values.amin(1).numpy()

    def actor_gradient(self, obs: np.ndarray, noise: np.ndarray) -> Layers:
        """Of the actor's own loss in states (runs, n, obs_dim), without imitation."""
        temperature = self.learner.log_temperature[0][:, 0].exp()
        arguments = (self.learner.critics, torch.from_numpy(obs), temperature, torch.from_numpy(noise), "float32")
        return gradient(actor_loss, self.learner.actor, *arguments)[0]

    def update(self, batch: Batch) -> dict[str, np.ndarray]:
        """One update from transitions; returns `METRICS`, (runs,) each.

        Raises:
            NonFiniteError: one of them, or of their gradients or the parameters they leave, is NaN or infinite.
        """
        size = batch.reward.shape[1]
        noise = torch.from_numpy(self.streams.normal("noise", 2, size, self.action_dim).swapaxes(0, 1))
        found = self.change(self.learner, batch, noise, self._added).numpy()
        self._added = self._zeros
        metrics = dict(zip(METRICS, found, strict=True))
        if not (np.isfinite(found).all() and np.isfinite(self.learner.log_temperature[0].numpy()).all()):
            self._refuse_non_finite(metrics | {"log_temperature": self.learner.log_temperature[0].numpy()})
        return metrics

    def _refuse_non_finite(self, numbers: dict[str, Any]) -> None:
        wrong = [name for name, found in numbers.items() if not all_finite({name: found})]
        if wrong:
            raise NonFiniteError(f"update {self.learner.updates:.0f}: {', '.join(wrong)} is NaN or infinite")

    def state(self) -> dict:
        """Parameters and optimisers, for a checkpoint.

        Raises:
            NonFiniteError: one of them is NaN or infinite where no update has felt it yet, and nothing is to go on
                from it.
        """
        learner = self.learner
        moments = ("actor_moments", "critic_moments", "temperature_moments")
        layers = ("actor", "critics", "targets", "log_temperature")
        state = {
            **{name: to_arrays(getattr(learner, name)) for name in layers},
            **{name: to_arrays(sum(getattr(learner, name), ())) for name in moments},
            "updates": learner.updates.numpy(),
            "imitation": self.imitation.state(),
        }
        self._refuse_non_finite(state)
        return state

    def load_state(self, state: dict) -> None:
        """Put both back where `state()` found them."""
        for name, value in self.learner._asdict().items():
            if name == "updates":
                value.copy_(torch.from_numpy(state[name]))
            else:
                copy_(sum(value, ()) if isinstance(value, Moments) else value, state[name])
        self.imitation.load_state(state["imitation"])


def transitions(arrays: Sequence[np.ndarray]) -> Batch:
    """A batch of arrays in the order of its fields."""
    return Batch(*(torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in arrays))
