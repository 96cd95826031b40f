"""What recall traces are worth whatever the agent, measured beside the training and without moving it."""

import numpy as np
import torch

from recall.continuous_traces import ContinuousTraces
from recall.envs.gym_env import GymConfig
from recall.envs.simulator import Simulator, reachability_error
from recall.tracer import Tracer

SAMPLE = 256
"""Transitions a measure is taken on."""

NEIGHBOURS = 5000
"""Transitions among which a state's nearest is looked for."""


class TraceMeasures:
    """Reachability of traces, their distance to the data, and the likelihood of what the model never learned from.

    Args:
        env: where reachability is measured, if there is a simulator for it.
        tracer: what makes the traces.
    """

    def __init__(self, env: GymConfig, tracer: Tracer) -> None:
        self.simulator = Simulator(env) if Simulator.supports(env) else None
        self.tracer = tracer

    def measure(self, seed: int) -> dict[str, np.ndarray]:
        """What is known of the last traces, (runs,) each; empty before the first.

        Args:
            seed: of numbers of its own, so that measuring takes none from the training. Every run has the same,
                whichever others share its group.
        """
        traces = self.tracer.traces
        if traces is None:
            return {}
        generators = [np.random.default_rng(seed) for _ in traces.obs]
        found = [self._of_run(traces, run, generator) for run, generator in enumerate(generators)]
        rows = {name: np.array([each[name] for each in found]) for name in found[0]}
        return rows | self._likelihood(generators) | self._pull(traces, generators)

    def _pull(self, traces: ContinuousTraces, generators: list[np.random.Generator]) -> dict[str, np.ndarray]:
        """What an agent adds of how the traces pull it."""
        return {}

    def _of_run(self, traces: ContinuousTraces, run: int, generator: np.random.Generator) -> dict[str, float]:
        """Reachability of and distance to the data at both ends of the traces, beside those of real transitions."""
        valid = traces.valid[run]
        begun = np.flatnonzero(valid[:, 0])
        last = valid.sum(1)[begun] - 1
        in_range = self.tracer.units.in_range(traces.flat()[0])[run]
        real = self.tracer.data.draw(run, generator, SAMPLE)
        known = self.tracer.data.draw(run, generator, NEIGHBOURS).obs
        found = {"in_range": float((valid.ravel() & in_range).mean())}
        for name, place in (("1", np.zeros_like(last)), ("last", last)):
            step = (run, begun, place)
            action = self.tracer.units.executed(traces.x[step])
            found[f"reach_{name}"] = self._reach(run, traces.obs[step], action, traces.next_obs[step])
            found[f"data_distance_{name}"] = self._distance(run, traces.obs[step], known)
        found["reach_real"] = self._reach(run, real.obs, np.clip(real.action, -1, 1), real.next_obs)
        found["data_distance_real"] = self._distance(run, real.obs, known)
        return found

    def _reach(self, run: int, obs: np.ndarray, action: np.ndarray, next_obs: np.ndarray) -> float:
        """Median error of one step in the simulator, in standard deviations of the data."""
        if self.simulator is None or not len(obs):
            return np.nan
        told = self.simulator.determines(obs)
        reached = self.simulator.step_from(obs[told], action[told])
        error = reachability_error(next_obs[told], reached, self.tracer.units.obs.std[run])
        return float(np.nanmedian(error)) if np.isfinite(error).any() else np.nan

    def _distance(self, run: int, obs: np.ndarray, known: np.ndarray) -> float:
        """Median distance to the nearest other known state, root mean square in standard deviations."""
        if not len(obs):
            return np.nan
        std = torch.from_numpy(self.tracer.units.obs.std[run].astype(np.float32))
        scaled, others = (torch.from_numpy(np.ascontiguousarray(each)) / std for each in (obs, known))
        distances = torch.cdist(scaled, others, compute_mode="donot_use_mm_for_euclid_dist")  # equal states are at 0
        distances[distances == 0] = np.inf  # a state that is known is not its own neighbour
        return float(distances.amin(1).median()) / obs.shape[1] ** 0.5

    def _likelihood(self, generators: list[np.random.Generator]) -> dict[str, np.ndarray]:
        """Of high-value transitions the model never learned from; NaN where the buffer holds none."""
        pools = [pool[pool >= self.tracer.data.start] for pool in self.tracer.held_out]
        some = np.array([len(pool) > 0 for pool in pools])
        drawn = [
            generator.choice(pool if len(pool) else [self.tracer.data.start], SAMPLE)
            for pool, generator in zip(pools, generators, strict=True)
        ]
        pairs = self.tracer.units.pairs(self.tracer.data.take(np.stack(drawn)))
        actions, states = self.tracer.model.log_likelihood(pairs)
        found = {"held_out_action_nll": -actions, "held_out_state_nll": -states}
        return {name: np.where(some, nll, np.nan) for name, nll in found.items()}
