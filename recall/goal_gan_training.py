"""Goal GAN as a training that leaves a record: an update is an outer step, evaluation is coverage."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd

from recall.coverage import coverage_goals
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.ant_vector import AntUMaze
from recall.envs.goal_world import GoalWorld
from recall.envs.point_mass import PointMass, PointMassConfig
from recall.envs.u_maze import UMaze, UMazeConfig
from recall.errors import ConfigError
from recall.goal_agent import GoalAgentConfig
from recall.goal_recaller import GoalRecallConfig
from recall.goal_training import GoalTraining
from recall.identity import state_digest
from recall.logbook import Means
from recall.loop import Training
from recall.runs import EnvConfig, RunSpec

SNAPSHOTS = (0, 5, 30, 60)
"""Outer steps, beside the last, after which success at every goal is kept: those of Fig. 8, and the beginning."""

DIGEST_EVERY = 10
"""Outer steps between two rows of the table *digests*."""

DIGESTED = ("agent", "curriculum", "recaller")
"""Parts whose states it has digests of."""


class GoalSettings(NamedTuple):
    """The parts of a specification, as what they are."""

    world: GoalWorld
    agent: GoalAgentConfig
    recall: GoalRecallConfig | None


def goal_settings(spec: RunSpec) -> GoalSettings:
    """World, agent and recall of a specification, which must be one of Goal GAN."""
    assert isinstance(spec.agent, GoalAgentConfig)
    assert spec.recall is None or isinstance(spec.recall, GoalRecallConfig)
    return GoalSettings(world_of(spec.env), spec.agent, spec.recall)


def world_of(config: EnvConfig) -> GoalWorld:
    """The world that a configuration describes."""
    if isinstance(config, PointMassConfig):
        return PointMass(config)
    if isinstance(config, UMazeConfig):
        return UMaze(config)
    if isinstance(config, AntUMazeConfig):
        return AntUMaze(config)
    raise ConfigError(f"the environment is {config.env_id}; goals are generated for point masses and the ant alone")


class GoalGanTraining(Training):
    """The outer loop of Goal GAN, with or without recall, evaluated by coverage, and once before it begins."""

    parts = ("goals", "learned", "log")

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec)
        self.seconds |= {"compilation": 0.0}
        world, agent, recall = goal_settings(spec)
        self.goals = GoalTraining(world, agent.policy, agent.curriculum, spec.seeds, recall, self.clock)
        self.streams = self.goals.streams
        self.learned = Means()

    @property
    def threads(self) -> int:
        """With how many it trains or steps its bodies."""
        return max(super().threads, self.goals.world.threads)

    @property
    def layers(self) -> Sequence[np.ndarray]:
        """Normalisation, layers and log standard deviations of the policies, (runs, ...) each."""
        return self.goals.agent.actor

    def audited(self, updates: int) -> int:
        """Updates are counted of policies and goals' networks alike; the first digest is waited for."""
        curriculum = self.goals.config
        return max(DIGEST_EVERY, ceil(updates / (curriculum.inner_iterations + curriculum.gan.updates)))

    def step(self) -> None:
        """One outer step, and what is due after it."""
        if self.update == 0:
            self._evaluate()
        self.learned.add(self.goals.step())
        self.update += 1
        if self.update % DIGEST_EVERY == 0:
            self.log.add("digests", self.steps, self._digests())
        if self.evaluation_due:
            self._evaluate()

    def _evaluate(self) -> None:
        """A row of metrics, one of recall if there was any, and a map if it is time for one."""
        found = self.goals.evaluate()
        counts = {f"{purpose}_steps": count.copy() for purpose, count in self.goals.steps.items()}
        coverage = found.mean(1)  # the average return too, for reaching a goal earns 1 (Fig. 4)
        row = {"outer_step": np.full(len(found), self.update), "coverage": coverage, "return": coverage}
        self.log.add("metrics", self.steps, row | counts | self.learned.take())
        recalled = self.goals.recalled.take()
        if recalled:
            self.log.add("recall", self.steps, recalled)
        if self.update in SNAPSHOTS or self.update == self.spec.n_updates:
            self.log.append("coverage", self._map(found))

    def _map(self, found: np.ndarray) -> pd.DataFrame:
        """Success (runs, goals) with the first two coordinates of the goals: the others are thin."""
        goals = coverage_goals(self.goals.world)
        columns = {"outer_step": self.update, "x": goals[:, 0], "y": goals[:, 1]}
        maps = [
            pd.DataFrame({"seed": seed, "step": self.steps, **columns, "success": rates})
            for seed, rates in zip(self.spec.seeds, found, strict=True)
        ]
        return pd.concat(maps, ignore_index=True)

    def _digests(self) -> dict[str, np.ndarray]:
        """What a part of a run is compared by: digests of the group, so the same for each of its seeds."""
        parts = {name: part for name in DIGESTED if (part := getattr(self.goals, name)) is not None}
        return {name: np.full(len(self.spec.seeds), state_digest(part.state())) for name, part in parts.items()}
