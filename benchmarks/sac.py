"""Soft actor-critic beside stable-baselines3's and sbx's, environment steps with an update each, on one core.

All have networks of 2x256, batches of 256 and an update after each step of one environment. Each trains in a process
of its own, in earnest, so that dead units and denormal numbers are what they are in training; it works only when it is
its turn. Ours is measured as it trains here and compiled, with products in bfloat16 and in float32. The observation of
Humanoid-v5 is the full one for everybody.
"""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection

from windows import VERSIONS, Measure, Work, in_turn, keep, machine, one_core, options, rate, tabulate

from recall.agents.sac import SACConfig
from recall.agents.sac_update import UPDATES
from recall.engine import Precision, update_engine
from recall.envs.gym_env import GymConfig
from recall.off_policy import OffPolicyTraining
from recall.runs import RunSpec

ENVIRONMENTS = ("HalfCheetah-v5", "Humanoid-v5")
RANDOM_STEPS, WARM_UP = 1_000, 600
"""Steps of random actions, and steps with updates, before the first window."""
STEPS = 20
"""Steps between two looks at the clock."""
ENDLESS = 10**9
"""A budget that no window reaches, so that nothing is evaluated."""
PEERS = {"sb3": "stable_baselines3", "sbx": "sbx"}
"""Modules by the name of the contender."""
WITH = VERSIONS | {"mujoco": "mujoco", "sbx": "sbx-rl", "jax": "jax"}


def ours(env_id: str, engine: str | None, precision: Precision) -> Work:
    """Our training loop with one seed."""
    agent = SACConfig(random_steps=RANDOM_STEPS, precision=precision)
    env = GymConfig(env_id, full_observation=True)
    training = OffPolicyTraining(RunSpec("benchmark", "x", env.label, env, agent, None, (0,), ENDLESS, ENDLESS))
    training.agent.change = UPDATES[engine or update_engine(precision)](agent)

    def work(steps: int = STEPS) -> int:
        for _ in range(steps):
            training.step()
        return steps

    work(RANDOM_STEPS + WARM_UP)
    return work


def theirs(env_id: str, peer: str) -> Work:
    """Stable-baselines3's, or sbx's with the same interface."""
    sac = import_module(PEERS[peer]).SAC
    model = sac("MlpPolicy", env_id, learning_starts=RANDOM_STEPS, policy_kwargs={"net_arch": [256, 256]}, seed=0)

    def work(steps: int = STEPS) -> int:
        model.learn(steps, log_interval=ENDLESS, reset_num_timesteps=False)
        return steps

    work(RANDOM_STEPS + WARM_UP)
    return work


OURS: dict[str, tuple[str | None, Precision]] = {
    "recall": (None, "bfloat16"),
    "recall_float32": (None, "float32"),
    "recall_compiled": ("compiled", "bfloat16"),
    "recall_compiled_float32": ("compiled", "float32"),
}
"""Engine and precision by the name of the contender; None is the engine that training uses here."""
CONTENDERS: dict[str, Callable[[str], Work]] = {
    **{name: partial(ours, engine=engine, precision=precision) for name, (engine, precision) in OURS.items()},
    **{peer: partial(theirs, peer=peer) for peer in PEERS},
}


def contenders() -> list[str]:
    """Names of those that work here and are not the same."""
    ours = [name for name, (engine, precision) in OURS.items() if engine != update_engine(precision)]
    peers = [peer for peer in PEERS if peer != "sbx" or find_spec("sbx")]
    if "sbx" not in peers:
        print("sbx is not installed and left out; to compare with it: pip install -c constraints.txt -e '.[bench]'")
    return ours + peers


def serve(name: str, env_id: str, caller: Connection) -> None:
    """What a contender's process does: warm up, then work whenever it is given seconds."""
    one_core()
    work = CONTENDERS[name](env_id)
    caller.send(None)
    while seconds := caller.recv():
        caller.send(rate(work, seconds))


def begin(name: str, env_id: str, stack: ExitStack) -> Measure:
    """Start a contender's process, which ends with the stack."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(name, env_id, theirs), daemon=True)
    process.start()
    theirs.close()
    stack.callback(process.join)
    stack.callback(ours.send, 0.0)
    ours.recv()

    def measure(seconds: float) -> float:
        ours.send(seconds)
        return ours.recv()

    return measure


def measured(env_id: str, names: list[str], windows: int, seconds: float) -> dict[str, float]:
    """Steps per second in one environment; the processes warm up one after the other."""
    with ExitStack() as stack:
        return in_turn({name: begin(name, env_id, stack) for name in names}, windows, seconds)


def ratios(found: Mapping[str, float]) -> dict[str, float]:
    """Of each of ours to each peer's: `ratio_sb3`, and in float32 `ratio_sb3_float32`."""
    return {
        f"ratio_{peer}{name.removeprefix('recall')}": found[name] / found[peer]
        for name in OURS
        for peer in PEERS
        if name in found and peer in found
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", help="only this Gymnasium id, instead of HalfCheetah-v5 and Humanoid-v5")
    parser.add_argument("--quick", action="store_true", help="short windows in HalfCheetah-v5, to see that it runs")
    arguments = options(parser)
    one_core()
    names = contenders()
    line = {}
    for env_id in (arguments.env,) if arguments.env else ENVIRONMENTS[: 1 if arguments.quick else None]:
        found = measured(env_id, names, *((1, 1.0) if arguments.quick else (5, 5.0)))
        line[env_id] = tabulate(f"soft actor-critic, {env_id}, one update a step", found, ratios(found))
    print(json.dumps(line))
    keep(arguments, "soft actor-critic, environment steps with an update each, one seed", line, machine(WITH))


if __name__ == "__main__":
    main()
