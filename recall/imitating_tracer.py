"""What recall around a trust region is wherever its traces start: a model that is unrolled, and a step of imitation."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import recall.engine
from recall.agents.trpo_imitation import Imitation
from recall.agents.trpo_learner import TRPO
from recall.best_tuples import BestTuples
from recall.seeding import Streams
from recall.tracer import TraceConfig, Tracer, check_share, check_sizes, split


@dataclass(frozen=True)
class ImitatingConfig(TraceConfig):
    """How traces are made, and how they pull a policy of trust regions."""

    learning_rate: float = 1e-3
    """Adam's step size of imitation, alpha of Algorithm 2. A trust region has none; ours, that of the value network."""
    weight: float = 1.0
    """Factor on the step of imitation. Algorithm 2 has 1; Adam would forget a factor on Eq. 6."""
    kl_share: float | None = 0.1
    """The step of imitation is halved until the KL by which it moves the policy, mean over the states of the rollout,
    is at most this share of the agent's target_kl. None takes it whole: Algorithm 2, line 13. Ours, so that the
    trust region leads."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "learning_rate", "weight")
        check_share(self, "kl_share", or_none=True)

    @property
    def numerics(self) -> dict[str, str]:
        """The model's engine: its agent's is numpy whatever the machine compiles."""
        return {"model_engine": recall.engine.engine()}


class ImitatingTracer(Tracer):
    """A `Tracer` whose traces an agent with trust regions imitates.

    Who inherits from it has the buffers that the model learns from among its `parts`.

    Args:
        config: settings.
        agent: whose policies are pulled.
        obs_dim, action_dim: sizes of the model.
        streams: random numbers; those of the agent are not touched.
    """

    def __init__(self, config: ImitatingConfig, agent: TRPO, obs_dim: int, action_dim: int, streams: Streams) -> None:
        super().__init__(config, obs_dim, action_dim, None, streams)
        bound = None if config.kl_share is None else config.kl_share * agent.target_kl
        self.imitation = Imitation(agent, config.learning_rate, config.weight, bound)

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, Any]:
        """What has a state beside model, units, traces and imitation, by name."""

    def pools(self, held: BestTuples, counts: np.ndarray) -> list[np.ndarray]:
        """Ranks below `counts`, (runs,), of the tuples to learn from; those that are held out are put aside."""
        births = [row[:count] for row, count in zip(held.births, counts, strict=True)]
        pools, self.held_out = split([np.arange(count) for count in counts], births)
        return pools

    def state(self) -> dict:
        """Model, units, traces, imitation and what else has a state, for a checkpoint."""
        return super().state() | {name: part.state() for name, part in self._all().items()}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        super().load_state(state)
        for name, part in self._all().items():
            part.load_state(state[name])

    def _all(self) -> dict[str, Any]:
        return {**self.parts, "imitation": self.imitation}
