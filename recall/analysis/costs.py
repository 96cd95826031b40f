"""What training costs beside environment steps: gradient steps and seconds."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from recall.analysis.panels import Panel
from recall.analysis.plots import MAIN, SUCCESS, Quantity, curves
from recall.analysis.records import Record
from recall.analysis.style import ARMS, arm_style, environment_name

LEARNING = ("environment", "recall", "learner")
"""Phases of timing.csv that belong to the algorithm; evaluation and diagnosis are ours."""

CURRENCIES = (
    Quantity("gradient_steps", "gradient steps of policy and model", is_log=True),
    Quantity("seconds", "seconds of one core, a seed", is_log=True),
)
"""What training may be counted in beside environment steps."""


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
    """Of a table of `costs`: what a seed of each arm spent in all, in words, as `cards.grouped` takes it."""
    last = table.sort_values("step").groupby(["env", "arm", "seed"]).last().groupby(["env", "arm"]).mean()
    rows = [(env, arm) for env in last.index.unique("env") for arm in ARMS if (env, arm) in last.index]
    last = last.loc[rows]
    names = [(environment_name(env), arm_style(arm).label) for env, arm in rows]
    columns = {
        "policy steps": last["policy_updates"].map("{:.0f}".format),
        "model steps": last["model_gradient_steps"].map("{:.0f}".format),
        "seconds": last["seconds"].map("{:.2f}".format),
    }
    return pd.DataFrame(columns).set_axis(pd.MultiIndex.from_tuples(names, names=["environment", "arm"]))


def cost_curves(table: pd.DataFrame, env: str, arms: Sequence[str] = MAIN) -> list[Panel]:
    """Success in one environment over each of `CURRENCIES`; the first panel has the data of all."""
    shown = table[(table["env"] == env) & table["arm"].isin(arms)]
    panels = [panel for x in CURRENCIES for panel in curves(shown, SUCCESS, arms, (0, 1.02), x)]
    return [replace(panel, data=shown[: 0 if i else None]) for i, panel in enumerate(panels)]
