"""Steps of the worlds with goals with random actions: our stepper beside a loop over Gymnasium environments.

On one core, unless RECALL_THREADS has the ants stepped by several threads.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from windows import Work, keep, machine, one_core, options, rates, report

from recall.envs.ant_env import AntUMazeEnv
from recall.envs.goal_env import GoalEnv
from recall.envs.goal_world import GoalWorld
from recall.envs.point_env import PointMassEnv, UMazeEnv
from recall.threads import threads

STEPS = 20
"""Steps of every environment between two looks at the clock."""

ENVS: dict[str, Callable[[], GoalEnv]] = {
    **{f"dimension-{n}": partial(PointMassEnv, n) for n in (2, 4, 6)},
    "u-maze": UMazeEnv,
    "ant-u-maze": AntUMazeEnv,
}


def ours(world: GoalWorld, n_envs: int) -> Work:
    """Our stepper; episodes that end begin again."""
    bodies, draw = world.stepper(n_envs), np.random.default_rng(0)
    goals = world.sample_goals(draw, n_envs)
    actions = draw.uniform(-1, 1, (STEPS, n_envs, world.action_dim))
    bodies.reset(goals)

    def work() -> int:
        for action in actions:
            _, _, terminated, truncated = bodies.step(action)
            done = terminated | truncated
            if done.any():
                bodies.reset(goals[done], done)
        return STEPS * n_envs

    return work


def theirs(env: GoalEnv) -> Work:
    """One environment by Gymnasium's interface."""
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, env.world.action_dim)).astype(np.float32)
    env.reset(seed=0)

    def work() -> int:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return STEPS

    return work


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", choices=ENVS, default="dimension-2", help="which world")
    parser.add_argument("--quick", action="store_true", help="short windows, to see that it runs")
    arguments = options(parser)
    if threads() == 1:
        one_core()
    env = ENVS[arguments.env]()
    contenders = {"recall": ours(env.world, 1024), "recall_100": ours(env.world, 100), "gymnasium": theirs(env)}
    found = rates(contenders, *((1, 0.1) if arguments.quick else (7, 2.0)))
    ratio = {"ratio_gymnasium": found["recall"] / found["gymnasium"]}
    title = f"random actions towards goals, {arguments.env}, 1024 environments and 100 side by side"
    keep(arguments, title, report(title, found, ratio), machine())


if __name__ == "__main__":
    main()
