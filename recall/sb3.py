"""Recall traces for agents of stable-baselines3 and sb3-contrib: a callback, and no fork (the extra `sb3`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor

from recall.continuous_recaller import ContinuousRecallConfig
from recall.errors import ConfigError
from recall.recall_traces import RecallTraces

KNOWN = ("SAC", "PPO", "A2C", "TRPO")
"""Agents that can be pulled, by the names of their classes: sb3-contrib, which has the last, need not be there."""

SQUASHED_LIMIT = 0.999
"""Largest action of SAC that is imitated: that of 1 has no likelihood under a squashed Gaussian."""


@dataclass(frozen=True)
class CallbackConfig:
    """How an agent of stable-baselines3 is pulled. All are ours."""

    interval: int = 1000
    """Least environment steps between two recalls; agents that learn from rollouts recall before one begins."""
    steps: int = 10
    """Gradient steps of imitation after each; 0 recalls, and leaves the agent as it would be to the bit."""
    batch: int = 256
    """Recalled pairs a gradient step."""
    learning_rate: float = 1e-4
    """Adam's step size of imitation."""

    def __post_init__(self) -> None:
        if wrong := [name for name in ("interval", "batch", "learning_rate") if getattr(self, name) <= 0]:
            raise ConfigError(f"{wrong[0]} is {getattr(self, wrong[0])}; it must be positive")
        if self.steps < 0:
            raise ConfigError(f"steps is {self.steps}; it must be 0 or more")


class RecallCallback(BaseCallback):
    """Recalls, and imitates in steps of its own, while an agent learns.

    `PPO("MlpPolicy", "CartPole-v1").learn(50_000, RecallCallback())`. SAC, PPO, A2C and sb3-contrib's TRPO are known;
    observations are vectors, actions vectors or one of a number. What was seen and learned is kept from one `learn` of
    an agent to the next.

    Args:
        config: when and how it imitates.
        recall: how the model learns and traces are made.
        seed: of the recall; the agent's own random numbers are not touched.
    """

    def __init__(
        self, config: CallbackConfig | None = None, recall: ContinuousRecallConfig | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.config, self.recall_config, self.seed = config or CallbackConfig(), recall, seed
        self.metrics: dict[str, float] = {}
        """Of the last recall, and `imitation_loss`."""
        self.due = self.config.interval
        self._served: BaseAlgorithm | None = None

    def _init_callback(self) -> None:
        self.due = self.model.num_timesteps + self.config.interval
        if self._served is not self.model:
            self._serve()
            self._served = self.model

    def _serve(self) -> None:
        """Begin with the agent that is now trained."""
        observed, acted = self.training_env.observation_space, self.training_env.action_space
        if not isinstance(observed, spaces.Box) or len(observed.shape) != 1:
            raise ConfigError(f"observations are {observed}; recall traces need vectors, Box with one dimension")
        if not isinstance(acted, spaces.Box | spaces.Discrete):
            raise ConfigError(f"actions are {acted}; recall traces need Box or Discrete")
        classes = {each.__name__ for each in type(self.model).__mro__}
        if not isinstance(self.model, SAC | OnPolicyAlgorithm) or classes.isdisjoint(KNOWN):
            raise ConfigError(f"{type(self.model).__name__} is not known; choose from SAC, PPO, A2C and TRPO")
        sizes = {"n_actions": int(acted.n)} if isinstance(acted, spaces.Discrete) else {"action_dim": acted.shape[0]}
        self.recall = RecallTraces(observed.shape[0], config=self.recall_config, seed=self.seed, **sizes)
        self.agent = OffPolicy(self.model) if isinstance(self.model, SAC) else OnPolicy(self.model)
        self.adam = torch.optim.Adam(self.agent.parameters, self.config.learning_rate)

    def _on_step(self) -> bool:
        infos, dones = self.locals["infos"], self.locals["dones"]
        next_obs = np.array(self.locals["new_obs"], np.float32)
        for i in np.flatnonzero(dones):
            next_obs[i] = infos[i]["terminal_observation"]  # the vector environment shows the next episode's first
        truncated = [info.get("TimeLimit.truncated", False) for info in infos]
        self.recall.observe(
            np.asarray(self.model._last_obs),
            self.agent.drawn(self.locals),
            self.locals["rewards"],
            next_obs,
            dones & ~np.array(truncated),
        )
        return True

    def _on_rollout_start(self) -> None:
        """Between two updates of the agent, so that what it stored of its policy is of one policy."""
        if self.num_timesteps >= self.due:
            self.due = self.num_timesteps + self.config.interval
            self.metrics = self.recall.update(self.agent.value)
            for _ in range(self.config.steps):
                self.imitate()
            for name, metric in self.metrics.items():
                self.logger.record(f"recall/{name}", metric)

    def imitate(self) -> None:
        """One gradient step up Eq. 6."""
        obs, action = self.recall.batch(self.config.batch)
        if len(obs):
            device = self.model.device
            loss = -self.agent.log_prob(torch.as_tensor(obs).to(device), torch.as_tensor(action).to(device)).mean()
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            self.metrics["imitation_loss"] = loss.item()


class OnPolicy:
    """What recall needs of A2C, PPO and TRPO."""

    def __init__(self, model: OnPolicyAlgorithm) -> None:
        self.policy = model.policy
        self.device = model.device
        self.parameters = [*self.policy.parameters()]

    def drawn(self, found: dict[str, Any]) -> np.ndarray:
        """Actions of a step, as the policy drew them."""
        return np.asarray(found["actions"].cpu() if isinstance(found["actions"], Tensor) else found["actions"])

    def value(self, obs: np.ndarray) -> np.ndarray:
        """The critic's."""
        with torch.no_grad():
            return self.policy.predict_values(torch.as_tensor(obs).to(self.device)).cpu().numpy()[:, 0]

    def log_prob(self, obs: Tensor, action: Tensor) -> Tensor:
        """Of actions, (n,)."""
        return self.policy.evaluate_actions(obs, action)[1]


class OffPolicy:
    """What recall needs of SAC."""

    def __init__(self, model: SAC) -> None:
        self.actor, self.critic, self.device = model.actor, model.critic, model.device
        self.parameters = [*self.actor.parameters()]

    def drawn(self, found: dict[str, Any]) -> np.ndarray:
        """Actions of a step, in [-1, 1] as the policy draws them."""
        return np.asarray(found["buffer_actions"])

    def value(self, obs: np.ndarray) -> np.ndarray:
        """The lower of the critics for the mean action."""
        state = torch.as_tensor(obs).to(self.device)
        with torch.no_grad():
            critics = torch.cat(self.critic(state, self.actor(state, deterministic=True)), 1)
        return critics.min(1).values.cpu().numpy()

    def log_prob(self, obs: Tensor, action: Tensor) -> Tensor:
        """Of actions in [-1, 1], (n,)."""
        mean, log_std, rest = self.actor.get_action_dist_params(obs)
        distribution = self.actor.action_dist.proba_distribution(mean, log_std, **rest)
        return distribution.log_prob(action.clamp(-SQUASHED_LIMIT, SQUASHED_LIMIT))
