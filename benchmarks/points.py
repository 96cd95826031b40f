"""Steps of the point masses with random actions: our stepper beside a loop over Gymnasium environments, on one core."""

import argparse

import numpy as np
from windows import Work, keep, machine, one_core, options, rates, report

from recall.envs.point_env import PointEnv
from recall.envs.point_mass import PointMass, PointMassConfig
from recall.envs.point_vector import VectorPoints, World
from recall.envs.u_maze import UMaze, UMazeConfig

STEPS = 20
"""Steps of every environment between two looks at the clock."""

WORLDS: dict[str, World] = {
    **{f"dimension-{n}": PointMass(PointMassConfig(n)) for n in (2, 4, 6)},
    "u-maze": UMaze(UMazeConfig()),
}


def ours(world: World, n_envs: int) -> Work:
    """Our stepper; episodes that end begin again."""
    points, draw = VectorPoints(world, n_envs), np.random.default_rng(0)
    goals = world.sample_goals(draw, n_envs)
    actions = draw.uniform(-1, 1, (STEPS, n_envs, world.dimension))
    points.reset(goals)

    def work() -> int:
        for action in actions:
            _, _, terminated, truncated = points.step(action)
            done = terminated | truncated
            if done.any():
                points.reset(goals[done], done)
        return STEPS * n_envs

    return work


def theirs(world: World) -> Work:
    """One environment by Gymnasium's interface."""
    env = PointEnv(world)
    actions = np.random.default_rng(0).uniform(-1, 1, (STEPS, world.dimension)).astype(np.float32)
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
    parser.add_argument("--env", choices=WORLDS, default="dimension-2", help="which of the point masses")
    parser.add_argument("--quick", action="store_true", help="short windows, to see that it runs")
    arguments = options(parser)
    one_core()
    world = WORLDS[arguments.env]
    contenders = {"recall": ours(world, 1024), "recall_100": ours(world, 100), "gymnasium": theirs(world)}
    found = rates(contenders, *((1, 0.1) if arguments.quick else (7, 2.0)))
    ratio = {"ratio_gymnasium": found["recall"] / found["gymnasium"]}
    title = f"random actions of point masses, {arguments.env}, 1024 environments and 100 side by side"
    keep(arguments, title, report(title, found, ratio), machine())


if __name__ == "__main__":
    main()
