"""What training costs beside environment steps: gradient steps and seconds."""

from collections.abc import Iterable

import pandas as pd

from recall.analysis.records import Record

LEARNING = ("environment", "recall", "learner")
"""Phases of timing.csv that belong to the algorithm; evaluation and diagnosis are ours."""


def costs(records: Iterable[Record]) -> pd.DataFrame:
    """Every evaluation with what was spent until then.

    Returns:
        env, arm, seed, step, success, and of the seed: `policy_updates`, `model_gradient_steps`, `gradient_steps`
        (their sum), and `seconds`, the group's time divided among its seeds and spread evenly over the steps.
    """
    return pd.concat([_of_record(record) for record in records], ignore_index=True)


def _of_record(record: Record) -> pd.DataFrame:
    agent, settings = record.settings["agent_config"], record.settings
    frame = record.table("metrics")[["seed", "step", "success"]]
    policy = frame["step"] // (agent["n_envs"] * agent["n_steps"])
    frame = frame.assign(policy_updates=policy, model_gradient_steps=0)
    if record.has("recall"):
        model = record.table("recall").set_index(["seed", "step"])["model_gradient_steps"]
        frame["model_gradient_steps"] = model.reindex(pd.MultiIndex.from_frame(frame[["seed", "step"]])).to_numpy()
    seconds = record.table("timing").set_index("phase")["seconds"].reindex(LEARNING).sum()
    share = frame["step"] / frame["step"].max() / len(settings["seeds"])
    labels = {"env": record.labels["env_label"], "arm": record.labels["arm"]}
    gradient_steps = frame["policy_updates"] + frame["model_gradient_steps"]
    return frame.assign(**labels, gradient_steps=gradient_steps, seconds=seconds * share)


def spent(table: pd.DataFrame) -> pd.DataFrame:
    """Of a table of `costs`: what a seed of each arm spent in all, a row an environment and arm."""
    last = table.sort_values("step").groupby(["env", "arm", "seed"], as_index=False).last()
    columns = ["step", "policy_updates", "model_gradient_steps", "seconds"]
    return last.groupby(["env", "arm"], as_index=False)[columns].mean()
