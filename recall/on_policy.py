"""The on-policy training loop: rollouts, recall, updates, evaluation."""

import numpy as np
import pandas as pd

from recall.agents.actor_critic import ActorCritic, ActorCriticConfig
from recall.buffers import Rollout
from recall.envs.exact import discounted_values, effective_probs, evaluate, replay_return
from recall.envs.four_rooms import FourRooms, FourRoomsConfig
from recall.envs.four_rooms_vector import VectorFourRooms
from recall.exploration import Exploration
from recall.loop import Training
from recall.recaller import RecallConfig, Recaller
from recall.runs import RunSpec
from recall.seeding import Streams

SNAPSHOTS = {"early": 0.15, "midway": 0.4, "late": 1.0}
"""Shares of the training at which the traces of the first seed are kept, for the eye."""


class OnPolicyTraining(Training):
    """Actor-critics in the four rooms, all seeds of a group as one batch."""

    parts = ("streams", "env", "agent", "recaller", "exploration", "log")

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec)
        assert isinstance(spec.env, FourRoomsConfig)
        assert isinstance(spec.agent, ActorCriticConfig)
        self.config = spec.agent
        self.grid = FourRooms(spec.env)
        self.env = VectorFourRooms(spec.env, len(spec.seeds), self.config.n_envs)
        self.agent = ActorCritic(self.config, self.grid.n_states, self.grid.n_actions, self.streams)
        self.recaller = self._recaller()
        self.exploration = Exploration(len(spec.seeds), self.grid)
        self.env.reset(self.streams.uniform("env", self.config.n_envs))

    def _recaller(self) -> Recaller | None:
        if self.spec.recall is None:
            return None
        assert isinstance(self.spec.recall, RecallConfig)
        recaller = Recaller(
            self.spec.recall,
            self.grid.predecessor,
            self.config.n_envs,
            self.config.discount,
            self.spec.total_steps,
            self.streams,
        )
        if self.spec.recall.known_goal:
            recaller.hand_over_goal(self.grid.goal)
        return recaller

    def step(self) -> None:
        """One iteration of Algorithm 2."""
        with self.clock("environment"):
            rollout = collect(self.env, self.agent, self.streams, self.config.n_steps)
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
            if self.evaluation_due:
                self._evaluate(learned, recalled)
            self._snapshot()

    def _evaluate(self, learned: dict[str, np.ndarray], recalled: dict[str, np.ndarray]) -> None:
        probs = effective_probs(self.agent.probs.astype(float), self.grid.config.slip)
        scores = evaluate(probs, self.grid, self.grid.config.max_steps, self.config.discount)
        self.log.add("metrics", self.steps, scores | learned | self.exploration.metrics())
        if self.recaller is not None:
            self.log.add("recall", self.steps, recalled | self._diagnose(self.recaller, probs))

    def _diagnose(self, recaller: Recaller, probs: np.ndarray) -> dict[str, np.ndarray]:
        """What the traces are worth, and how far the model is from the truth."""
        traces = recaller.traces
        actions = np.where(traces.valid, traces.action, -1)[..., ::-1]
        discount = self.config.discount
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

    def tables(self) -> dict[str, pd.DataFrame]:
        """Rows of the log, and where the runs have been."""
        return super().tables() | {"occupancy": self.exploration.table()}


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
