"""The on-policy training loop: rollouts, recall, updates, evaluation."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from recall import checkpoints
from recall.agents.actor_critic import ActorCritic
from recall.buffers import Rollout
from recall.envs.exact import discounted_values, effective_probs, evaluate, replay_return
from recall.envs.four_rooms import FourRooms
from recall.envs.four_rooms_vector import VectorFourRooms
from recall.errors import CheckpointError, TrainingStoppedError
from recall.exploration import Exploration
from recall.logbook import Logbook, Stopwatch
from recall.recaller import Recaller
from recall.runs import Result, RunSpec
from recall.seeding import Streams

SNAPSHOTS = {"early": 0.15, "midway": 0.4, "late": 1.0}
"""Shares of the training at which the traces of the first seed are kept, for the eye."""


CHECKPOINT_SECONDS = 20
"""What a kill may cost at most."""


class Training:
    """One group of seeds of one specification, from the first step to the last."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.streams = Streams(spec.seeds)
        self.grid = FourRooms(spec.env)
        self.env = VectorFourRooms(spec.env, len(spec.seeds), spec.agent.n_envs)
        self.agent = ActorCritic(spec.agent, self.grid.n_states, self.grid.n_actions, self.streams)
        self.recaller = self._recaller()
        self.exploration = Exploration(len(spec.seeds), self.grid)
        self.log = Logbook(spec.seeds)
        self.update = 0
        self.seconds = dict.fromkeys(("environment", "recall", "learner", "evaluation"), 0.0)
        self.env.reset(self.streams.uniform("env", spec.agent.n_envs))

    def _recaller(self) -> Recaller | None:
        if self.spec.recall is None:
            return None
        config = self.spec.agent
        recaller = Recaller(
            self.spec.recall,
            self.grid.predecessor,
            config.n_envs,
            config.discount,
            self.spec.total_steps,
            self.streams,
        )
        if self.spec.recall.known_goal:
            recaller.hand_over_goal(self.grid.goal)
        return recaller

    def step(self) -> None:
        """One iteration of Algorithm 2."""
        with self.clock("environment"):
            rollout = collect(self.env, self.agent, self.streams, self.spec.agent.n_steps)
            self.exploration.observe(rollout)
        recalled = {}
        if self.recaller is not None:
            with self.clock("recall"):
                self.recaller.observe(rollout)
                recalled = self.recaller.update(self.agent)
        with self.clock("learner"):
            learned = self.agent.update(rollout)
        self.update += 1
        with self.clock("evaluation"):
            if self.update % self.spec.eval_every == 0 or self.update == self.spec.n_updates:
                self._evaluate(learned, recalled)
            self._snapshot()

    def clock(self, phase: str) -> Stopwatch:
        """Adds the seconds of a block to a phase."""
        return Stopwatch(self.seconds, phase)

    @property
    def steps(self) -> int:
        """Environment steps of each seed so far."""
        return self.update * self.spec.agent.n_envs * self.spec.agent.n_steps

    def _evaluate(self, learned: dict[str, np.ndarray], recalled: dict[str, np.ndarray]) -> None:
        probs = effective_probs(self.agent.probs.astype(float), self.grid.config.slip)
        scores = evaluate(probs, self.grid, self.grid.config.max_steps, self.spec.agent.discount)
        self.log.add("metrics", self.steps, scores | learned | self.exploration.metrics())
        if self.recaller is not None:
            self.log.add("recall", self.steps, recalled | self._diagnose(self.recaller, probs))

    def _diagnose(self, recaller: Recaller, probs: np.ndarray) -> dict[str, np.ndarray]:
        """What the traces are worth, and how far the model is from the truth."""
        traces = recaller.traces
        actions = np.where(traces.valid, traces.action, -1)[..., ::-1]
        discount = self.spec.agent.discount
        first = traces.obs[..., -1]
        replayed = replay_return(first, actions, self.grid, discount).mean(1)
        values = discounted_values(probs, self.grid, discount)
        own = np.take_along_axis(values, first, 1).mean(1)
        knows = recaller.targets.rewarded
        return {
            "model_gradient_steps": np.full(len(knows), recaller.gradient_steps),
            "trace_return": np.where(knows, replayed, np.nan),
            "policy_return": np.where(knows, own, np.nan),
            "model_tv": recaller.distance(self.agent),
        }

    def _snapshot(self) -> None:
        """Keep the first seed's traces and values at the agreed moments."""
        for name, share in SNAPSHOTS.items():
            if self.recaller is not None and self.update == round(share * self.spec.n_updates):
                self.log.snapshot(name, self.recaller, self.agent, self.grid)

    def _parts(self) -> dict:
        """Everything that changes while training and keeps its own state."""
        names = ("streams", "env", "agent", "recaller", "exploration", "log")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def state(self) -> checkpoints.State:
        """The training as it stands, for a checkpoint."""
        parts = {name: part.state() for name, part in self._parts().items()}
        return {"key": self.spec.key, "update": self.update, "seconds": dict(self.seconds), **parts}

    def load_state(self, state: checkpoints.State) -> None:
        """Go on from a checkpoint, which must be of the same specification."""
        if state.get("key") != self.spec.key:
            raise CheckpointError(f"the checkpoint is of run {state.get('key')}; this run is {self.spec.key}")
        self.update, self.seconds = state["update"], state["seconds"]
        for name, part in self._parts().items():
            part.load_state(state[name])

    def result(self) -> Result:
        """The tables of a finished training."""
        tables = self.log.tables() | {"occupancy": self.exploration.table()}
        timing = pd.DataFrame({"phase": self.seconds.keys(), "seconds": self.seconds.values()})
        return Result(tables, timing, torch.get_num_threads())


def train(
    spec: RunSpec,
    checkpoint: Path | None = None,
    on_update: Callable[[Training], object] = lambda training: None,
) -> Result:
    """Train a specification to its end, from its checkpoint if there is one.

    Args:
        spec: what to train.
        checkpoint: file that keeps the state at most `CHECKPOINT_SECONDS` behind; None keeps none. It outlives the
            training, for the caller to remove once the result is safe. One that is damaged or of another run is left
            unread, with a notice.
        on_update: called after every update; what it raises ends the training, and the checkpoint stays. If it is
            TrainingStoppedError, the checkpoint is brought up to date first.
    """
    training = Training(spec)
    if checkpoint is not None and checkpoint.is_file():
        try:
            training.load_state(checkpoints.load(checkpoint))
        except CheckpointError as error:
            print(f"recall: {error}; {spec.folder} starts again from its beginning", file=sys.stderr)
    saved = time.monotonic()
    try:
        while training.update < spec.n_updates:
            training.step()
            if checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
                checkpoints.save(checkpoint, training.state())
                saved = time.monotonic()
            on_update(training)
    except TrainingStoppedError:
        if checkpoint is not None:
            checkpoints.save(checkpoint, training.state())
        raise
    return training.result()


def collect(env: VectorFourRooms, agent: ActorCritic, streams: Streams, n_steps: int) -> Rollout:
    """Let the agent act for `n_steps` steps in every environment."""
    policy = streams.uniform("policy", n_steps, env.obs.shape[1]).swapaxes(0, 1)
    chance = streams.uniform("env", n_steps, env.obs.shape[1], 3).swapaxes(0, 1)
    columns: list[tuple[np.ndarray, ...]] = []
    for t in range(n_steps):
        obs = env.obs.copy()
        action = agent.act(obs, policy[t])
        next_obs, reward, terminated, truncated, _ = env.step(action, chance[t])
        columns.append((obs, action, reward, next_obs, terminated, truncated))
    return Rollout(*(np.stack(column) for column in zip(*columns, strict=True)))
