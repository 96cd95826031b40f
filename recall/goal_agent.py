"""What a goal-conditioned agent is made of, as one configuration that a run's specification can hold."""

from dataclasses import dataclass, field
from typing import ClassVar

from recall.agents.trpo import TRPOConfig
from recall.goal_curriculum import CurriculumConfig
from recall.goal_gan import GoalGANConfig


@dataclass(frozen=True)
class GoalAgentConfig:
    """Settings of the policy and of the goals that it is trained on."""

    name: ClassVar[str] = "goal-gan"
    """What specifications call it."""
    version: ClassVar[int] = 100 * TRPOConfig.version + 10 * CurriculumConfig.version + GoalGANConfig.version
    """A digit each for the policy, the curriculum and the networks; part of the identity of a run."""
    numerics: ClassVar[dict[str, str]] = TRPOConfig.numerics
    """Engine and precision."""

    policy: TRPOConfig = field(default_factory=TRPOConfig)
    """Of trust region policy optimisation. The paper points to Held et al. 2017."""
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    """Of the goals. The paper points to Held et al. 2017."""

    @property
    def steps_per_update(self) -> int:
        """Environment steps of a seed that train its policy in one outer step; those beside it are not among them."""
        return self.policy.steps_per_update * self.curriculum.inner_iterations
