"""Small specifications, trained in about a second, and what tests compare of their results."""

import os
import signal
from dataclasses import replace
from typing import Any

from recall.agents.actor_critic import ActorCriticConfig
from recall.envs.four_rooms import FourRoomsConfig
from recall.loop import Training
from recall.recaller import RecallConfig
from recall.runs import Result, RunSpec, csv

GRID = FourRoomsConfig(side=7, horizon=100)
AGENT = ActorCriticConfig(n_envs=4, n_steps=16, hidden=(16, 16), entropy=0.003)


def small_spec(
    model: str | None = None,
    seeds: tuple[int, ...] = (0, 1),
    updates: int = 30,
    env: FourRoomsConfig = GRID,
    agent: ActorCriticConfig = AGENT,
    eval_every: int = 3,
    **recall: Any,
) -> RunSpec:
    """A run of a few thousand steps in which every seed reaches the goal early on."""
    config = None if model is None else replace(RecallConfig(model, length=14, model_batch=32), **recall)
    steps = updates * agent.n_envs * agent.n_steps
    return RunSpec("small", model or "baseline", "side-7", env, agent, config, seeds, steps, eval_every)


def texts(result: Result) -> dict[str, str]:
    """All deterministic tables of a result as their record writes them."""
    return {name: csv(table) for name, table in result.tables.items()}


def report(training: Training) -> None:
    """Print how far it is, and kill this process where KILL_AT says so."""
    print(training.update, flush=True)
    if str(training.update) == os.environ.get("KILL_AT"):
        os.kill(os.getpid(), signal.SIGKILL)
