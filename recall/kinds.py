"""Which agents there are, and for each the environments, the recaller and the loop it trains with."""

from typing import NamedTuple

from recall.agents.actor_critic import ActorCriticConfig
from recall.agents.sac import SACConfig
from recall.agents.trpo import TRPOConfig
from recall.continuous_recaller import ContinuousRecallConfig
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.four_rooms import FourRoomsConfig
from recall.envs.gym_env import GymConfig
from recall.envs.point_mass import PointMassConfig
from recall.envs.u_maze import UMazeConfig
from recall.errors import ParameterError
from recall.goal_agent import GoalAgentConfig
from recall.goal_gan_training import GoalGanTraining
from recall.goal_recaller import GoalRecallConfig
from recall.loop import Training
from recall.off_policy import OffPolicyTraining
from recall.on_policy import OnPolicyTraining
from recall.recaller import RecallConfig
from recall.runs import AgentConfig
from recall.trust_region import TrustRegionTraining
from recall.trust_region_recaller import TrustRegionRecallConfig


class Kind(NamedTuple):
    """The classes that belong to an agent."""

    agent: type[AgentConfig]
    """Its settings."""
    training: type[Training]
    """Its loop."""
    recall: type
    """Settings of recall traces around it."""
    envs: tuple[type, ...]
    """Settings of environments; one without a name of its own takes any."""

    def env(self, env_id: str) -> type:
        """The class of an environment: the one of this name, or the one that takes any."""
        known = [each for each in self.envs if getattr(each, "env_id", env_id) == env_id]
        if not known:
            raise ParameterError(f"no environment {env_id!r} for this agent")
        return known[0]


KINDS = {
    kind.agent.name: kind
    for kind in (
        Kind(ActorCriticConfig, OnPolicyTraining, RecallConfig, (FourRoomsConfig,)),
        Kind(SACConfig, OffPolicyTraining, ContinuousRecallConfig, (GymConfig,)),
        Kind(TRPOConfig, TrustRegionTraining, TrustRegionRecallConfig, (GymConfig,)),
        Kind(GoalAgentConfig, GoalGanTraining, GoalRecallConfig, (PointMassConfig, UMazeConfig, AntUMazeConfig)),
    )
}
"""By the name of the agent. A new agent is a line here: it is then trained, resumed, swept, stored and audited."""
