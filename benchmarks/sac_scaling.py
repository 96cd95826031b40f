"""Soft actor-critic's milliseconds an update by runs, observation and buffer, and the bytes of a stored transition.

An update draws its batch from the replay buffer. One size varies at a time; the others are those of HalfCheetah-v5, one
run, and a buffer of 100,000 transitions. What is learnt from are random numbers, for only sizes matter here.
"""

import argparse
import json
from functools import cache, partial

import numpy as np
from windows import VERSIONS, Work, in_turn, keep, machine, one_core, options, rate

from recall.agents.sac import SACConfig
from recall.agents.sac_learner import SAC, transitions
from recall.envs.gym_env import GymConfig, GymEnv
from recall.replay import ReplayBuffer
from recall.seeding import Streams

RUNS = (1, 2, 5)
"""Seeds updated together; the time is of all of them."""
ENVIRONMENTS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5")
ROWS = (100_000, 10_000, 1_000_000)
"""Transitions in the buffer of each run."""
UPDATES = 10
"""Between two looks at the clock."""

Sizes = tuple[int, str, int]
"""Runs, environment and rows; the first of each is the usual one."""


@cache
def shape(env_id: str) -> tuple[int, int]:
    """Numbers in an observation and in an action."""
    env = GymEnv(GymConfig(env_id))
    return env.obs_dim, env.action_dim


def full_buffer(sizes: Sizes) -> ReplayBuffer:
    """A buffer of random transitions, none of them terminal."""
    runs, env_id, rows = sizes
    replay = ReplayBuffer(rows, runs, *shape(env_id))
    np.random.default_rng(0).standard_normal(out=replay.rows, dtype=np.float32)
    replay.rows[:, :, -1] = 0
    replay.end = rows
    return replay


def updates(sizes: Sizes) -> Work:
    """Updates from a full buffer, as training makes them."""
    streams, replay = Streams(range(sizes[0])), full_buffer(sizes)
    agent = SAC(SACConfig(), *shape(sizes[1]), streams)

    def work() -> int:
        for _ in range(UPDATES):
            numbers = streams.integers("replay", replay.start, replay.end, agent.config.batch_size)
            agent.update(transitions(replay.take(numbers)))
        return UPDATES

    return work


def stored_bytes(env_id: str) -> int:
    """Memory of one transition."""
    return ReplayBuffer(1, 1, *shape(env_id)).rows.nbytes


def varied(quick: bool) -> dict[str, dict[str, Sizes]]:
    """What varies, and the sizes by name; the first two of each for a quick look."""
    last = 2 if quick else None
    run, env_id, row = RUNS[0], ENVIRONMENTS[0], ROWS[0]
    return {
        "runs": {f"{n}": (n, env_id, row) for n in RUNS[:last]},
        "observation": {f"{each}": (run, each, row) for each in ENVIRONMENTS[:last]},
        "buffer": {f"{n}": (run, env_id, n) for n in sorted(ROWS[:last])},
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few sizes and short windows, to see that it runs")
    arguments = options(parser)
    one_core()
    tables = varied(arguments.quick)
    sizes = {each for table in tables.values() for each in table.values()}
    measures = {str(each): partial(rate, updates(each)) for each in sorted(sizes)}
    found = in_turn(measures, *((1, 0.1) if arguments.quick else (5, 2.0)))
    line = {
        what: {name: round(1000 / found[str(each)], 4) for name, each in table.items()}
        for what, table in tables.items()
    }
    line["bytes"] = {env_id: stored_bytes(env_id) for env_id in tables["observation"]}
    for what, numbers in line.items():
        print(what, *(f"{name} {number:g}" for name, number in numbers.items()), sep="\n  ")
    print(json.dumps(line))
    keep(
        arguments,
        "milliseconds of an update, and bytes of a transition",
        line,
        machine(VERSIONS | {"mujoco": "mujoco"}),
    )


if __name__ == "__main__":
    main()
