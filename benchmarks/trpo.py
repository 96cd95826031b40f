"""Trust region policy optimisation beside sb3-contrib's, environment steps with their updates, on one core.

All have tanh networks of 2x64 and sb3-contrib's own settings: 2048 steps of each environment a rollout, 15 iterations
of conjugate gradient, 10 passes of the value network in batches of 128. Theirs has 8 environments, or one; ours steps
16 in either case, in rollouts as long as theirs are, and normalises observations and rewards besides. What MuJoCo
alone takes for the steps is measured too, and where the seconds of a million of ours go in the shorter rollouts.
"""

import argparse
import os
from functools import partial

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # read when they load

import mujoco
import numpy as np
from sb3_contrib import TRPO
from stable_baselines3.common.env_util import make_vec_env
from windows import VERSIONS, Work, keep, machine, one_core, options, rates, report

from recall.agents.trpo import TRPOConfig
from recall.envs.gym_env import GymConfig, make
from recall.runs import RunSpec
from recall.trust_region import TrustRegionTraining

N_STEPS = 2048
"""Of each of their environments a rollout."""
ENDLESS = 10**9
"""A budget that no window reaches, so that nothing is evaluated."""
WITH = VERSIONS | {"mujoco": "mujoco", "sb3_contrib": "sb3-contrib"}


def training(env_id: str, n_envs: int) -> TrustRegionTraining:
    """Ours with one seed, in rollouts as long as theirs of `n_envs` environments."""
    agent = TRPOConfig(n_steps=n_envs * N_STEPS // TRPOConfig.n_envs, cg_iterations=15, value_epochs=10)
    env, every = GymConfig(env_id), ENDLESS // agent.steps_per_update
    return TrustRegionTraining(RunSpec("benchmark", "x", env.label, env, agent, None, (0,), ENDLESS, every))


def steps(ours: TrustRegionTraining) -> int:
    """One update of ours."""
    ours.step()
    return ours.config.steps_per_update


def theirs(env_id: str, n_envs: int) -> Work:
    """Sb3-contrib's, with one seed."""
    model = TRPO("MlpPolicy", make_vec_env(env_id, n_envs), n_steps=N_STEPS, seed=0, device="cpu")

    def work() -> int:
        model.learn(n_envs * N_STEPS, log_interval=ENDLESS, reset_num_timesteps=False)
        return n_envs * N_STEPS

    return work


def physics(env_id: str) -> Work:
    """What the environment cannot do without: its simulation, under random controls."""
    env = make(GymConfig(env_id))
    env.reset(seed=0)
    inner = env.unwrapped
    model, data, nstep = inner.model, inner.data, inner.frame_skip  # type: ignore[attr-defined]
    low, high = model.actuator_ctrlrange.T
    controls = np.random.default_rng(0).uniform(low, high, (1000, model.nu))

    def work() -> int:
        for control in controls:
            data.ctrl[:] = control
            mujoco.mj_step(model, data, nstep)
        return len(controls)

    return work


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="HalfCheetah-v5", help="Gymnasium id of an environment in MuJoCo")
    parser.add_argument("--quick", action="store_true", help="short windows, to see that it runs")
    arguments = options(parser)
    one_core()
    env_id = arguments.env
    long, short = training(env_id, 8), training(env_id, 1)
    contenders: dict[str, Work] = {
        "recall": partial(steps, long),
        "recall_one": partial(steps, short),
        "sb3": theirs(env_id, 8),
        "sb3_one": theirs(env_id, 1),
        "physics": physics(env_id),
    }
    found = rates(contenders, *((1, 0.1) if arguments.quick else (5, 5.0)))
    others = {f"ratio_sb3{which}": found[f"recall{which}"] / found[f"sb3{which}"] for which in ("", "_one")}
    others |= {f"seconds_{phase}": 1e6 * short.seconds[phase] / short.steps for phase in ("environment", "learner")}
    title = f"trust region policy optimisation, {env_id}, one seed"
    keep(arguments, title, report(title, found, others), machine(WITH))


if __name__ == "__main__":
    main()
