"""The off-policy training loop: a step, recall, an update from the replay buffer (Algorithm 2 around SAC)."""

from collections.abc import Sequence

import numpy as np

from recall.agents.sac import Batch, SACConfig
from recall.agents.sac_learner import SAC, transitions
from recall.continuous_recaller import ContinuousRecallConfig, ContinuousRecaller
from recall.control import ControlTraining
from recall.diagnosis import Diagnosis
from recall.envs.gym_env import GymConfig
from recall.envs.gym_vector import GymEnvs
from recall.replay import ReplayBuffer
from recall.runs import RunSpec


class OffPolicyTraining(ControlTraining):
    """Soft actor-critics on a Gymnasium environment; an update is an environment step."""

    parts = ("streams", "envs", "agent", "replay", "recaller", "learned", "log")
    episodes = 5
    digest_every = 1000
    digested = ("agent", "recaller", "learned")

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec)
        assert isinstance(spec.env, GymConfig)
        assert isinstance(spec.agent, SACConfig)
        self.config = spec.agent
        seeds = self.streams.integers("env", 0, 2**31)
        self.envs = GymEnvs(spec.env, seeds)
        obs_dim, action_dim = self.envs.obs_dim, self.envs.action_dim
        self.agent: SAC = SAC(spec.agent, obs_dim, action_dim, self.streams)
        capacity = min(spec.agent.buffer_size, spec.total_steps)
        self.replay = ReplayBuffer(capacity, len(spec.seeds), obs_dim, action_dim)
        self.recaller = self._recaller()
        self.diagnosis = None
        if self.recaller is not None:
            self.diagnosis = Diagnosis(spec.env, self.replay, self.recaller, self.agent)

    def _recaller(self) -> ContinuousRecaller | None:
        if self.spec.recall is None:
            return None
        assert isinstance(self.spec.recall, ContinuousRecallConfig)
        return ContinuousRecaller(self.spec.recall, self.replay, self.streams)

    @property
    def warm_up(self) -> int:
        """The random steps."""
        return self.config.random_steps

    def step(self) -> None:
        """One environment step and, after the random ones, one update."""
        with self.clock("environment"):
            self._interact()
        if self.update >= self.config.random_steps:
            if self.recaller is not None:
                with self.clock("recall"):
                    self.recaller.update(self.agent)
            with self.clock("learner"):
                self.learned.add(self.agent.update(self._batch()))
        self.close()

    def _interact(self) -> None:
        """Act once in every environment and remember it."""
        obs = self.envs.obs
        action = self._action(obs)
        next_obs, reward, terminated, _ = self.envs.step(action)
        self.replay.add(obs, action, reward, next_obs, terminated)

    def _action(self, obs: np.ndarray) -> np.ndarray:
        if self.update < self.config.random_steps:
            return 2 * self.streams.uniform("policy", self.envs.action_dim) - 1
        noise = self.streams.normal("policy", 1, self.envs.action_dim)
        return self.agent.act(obs[:, None], noise)[:, 0]

    def _batch(self) -> Batch:
        numbers = self.streams.integers("replay", self.replay.start, self.replay.end, self.config.batch_size)
        return transitions(self.replay.take(numbers))

    def _evaluate(self) -> None:
        super()._evaluate()
        if self.diagnosis is not None:
            self.log.add("recall", self.steps, self.diagnosis.measure(self.steps))

    @property
    def layers(self) -> Sequence[np.ndarray]:
        """The actors' weights and biases."""
        return [layer.numpy() for layer in self.agent.learner.actor]
