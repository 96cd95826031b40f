"""The actor-critic of the page four-rooms beside stable-baselines3's A2C of the same settings, on one core.

Both have the same environments, rollouts, GAE, separate tanh networks on one-hot states, and one step of Adam on
each rollout. Theirs also measures the norm of the gradient, which cannot be switched off.
"""

import argparse

from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn, optim
from windows import Work, keep, machine, one_core, options, rates, report

from recall.envs.four_rooms import FourRoomsEnv
from recall.experiments import ARENAS, ARMS, Arena
from recall.on_policy import OnPolicyTraining
from recall.runs import RunSpec

AGENT = ARMS["baseline"].agent
ROLLOUT = AGENT.n_envs * AGENT.n_steps
UPDATES = 5
"""Updates between two looks at the clock."""
ENDLESS = 10**9
"""A budget that no window reaches, so that nothing is evaluated."""


def ours(arena: Arena, seeds: int) -> Work:
    """Our training loop with this many seeds in one batch."""
    spec = RunSpec(
        "benchmark", "baseline", arena.label, arena.env, AGENT, None, tuple(range(seeds)), ENDLESS, ENDLESS // ROLLOUT
    )
    training = OnPolicyTraining(spec)

    def work() -> int:
        for _ in range(UPDATES):
            training.step()
        return UPDATES * ROLLOUT * seeds

    return work


def theirs(arena: Arena) -> Work:
    """Stable-baselines3's, with one seed."""
    env = DummyVecEnv([lambda: FourRoomsEnv(arena.env.side, horizon=arena.env.horizon)] * AGENT.n_envs)
    layers = list(AGENT.hidden)
    model = A2C(
        "MlpPolicy",
        env,
        learning_rate=AGENT.learning_rate,
        n_steps=AGENT.n_steps,
        gamma=AGENT.discount,
        gae_lambda=AGENT.gae_lambda,
        ent_coef=AGENT.entropy,
        vf_coef=0.5,  # ours is half the mean squared error
        max_grad_norm=float("inf"),
        use_rms_prop=False,
        policy_kwargs={
            "net_arch": {"pi": layers, "vf": layers},
            "activation_fn": nn.Tanh,
            "optimizer_class": optim.Adam,
            "optimizer_kwargs": {"eps": AGENT.adam_eps},
        },
        seed=0,
        device="cpu",
    )

    def work() -> int:
        model.learn(UPDATES * ROLLOUT, log_interval=ENDLESS, reset_num_timesteps=False)
        return UPDATES * ROLLOUT

    return work


def main() -> None:
    """Measure and report."""
    arenas = {arena.label: arena for arena in ARENAS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", choices=arenas, default="side-15", help="environment of the page four-rooms")
    parser.add_argument("--quick", action="store_true", help="short windows, to see that it runs")
    arguments = options(parser)
    one_core()
    arena = arenas[arguments.env]
    contenders = {"recall": ours(arena, 1), "recall_20_seeds": ours(arena, 20), "sb3": theirs(arena)}
    found = rates(contenders, *((1, 0.1) if arguments.quick else (7, 3.0)))
    baseline = found["sb3"]
    ratios = {
        "ratio_sb3": found["recall"] / baseline,
        "ratio_sb3_20_seeds": found["recall_20_seeds"] / baseline,
    }
    title = f"actor-critic in the four rooms, {arena.label}, steps of all seeds"
    keep(arguments, title, report(title, found, ratios), machine())


if __name__ == "__main__":
    main()
