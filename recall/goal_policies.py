"""What Goal GAN has learned, put to the test again: how many goals the stored policies of a record reach."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from recall.agents.actor import act_normalised
from recall.coverage import CoverageConfig, coverage_config, coverage_goals, success_map
from recall.envs.goal_world import GoalWorld
from recall.goal_gan_training import goal_settings
from recall.policies import Policy, comparison
from recall.seeding import GOAL_STREAMS, Streams


def evaluate_coverage(policy: Policy, attempts: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """A row a run and goal, with the policy's noise: seed of the run, x, y, success, the share of attempts that did it.

    Args:
        policy: who acts.
        attempts: episodes towards each goal; None is as many as the training's measurements had.
        seed: of the noise; None has that of the training's last measurement.
    """
    world = goal_settings(policy.spec).world
    config = coverage_config(world)
    seeds = policy.spec.seeds
    noise = last_noise(policy, world, config) if seed is None else [np.random.default_rng(seed) for _ in seeds]
    config = replace(config, attempts=attempts or config.attempts)
    success, _ = success_map(world, partial(act_normalised, policy.layers), config, noise)
    goals = coverage_goals(world)
    tables = [
        pd.DataFrame({"seed": trained, "x": goals[:, 0], "y": goals[:, 1], "success": rates})
        for trained, rates in zip(seeds, success, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def last_noise(policy: Policy, world: GoalWorld, config: CoverageConfig) -> Sequence[np.random.Generator]:
    """Generators of the policies' noise where the training's last measurement of coverage found them."""
    generators = Streams(policy.spec.seeds, GOAL_STREAMS)["coverage"]
    shape = (config.horizon, len(coverage_goals(world)) * config.attempts, world.action_dim)
    for _ in range(-(-policy.spec.n_updates // policy.spec.eval_every)):  # one before the first outer step, then these
        for generator in generators:
            generator.standard_normal(shape, np.float32)
    return generators


def coverage_summary(policy: Policy, attempts: int | None = None, seed: int | None = None) -> str:
    """The coverage of each run for a terminal, and whether training saw the same; arguments of `evaluate_coverage`."""
    usual = coverage_config(goal_settings(policy.spec).world).attempts
    found = evaluate_coverage(policy, attempts, seed)
    record, episodes = policy.record, attempts or usual
    lines = [
        f"{record.path.name}, page {record.labels['page']}: the policy with its noise after "
        f"{policy.spec.n_updates} outer steps, {episodes} episodes towards each goal."
    ]
    for trained, goals in found.groupby("seed"):
        coverage = float(goals["success"].mean())
        never = int((goals["success"] == 0).sum())
        lines.append(f"seed {trained}: coverage {coverage:.6g}, {never} of {len(goals)} goals never reached")
        if seed is None and episodes == usual:
            lines.append(f"seed {trained}: {comparison(policy, int(trained), coverage, episodes * len(goals))}")
    return "\n".join(lines)
