"""Small runs of Goal GAN, of whose outer steps several take a second."""

from dataclasses import replace

from recall import goal_curriculum, goal_training
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.point_mass import PointMassConfig
from recall.envs.u_maze import UMazeConfig
from recall.goal_agent import GoalAgentConfig
from recall.goal_experiments import Task
from recall.goal_gan import GoalGANConfig
from recall.goal_gan_training import GoalGanTraining
from recall.goal_recaller import GoalRecallConfig, GoalRecaller
from recall.runs import RunSpec

GAN = GoalGANConfig(generator_hidden=(16,), discriminator_hidden=(16,), updates=5, pretraining_updates=5)
SMALL = {"gan": GAN, "new_goals": 20, "old_goals": 5, "visited_goals": 100, "inner_iterations": 2}


def small_agent(policy: object, curriculum: object) -> GoalAgentConfig:
    """With short rollouts, few goals and small networks."""
    return GoalAgentConfig(replace(policy, n_envs=10, n_steps=60), replace(curriculum, **SMALL))  # type: ignore


TASKS = {
    "u-maze": Task(
        "u-maze",
        UMazeConfig(horizon=30, time_step=0.08, reach=1.0),
        small_agent(goal_training.U_MAZE, goal_curriculum.U_MAZE),
    ),
    "point-mass-3": Task(
        "point-mass-3",
        PointMassConfig(3, horizon=30, time_step=0.08, reach=1.5),
        small_agent(goal_training.POINT_MASS, goal_curriculum.POINT_MASS),
    ),
}
"""Goals are near enough to be reached now and then."""

ANT = Task(
    "ant-u-maze",
    AntUMazeConfig(horizon=40, reach=2.0),
    small_agent(goal_training.ANT, goal_curriculum.ANT_MAZE),
)
"""The same with an ant, whose outer steps take seconds; whoever trains it shortens the measurements of coverage too."""

REPAIRED = GoalRecallConfig(length=4, n_traces=6, model_updates=3, model_batch=32, capacity=200, learning_rate=0.03)
ARMS = {
    "baseline": None,
    "recall": REPAIRED,
    "as-written": replace(
        REPAIRED, normalise=False, action_std=1.0, stay_in_range=False, velocity="rest", kl_share=None
    ),
}


def goal_spec(
    arm: str = "recall", task: str = "u-maze", seeds: tuple[int, ...] = (0,), outer_steps: int = 3, **recall: object
) -> RunSpec:
    """A run of some outer steps, evaluated after each second one."""
    found, config = ANT if task == ANT.label else TASKS[task], ARMS[arm]
    config = config and replace(config, **recall)  # type: ignore[arg-type]
    steps = outer_steps * found.agent.steps_per_update
    return RunSpec("goal-gan", arm, found.label, found.env, found.agent, config, seeds, steps, min(2, outer_steps))


def trained(spec: RunSpec, updates: int | None = None) -> GoalGanTraining:
    """A training after some outer steps, or at its end."""
    training = GoalGanTraining(spec)
    while training.update < (spec.n_updates if updates is None else updates):
        training.step()
    return training


def recalling(training: GoalGanTraining) -> GoalRecaller:
    """The recaller of a training that has one."""
    assert training.goals.recaller is not None
    return training.goals.recaller
