"""The training loop of trust region policy optimisation: a rollout, an update from it, recall, evaluation."""

from collections.abc import Sequence

import numpy as np

from recall.agents.trpo import TRPOConfig
from recall.agents.trpo_learner import TRPO
from recall.buffers import TimedRollout
from recall.control import ControlTraining
from recall.envs.gym_env import GymConfig
from recall.envs.mujoco_vector import gym_envs
from recall.logbook import Means
from recall.runs import RunSpec
from recall.trace_measures import TraceMeasures
from recall.trust_region_recaller import TrustRegionRecallConfig, TrustRegionRecaller


class TrustRegionTraining(ControlTraining):
    """TRPO on a Gymnasium environment; an update is a rollout of `n_steps` in each of a run's `n_envs` environments."""

    parts = ("streams", "envs", "agent", "recaller", "learned", "recalled", "log")
    episodes = 10
    digest_every = 10
    digested = ("agent", "recaller", "learned")

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec)
        assert isinstance(spec.env, GymConfig)
        assert isinstance(spec.agent, TRPOConfig)
        self.config = spec.agent
        seeds = self.streams.integers("env", 0, 2**31, self.config.n_envs)
        self.envs = gym_envs(spec.env, seeds)
        self.agent: TRPO = TRPO(spec.agent, self.envs.obs_dim, self.envs.action_dim, self.streams)
        self.recaller = self._recaller()
        self.recalled, self.measures = None, None
        if self.recaller is not None:
            self.recalled, self.measures = Means(), TraceMeasures(spec.env, self.recaller)

    def _recaller(self) -> TrustRegionRecaller | None:
        if self.spec.recall is None:
            return None
        assert isinstance(self.spec.recall, TrustRegionRecallConfig)
        sizes = (self.envs.obs_dim, self.envs.action_dim)
        return TrustRegionRecaller(self.spec.recall, self.agent, *sizes, self.streams)

    @property
    def layers(self) -> Sequence[np.ndarray]:
        """Normalisation, layers and log standard deviations of the policies, (runs, ...) each."""
        return self.agent.actor

    def step(self) -> None:
        """One rollout, the update from it, and recall."""
        with self.clock("environment"):
            rollout = self._collect()
        with self.clock("learner"):
            learned = self.agent.update(rollout)
            self.learned.add(learned)
        if self.recaller is not None and self.recalled is not None:
            with self.clock("recall"):
                found = self.recaller.update(rollout)
            if found:
                self.recalled.add(found | {"trust_region_kl": learned["kl"]})
        self.close()

    def _evaluate(self) -> None:
        super()._evaluate()
        if self.recalled is not None and self.measures is not None:
            self.log.add("recall", self.steps, self.recalled.take() | self.measures.measure(self.steps))

    def _collect(self) -> TimedRollout:
        """Act for `n_steps` steps in every environment; what is beyond [-1, 1] is remembered, but not executed."""
        shape = (len(self.spec.seeds), self.config.n_envs, -1)
        noise = self.streams.normal("policy", self.config.n_steps, self.config.n_envs, self.envs.action_dim)
        columns: list[tuple[np.ndarray, ...]] = []
        for step in range(self.config.n_steps):
            obs, elapsed = self.envs.obs.reshape(shape), self.envs.elapsed.copy()
            action = self.agent.act(obs, noise[:, step])
            executed = np.minimum(np.maximum(action, -1), 1).reshape(-1, self.envs.action_dim)
            columns.append((obs, action, *self.envs.step(executed), elapsed))
        obs, action, next_obs, *rest = (np.stack(column) for column in zip(*columns, strict=True))
        reward, terminated, truncated, time = (each.reshape(-1, *shape[:2]) for each in rest)
        return TimedRollout(obs, action, reward, next_obs.reshape(obs.shape), terminated, truncated, time)
