"""The outer loop of Goal GAN around trust region policy optimisation (Held et al. 2017, Algorithm 1)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from recall.agents.trpo import TRPOConfig
from recall.agents.trpo_learner import TRPO
from recall.attempts import Attempts, attempt, visited
from recall.buffers import TimedRollout, of_finite_horizon
from recall.coverage import coverage_config, success_map
from recall.envs.goal_world import GoalWorld
from recall.goal_curriculum import CurriculumConfig, GoalCurriculum
from recall.goal_labels import success_rates
from recall.goal_recaller import GoalRecallConfig, GoalRecaller
from recall.goal_rollouts import GoalRollouts
from recall.logbook import Means
from recall.seeding import GOAL_STREAMS, Streams

U_MAZE = TRPOConfig(
    n_envs=100,
    n_steps=200,
    discount=0.99,
    gae_lambda=1.0,
    kl_per_dimension=False,
    cg_iterations=10,
    cg_damping=1e-5,
    line_search_steps=15,
    hidden=(64, 64),
    baseline="linear",
    normalise_obs=False,
    normalise_reward=False,
)
"""What Held et al. 2017 have in the point maze, most by rllab's defaults; their standard deviation does not learn."""

POINT_MASS = replace(U_MAZE, discount=0.995, hidden=(32, 32))
"""What they have in N dimensions."""

ANT = replace(U_MAZE, n_envs=200, n_steps=500)
"""What they have in the ant's maze: their standard deviation learns there too."""

PURPOSES = ("training", "visits", "labels", "evaluation")
"""What environment steps are made for, and counted by."""


class GoalTraining:
    """Goal-conditioned policies of a group of seeds, and the curricula that they learn from.

    Args:
        world: where.
        agent: settings of the policies.
        curriculum: settings of the goals.
        seeds: one a run.
        recall: settings of recall; None is Goal GAN alone.
        clock: told what the time of a block goes to.
    """

    parts = ("streams", "agent", "curriculum", "recaller", "recalled")

    def __init__(
        self,
        world: GoalWorld,
        agent: TRPOConfig,
        curriculum: CurriculumConfig,
        seeds: Sequence[int],
        recall: GoalRecallConfig | None = None,
        clock: Callable[[str], AbstractContextManager] = nullcontext,
    ) -> None:
        self.world, self.config, self.clock = world, curriculum, clock
        self.streams = Streams(seeds, GOAL_STREAMS)
        self.agent = TRPO(agent, world.state_dim + world.dimension, world.action_dim, self.streams)
        self.curriculum = GoalCurriculum(curriculum, world, self.streams)
        self.rollouts = GoalRollouts(world, len(seeds), agent.n_envs)
        self.recaller = recall and GoalRecaller(recall, self.agent, world, self.streams)
        self.recalled = Means()
        """Metrics of recall since they were last taken."""
        self._compiled = False
        self.outer_steps = 0
        self.steps = {purpose: np.zeros(len(seeds), np.int64) for purpose in PURPOSES}
        """Environment steps so far, (runs,) each."""

    def step(self) -> dict[str, np.ndarray]:
        """One outer step: propose goals, train on them, label them, learn from that; returns metrics, (runs,) each."""
        if self.outer_steps == 0:
            places = self._visit()
            with self.clock("learner"):
                self.curriculum.begin(places)
        goals = self.curriculum.propose()
        learned = self._train(goals)
        outcomes = self._judge(goals)
        with self.clock("learner"):
            metrics = self.curriculum.learn(goals, *outcomes)
        if self.config.archive_visited:
            self.curriculum.remember(self._visit())
        self.outer_steps += 1
        return learned | metrics

    def evaluate(self) -> np.ndarray:
        """Success rate at every goal of coverage, (runs, goals)."""
        act, config = self.agent.act, coverage_config(self.world)
        with self.clock("evaluation"):
            found, steps = success_map(self.world, act, config, self.streams["coverage"])
        self.steps["evaluation"] += steps
        return found

    def _train(self, goals: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The inner iterations; returns the means of their metrics."""
        config, streams, means = self.agent.config, self.streams, Means()
        self.rollouts.begin(goals, streams.uniform("env", config.n_envs))
        if self.recaller:
            self.recaller.begin([each[: self.config.new_goals] for each in goals])
        for _ in range(self.config.inner_iterations):
            noise = streams.normal("policy", config.n_steps, config.n_envs, self.world.action_dim)
            uniform = streams.uniform("env", config.n_steps, config.n_envs)
            with self.clock("environment"):
                rollout = self.rollouts.collect(self.agent.act, noise, uniform)
            with self.clock("learner"):
                means.add(self.agent.update(of_finite_horizon(rollout)) | {"reward": rollout.reward.mean((0, 2))})
            self._recall(rollout)
            self.steps["training"] += config.steps_per_update
        return means.take()

    def _recall(self, rollout: TimedRollout) -> None:
        """Recall after an update of the policies, if there is recall (Algorithm 2, lines 8 to 13).

        The first time in a process also compiles the model and has a clock of its own, for that takes seconds.
        """
        if self.recaller:
            with self.clock("recall" if self._compiled else "compilation"):
                found = self.recaller.update(rollout)
            if found:
                self._compiled = True
                self.recalled.add(found)

    def _judge(self, goals: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Success rates of goals and numbers of episodes, from the training or from episodes of their own."""
        n = self.config.label_attempts
        if n == 0:
            return self.rollouts.outcomes()
        rates, episodes = [], []
        for run, each in enumerate(goals):
            tried = self._attempt(run, "labels", each.repeat(n, 0))
            found = success_rates(np.arange(len(each)).repeat(n), tried.success[0], len(each))
            rates.append(found[0])
            episodes.append(found[1])
        return rates, episodes

    def _visit(self) -> list[np.ndarray]:
        """Places that the policies visit on their way to goals all over the box, (n, dimension) of each run."""
        world, places = self.world, []
        low, high = world.goal_centre - world.goal_range, world.goal_centre + world.goal_range
        n = -(-self.config.visited_goals // world.horizon)
        for run, generator in enumerate(self.streams["goals"]):
            goals = generator.uniform(low, high, (n, world.dimension))
            places += visited(self._attempt(run, "visits", goals))
        return places

    def _attempt(self, run: int, purpose: str, goals: np.ndarray) -> Attempts:
        """Episodes of one run, counted; goals (n, dimension)."""
        act = partial(self.agent.act, runs=slice(run, run + 1))
        with self.clock("environment"):
            found = attempt(self.world, act, goals[None], self.streams["labels"][run : run + 1])
        self.steps[purpose][run] += found.steps[0]
        return found

    def state(self) -> dict:
        """The training between two outer steps, for a checkpoint."""
        counts = {"outer_steps": self.outer_steps, "steps": self.steps}
        return counts | {name: part.state() for name, part in self._parts().items()}

    def load_state(self, state: dict) -> None:
        """Put it back where `state()` found it."""
        self.outer_steps, self.steps = state["outer_steps"], state["steps"]
        for name, part in self._parts().items():
            part.load_state(state[name])

    def _parts(self) -> dict[str, Any]:
        return {name: part for name in self.parts if (part := getattr(self, name)) is not None}
