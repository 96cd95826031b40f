"""What recall traces are worth, measured beside the training and without moving it."""

import numpy as np
import torch
from torch import Tensor

from recall.agents.sac_imitation import TracedPairs, policy_kl
from recall.agents.sac_learner import SAC
from recall.continuous_recaller import ContinuousRecaller, ContinuousTraces
from recall.envs.gym_env import GymConfig
from recall.envs.simulator import Simulator, reachability_error
from recall.functional import Layers, squared_norm
from recall.replay import ReplayBuffer, Transitions

SAMPLE = 256
"""Transitions a measure is taken on."""

NEIGHBOURS = 5000
"""Transitions among which a state's nearest is looked for."""


class Diagnosis:
    """Measures of the traces of a group of runs.

    Args:
        env: where reachability is measured, if there is a simulator for it.
        replay: the runs' experience.
        recaller: what made the traces.
        agent: whose policy they pull.
    """

    def __init__(self, env: GymConfig, replay: ReplayBuffer, recaller: ContinuousRecaller, agent: SAC) -> None:
        self.simulator = Simulator(env) if Simulator.supports(env) else None
        self.replay, self.recaller, self.agent = replay, recaller, agent

    def measure(self, seed: int) -> dict[str, np.ndarray]:
        """A row of the table *recall*, (runs,) each; empty before the first traces.

        Args:
            seed: of numbers of its own, so that measuring takes none from the training. Every run has the same,
                whichever others share its group.
        """
        traces = self.recaller.traces
        if traces is None:
            return {}
        generators = [np.random.default_rng(seed) for _ in traces.obs]
        found = [self._of_run(traces, run, generator) for run, generator in enumerate(generators)]
        rows = {name: np.array([each[name] for each in found]) for name in found[0]}
        return self.recaller.metrics | rows | self._likelihood(generators) | self._pull(traces, generators)

    def _of_run(self, traces: ContinuousTraces, run: int, generator: np.random.Generator) -> dict[str, float]:
        """Reachability of and distance to the data at both ends of the traces, beside those of real transitions."""
        valid = traces.valid[run]
        begun = np.flatnonzero(valid[:, 0])
        last = valid.sum(1)[begun] - 1
        in_range = self.recaller.units.in_range(traces.flat()[0])[run]
        real = self._of_replay(run, generator, SAMPLE)
        known = self._of_replay(run, generator, NEIGHBOURS).obs
        found = {"in_range": float((valid.ravel() & in_range).mean())}
        for name, place in (("1", np.zeros_like(last)), ("last", last)):
            step = (run, begun, place)
            found[f"reach_{name}"] = self._reach(run, traces.obs[step], np.tanh(traces.x[step]), traces.next_obs[step])
            found[f"data_distance_{name}"] = self._distance(run, traces.obs[step], known)
        found["reach_real"] = self._reach(run, real.obs, real.action, real.next_obs)
        found["data_distance_real"] = self._distance(run, real.obs, known)
        return found

    def _of_replay(self, run: int, generator: np.random.Generator, n: int) -> Transitions:
        """Random transitions of a run's replay buffer, (n, ...)."""
        drawn = generator.integers(self.replay.start, self.replay.end, n)
        found = self.replay.take(np.broadcast_to(drawn, (len(self.replay.rows), n)))
        return Transitions(*(each[run] for each in found))

    def _reach(self, run: int, obs: np.ndarray, action: np.ndarray, next_obs: np.ndarray) -> float:
        """Median error of one step in the simulator, in standard deviations of the data."""
        if self.simulator is None or not len(obs):
            return np.nan
        told = self.simulator.determines(obs)
        reached = self.simulator.step_from(obs[told], action[told])
        error = reachability_error(next_obs[told], reached, self.recaller.units.obs.std[run])
        return float(np.nanmedian(error)) if np.isfinite(error).any() else np.nan

    def _distance(self, run: int, obs: np.ndarray, known: np.ndarray) -> float:
        """Median distance to the nearest other known state, root mean square in standard deviations."""
        if not len(obs):
            return np.nan
        std = torch.from_numpy(self.recaller.units.obs.std[run].astype(np.float32))
        scaled, others = (torch.from_numpy(np.ascontiguousarray(each)) / std for each in (obs, known))
        distances = torch.cdist(scaled, others, compute_mode="donot_use_mm_for_euclid_dist")  # equal states are at 0
        distances[distances == 0] = np.inf  # a state that is known is not its own neighbour
        return float(distances.amin(1).median()) / obs.shape[1] ** 0.5

    def _likelihood(self, generators: list[np.random.Generator]) -> dict[str, np.ndarray]:
        """Of high-value transitions the model never learned from; NaN where the buffer holds none."""
        pools = [pool[pool >= self.replay.start] for pool in self.recaller.held_out]
        some = np.array([len(pool) > 0 for pool in pools])
        drawn = [
            generator.choice(pool if len(pool) else [self.replay.start], SAMPLE)
            for pool, generator in zip(pools, generators, strict=True)
        ]
        pairs = self.recaller.units.pairs(self.replay.take(np.stack(drawn)))
        actions, states = self.recaller.model.log_likelihood(pairs)
        found = {"held_out_action_nll": -actions, "held_out_state_nll": -states}
        return {name: np.where(some, nll, np.nan) for name, nll in found.items()}

    def _pull(self, traces: ContinuousTraces, generators: list[np.random.Generator]) -> dict[str, np.ndarray]:
        """How imitation stands to the policy's own gradient, how far it moves the policy, and what it is worth."""
        config, agent = self.recaller.config, self.agent
        size = config.imitation_batch
        obs, x, valid = traces.pairs(np.stack([generator.random(size) for generator in generators]))
        noise = [generator.standard_normal((size, x.shape[2]), np.float32) for generator in generators]
        states = [self._of_replay(run, generator, size).obs for run, generator in enumerate(generators)]
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
