"""Small runs of trust region policy optimisation, trained in about a second."""

from dataclasses import replace
from typing import Any

from small_control import CART

from recall.agents.trpo import TRPOConfig
from recall.envs.gym_env import GymConfig
from recall.runs import RunSpec
from recall.trust_region import TrustRegionTraining

AGENT = TRPOConfig(n_envs=3, n_steps=20, hidden=(8, 8), cg_iterations=5, value_epochs=2, value_batch=32)
"""An update after 60 steps."""


def trpo_spec(
    seeds: tuple[int, ...] = (0,), updates: int = 20, env_id: str = CART, eval_every: int = 6, **agent: Any
) -> RunSpec:
    """A run whose episodes end within rollouts in either way."""
    config = replace(AGENT, **agent)
    steps = updates * config.steps_per_update
    env = GymConfig(env_id)
    return RunSpec("small", "baseline", env.label, env, config, None, seeds, steps, eval_every)


def trained(spec: RunSpec, updates: int | None = None) -> TrustRegionTraining:
    """A training after some updates, or at its end."""
    training = TrustRegionTraining(spec)
    while training.update < (spec.n_updates if updates is None else updates):
        training.step()
    return training
