"""What recall traces are worth to a soft actor-critic, measured beside the training and without moving it."""

import numpy as np
import torch
from torch import Tensor

from recall.agents.sac_imitation import TracedPairs, policy_kl
from recall.agents.sac_learner import SAC
from recall.continuous_recaller import ContinuousRecaller
from recall.continuous_traces import ContinuousTraces
from recall.envs.gym_env import GymConfig
from recall.functional import Layers, squared_norm
from recall.replay import ReplayBuffer
from recall.trace_measures import TraceMeasures


class Diagnosis(TraceMeasures):
    """Measures of the traces of a group of runs.

    Args:
        env: where reachability is measured, if there is a simulator for it.
        replay: the runs' experience.
        recaller: what made the traces.
        agent: whose policy they pull.
    """

    def __init__(self, env: GymConfig, replay: ReplayBuffer, recaller: ContinuousRecaller, agent: SAC) -> None:
        super().__init__(env, recaller)
        self.replay, self.recaller, self.agent = replay, recaller, agent

    def measure(self, seed: int) -> dict[str, np.ndarray]:
        """A row of the table *recall*, (runs,) each; empty before the first traces."""
        found = super().measure(seed)
        return self.recaller.metrics | found if found else {}

    def _pull(self, traces: ContinuousTraces, generators: list[np.random.Generator]) -> dict[str, np.ndarray]:
        """How imitation stands to the policy's own gradient, how far it moves the policy, and what it is worth."""
        config, agent = self.recaller.config, self.agent
        size = config.imitation_batch
        obs, x, valid = traces.pairs(np.stack([generator.random(size) for generator in generators]))
        noise = [generator.standard_normal((size, x.shape[2]), np.float32) for generator in generators]
        states = [self.replay.draw(run, generator, size).obs for run, generator in enumerate(generators)]
        own = agent.actor_gradient(np.stack(states), np.stack(noise))
        pairs = TracedPairs.of(obs, x, valid)
        added = agent.imitation.gradient(pairs, config.weight)
        exact = [tuple(layer.double() for layer in layers) for layers in (added, own)]  # squares overflow float32
        norms = [squared_norm(layers) for layers in exact]
        advantage = agent.action_value(obs, np.tanh(x)) - agent.action_value(obs, agent.act(obs))
        count = valid.sum(1)
        return {
            "gradient_ratio": (norms[0] / norms[1]).sqrt().numpy(),
            "gradient_cosine": cosine(*exact).numpy(),
            "imitation_kl": self._kl(pairs.obs, added, own),
            "trace_advantage": np.where(count > 0, (advantage * valid).sum(1) / np.maximum(count, 1), np.nan),
        }

    def _kl(self, obs: Tensor, added: Layers, own: Layers) -> np.ndarray:
        """KL of one imitation: of the last step of its own, or of what is added to an update."""
        if not self.recaller.config.joint:
            return self.agent.imitation.kl.numpy()
        learner = self.agent.learner
        moved = self.agent.imitation.moved(added, own, learner.actor_moments, learner.updates)
        return policy_kl(learner.actor, moved, obs).numpy()


def cosine(a: Layers, b: Layers) -> Tensor:
    """Cosine of two gradients, (runs,); NaN where one is zero."""
    product = torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)
    return product / (squared_norm(a) * squared_norm(b)).sqrt()
