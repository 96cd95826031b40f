"""Small runs of trust region policy optimisation, trained in about a second."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rings import load
from small_control import CART

import recall.training
from recall.agents.trpo import TRPOConfig
from recall.envs.gym_env import GymConfig
from recall.errors import NonFiniteError
from recall.loop import Training
from recall.runs import RunSpec
from recall.trust_region import TrustRegionTraining
from recall.trust_region_recaller import TrustRegionRecallConfig, TrustRegionRecaller

AGENT = TRPOConfig(n_envs=3, n_steps=20, hidden=(8, 8), cg_iterations=5, value_epochs=2, value_batch=32)
"""An update after 60 steps."""
REPAIRED = TrustRegionRecallConfig(
    length=5, n_traces=4, model_updates=3, model_batch=32, top_fraction=0.4, capacity=150, learning_rate=0.03
)
ARMS = {
    "baseline": None,
    "repaired": REPAIRED,
    "as-written": replace(
        REPAIRED, target_fraction=None, normalise=False, action_std=1.0, stay_in_range=False, kl_share=None
    ),
    "reward-to-go": replace(REPAIRED, rank="reward-to-go"),
    "trajectories": replace(REPAIRED, learn_from="trajectories"),
}


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


def recall_spec(
    arm: str = "repaired", seeds: tuple[int, ...] = (0,), updates: int = 9, env_id: str = CART, **recall: Any
) -> RunSpec:
    """The same with recall, which by reward-to-go waits for the first episode's end."""
    config = ARMS[arm]
    spec = trpo_spec(seeds, updates, env_id, eval_every=min(4, updates))
    return replace(spec, arm=arm, recall=config and replace(config, **recall))


def recalling(training: TrustRegionTraining) -> TrustRegionRecaller:
    """The recaller of a training that has one."""
    assert training.recaller is not None
    return training.recaller


def set_number(state: Any, path: str, value: float) -> None:
    """A fault in one number of a nested state, in place: a path such as baseline/first."""
    for name in path.split("/"):
        state = state[name]
    state.flat[-1] = value


def check_stops(
    spec: RunSpec, folder: Path, patch: pytest.MonkeyPatch, inject: Callable[[TrustRegionTraining], None], sentence: str
) -> None:
    """A fault injected after the fifth update stops the run with the sentence, and what was saved is that update."""
    patch.setattr(recall.training, "CHECKPOINT_SECONDS", -1)

    def fault(training: Training) -> None:
        assert isinstance(training, TrustRegionTraining)
        assert training.update <= 5
        if training.update == 5:
            inject(training)

    with pytest.raises(NonFiniteError, match=sentence):
        recall.training.train(spec, folder, fault)
    state = load(folder)
    assert state is not None
    assert state["update"] == 5
