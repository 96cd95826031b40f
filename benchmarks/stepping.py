"""Steps of the four rooms with random actions: our vectorised form beside Gymnasium's SyncVectorEnv, on one core."""

import argparse

import numpy as np
from gymnasium.vector import SyncVectorEnv
from windows import Work, keep, machine, one_core, options, rates, report

from recall.envs.four_rooms import FourRoomsConfig, FourRoomsEnv
from recall.envs.four_rooms_vector import VectorFourRooms
from recall.experiments import ARENAS

N_ENVS = 8
STEPS = 100
"""Steps of every environment between two looks at the clock."""


def ours(config: FourRoomsConfig, seeds: int) -> Work:
    """Our vectorised form, `N_ENVS` environments for each seed."""
    env = VectorFourRooms(config, seeds, N_ENVS)
    env.reset()
    actions = np.random.default_rng(0).integers(4, size=(STEPS, seeds, N_ENVS))

    def work() -> int:
        for action in actions:
            env.step(action)
        return actions.size

    return work


def theirs(config: FourRoomsConfig) -> Work:
    """Gymnasium's loop over `N_ENVS` environments."""
    env = SyncVectorEnv([lambda: FourRoomsEnv(config.side, horizon=config.horizon)] * N_ENVS)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(4, size=(STEPS, N_ENVS))

    def work() -> int:
        for action in actions:
            env.step(action)
        return actions.size

    return work


def main() -> None:
    """Measure and report."""
    arenas = {arena.label: arena.env for arena in ARENAS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", choices=arenas, default="side-15", help="environment of the page four-rooms")
    parser.add_argument("--quick", action="store_true", help="short windows, to see that it runs")
    arguments = options(parser)
    one_core()
    config = arenas[arguments.env]
    contenders = {
        "recall": ours(config, 1),
        "recall_20_seeds": ours(config, 20),
        "recall_1000_seeds": ours(config, 1000),
        "gymnasium": theirs(config),
    }
    found = rates(contenders, *((1, 0.1) if arguments.quick else (7, 2.0)))
    ratio = {"ratio_gymnasium": found["recall"] / found["gymnasium"]}
    title = f"random actions in the four rooms, {arguments.env}, {N_ENVS} environments a seed"
    keep(arguments, title, report(title, found, ratio), machine())


if __name__ == "__main__":
    main()
