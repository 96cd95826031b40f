"""A curriculum of goals (Held et al. 2017, Algorithm 1): proposed by a GAN and an archive, and labelled."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from recall.envs.goal_world import GoalWorld
from recall.errors import ConfigError
from recall.goal_archive import GoalArchive
from recall.goal_gan import GoalGAN, GoalGANConfig
from recall.goal_labels import intermediate
from recall.seeding import Streams


@dataclass(frozen=True)
class CurriculumConfig:
    """Settings. The paper points to Held et al. 2017, whose code they are from; defaults are the point maze's."""

    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""

    gan: GoalGANConfig = field(default_factory=GoalGANConfig)
    """Of the networks."""
    new_goals: int = 200
    """Goals from the generator, an outer step. Held et al. 2017."""
    old_goals: int = 100
    """Goals from the archive, an outer step, or all where there are fewer. Held et al. 2017."""
    goal_noise: float = 0.5
    """Standard deviation of what is added to each coordinate of a new goal. Held et al. 2017."""
    archive_distance: float = 0.3
    """Goals of the archive lie farther apart. Held et al. 2017."""
    visited_goals: int = 10_000
    """States visited by the first policy, which the GAN learns as good goals before all else: those of as many episodes
    as would give this number if none ended early. Held et al. 2017 go on until there are so many."""
    archive_visited: bool = True
    """Whether as many states, visited after each outer step, go to the archive. Held et al. 2017 in mazes alone."""
    inner_iterations: int = 5
    """Updates of the policy, an outer step. Held et al. 2017."""
    label_attempts: int = 0
    """Episodes towards each goal only for its label; 0 labels by the training's episodes. Held et al. 2017: 3 in N
    dimensions and for the ant."""
    min_episodes: int = 2
    """Episodes a goal needs to be labelled at all. Held et al. 2017, where labels are by the training's episodes."""
    min_success: float = 0.0
    """Success rate above which a goal is not too hard. Held et al. 2017: 0.1 in N dimensions and for the ant."""
    max_success: float = 1.0
    """Success rate below which a goal is not too easy. Held et al. 2017: 0.9 in N dimensions and for the ant."""

    def __post_init__(self) -> None:
        for name in ("new_goals", "visited_goals", "inner_iterations", "min_episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("old_goals", "goal_noise", "archive_distance", "label_attempts"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if not 0 <= self.min_success < self.max_success <= 1:
            raise ConfigError(
                f"min_success is {self.min_success}, max_success {self.max_success}; both lie in [0, 1], in this order"
            )


U_MAZE = CurriculumConfig()
POINT_MASS = CurriculumConfig(
    gan=GoalGANConfig(updates=100, pretraining_updates=30),
    archive_visited=False,
    label_attempts=3,
    min_success=0.1,
    max_success=0.9,
)
ANT_MAZE = CurriculumConfig(gan=GoalGANConfig(updates=250, pretraining_updates=250), min_success=0.1, max_success=0.9)
"""What they have in the ant's maze, but for labels: theirs are by three episodes of their own towards each goal, which
may be 450,000 steps; here by the training's, ours."""


class GoalCurriculum:
    """Proposes goals to each run of a group and learns which of them were of intermediate difficulty.

    Args:
        config: settings.
        world: whose goals.
        streams: random numbers, of which `gan_init`, `gan` and `goals` are used.
    """

    def __init__(self, config: CurriculumConfig, world: GoalWorld, streams: Streams) -> None:
        self.config, self.world, self.streams = config, world, streams
        self.gan = GoalGAN(config.gan, world.goal_centre, world.goal_range, streams["gan_init"], streams["gan"])
        self.archives = [GoalArchive(world.dimension, config.archive_distance) for _ in streams.seeds]

    def begin(self, places: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Learn that visited places, (n, dimension) of each run, are good goals; returns the GAN's losses."""
        labels = [np.ones(len(each), bool) for each in places]
        return self.gan.train(places, labels, self.config.gan.pretraining_updates)

    def propose(self) -> list[np.ndarray]:
        """Goals to train on, (n, dimension) of each run: new ones with noise, cut to the box, and some of the old."""
        made, world = self.gan.sample(self.config.new_goals), self.world
        low, high = world.goal_centre - world.goal_range, world.goal_centre + world.goal_range
        goals = []
        for new, archive, generator in zip(made, self.archives, self.streams["goals"], strict=True):
            noisy = new + self.config.goal_noise * generator.standard_normal(new.shape)
            old = archive.sample(generator, self.config.old_goals)
            goals.append(np.concatenate([np.clip(noisy, low, high), old]))
        return goals

    def learn(
        self, goals: Sequence[np.ndarray], rates: Sequence[np.ndarray], episodes: Sequence[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Label goals, train the GAN on them, and archive the good ones; returns metrics, (runs,) each.

        Args:
            goals: of each run, (n, dimension).
            rates: how often they were reached, (n,).
            episodes: in how many episodes that was seen, (n,).

        Raises:
            RecallError: a run has no goal with `min_episodes`.
        """
        known = [each >= self.config.min_episodes for each in episodes]
        tried = [each[mask] for each, mask in zip(goals, known, strict=True)]
        bounds = (self.config.min_success, self.config.max_success)
        labels = [intermediate(each[mask], *bounds) for each, mask in zip(rates, known, strict=True)]
        losses = self.gan.train(tried, labels, self.config.gan.updates)
        self.remember([each[good] for each, good in zip(tried, labels, strict=True)])
        return losses | {
            "good_goals": np.array([good.mean() for good in labels]),
            "archived_goals": np.array([len(archive) for archive in self.archives]),
        }

    def remember(self, goals: Sequence[np.ndarray]) -> None:
        """Add goals, (n, dimension) of each run, to the archives."""
        for archive, each in zip(self.archives, goals, strict=True):
            archive.add(each)

    def state(self) -> dict:
        """Networks and archives, for a checkpoint; the streams are their owner's."""
        archives = {str(run): archive.state() for run, archive in enumerate(self.archives)}
        return {"gan": self.gan.state(), "archives": archives}

    def load_state(self, state: dict) -> None:
        """Put them back where `state()` found them."""
        self.gan.load_state(state["gan"])
        for run, archive in enumerate(self.archives):
            archive.load_state(state["archives"][str(run)])
