"""What training costs beside environment steps: gradient steps and seconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from recall.analysis.control_plots import CONTROL, EPISODE_RETURN, over_training
from recall.analysis.panels import Panel
from recall.analysis.plots import MAIN, SUCCESS, Quantity, curves
from recall.analysis.records import Record, tidy
from recall.analysis.style import ARMS, arm_style, environment_name
from recall.analysis.together import aggregate
from recall.analysis.wording import percentage

LEARNING = ("environment", "recall", "learner")
"""Phases of timing.csv that belong to the algorithm; evaluation and diagnosis are ours."""

CURRENCIES = (
    Quantity("gradient_steps", "gradient steps of policy and model", is_log=True),
    Quantity("seconds", "seconds of one core, a seed", is_log=True),
)
"""What training may be counted in beside environment steps."""

PLAIN_RETURN = replace(EPISODE_RETURN, seeds=False)
"""The return where its seeds are drawn over environment steps already."""

OF_CONTROL = (
    Quantity("gradient_steps", "gradient steps of policy and model,\nthousands", 1000),
    Quantity("time", "time, in units of the same\ntraining's without recall"),
)
"""The same where every environment step is followed by an update. Seconds would tell how busy the machine was: there a
run is long, and the arms are trained one after the other."""

SPENT = ("gradient_steps", "time")
"""What an arm may spend more of than the baseline: columns of `control_costs`."""

OF_TRUST_REGIONS = OF_CONTROL[1:]
"""Time alone: one step of a trust region takes as long as dozens of a gradient."""


def costs(records: Iterable[Record], column: str = "success") -> pd.DataFrame:
    """Every evaluation with what was spent until then.

    Args:
        records: of one page.
        column: of its metrics, what the spending is for.

    Returns:
        env, arm, seed, step, that column, and of the seed: `policy_updates`, `model_gradient_steps`, `gradient_steps`
        (their sum), and `seconds`: the arm's time divided among its seeds, the environment's spread evenly over the
        steps and the rest over the updates.
    """
    table = pd.concat([_of_record(record, column) for record in records], ignore_index=True)
    return table.assign(seconds=table.groupby(["env", "arm", "step"])["seconds"].transform("mean"))


def _of_record(record: Record, column: str) -> pd.DataFrame:
    frame = record.table("metrics")[["seed", "step", column]]
    policy = policy_updates(frame["step"], record.settings["agent_config"])
    frame = frame.assign(policy_updates=policy, model_gradient_steps=_model_steps(record, frame))
    seconds = record.table("timing").set_index("phase")["seconds"].reindex(LEARNING, fill_value=0)
    by_steps, by_updates = frame["step"] / frame["step"].max(), policy / max(1, policy.max())
    spent = seconds["environment"] * by_steps + (seconds["recall"] + seconds["learner"]) * by_updates
    labels = {"env": record.labels["env_label"], "arm": record.labels["arm"]}
    gradient_steps = frame["policy_updates"] + frame["model_gradient_steps"]
    return frame.assign(**labels, gradient_steps=gradient_steps, seconds=spent / len(record.settings["seeds"]))


def policy_updates(steps: pd.Series, agent: Mapping[str, Any]) -> pd.Series:
    """Updates of the policy after a number of steps: one a rollout, or off-policy one a step after the random ones."""
    if "n_steps" in agent:
        return steps // (agent["n_envs"] * agent["n_steps"])
    return (steps - agent["random_steps"]).clip(lower=0)


def _model_steps(record: Record, frame: pd.DataFrame) -> pd.Series:
    """Gradient steps of the model: as logged, or so many at the first update and after each interval."""
    if not record.has("recall"):
        return pd.Series(0, frame.index)
    table = record.table("recall").set_index(["seed", "step"])
    if "model_gradient_steps" in table:
        logged = table["model_gradient_steps"].reindex(pd.MultiIndex.from_frame(frame[["seed", "step"]]))
        return logged.set_axis(frame.index)
    updates, recall = policy_updates(frame["step"], record.settings["agent_config"]), record.settings["recall"]
    return -(-updates // recall.get("interval", 1)) * recall["model_updates"]


def control_costs(records: Iterable[Record]) -> pd.DataFrame:
    """`costs` of the return, and as `time` the seconds in units of what the arm's environment and learner took in all.

    So the baseline ends at 1, and another arm as far beyond it as its recall took it, on however busy a machine.
    """
    records = list(records)
    table = costs(records, "return")
    timing = tidy(records, "timing")
    own = timing[timing["phase"].isin({*LEARNING} - {"recall"})].groupby(["env", "arm"])["seconds"].sum()
    units = (own / table.groupby(["env", "arm"])["seed"].nunique()).rename("unit")
    return table.join(units, ["env", "arm"]).assign(time=lambda rows: rows["seconds"] / rows["unit"])


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
    return _over_currencies(table[table["env"] == env], SUCCESS, arms, (0, 1.02), CURRENCIES)


def control_cost_curves(
    table: pd.DataFrame, arms: Sequence[str] = CONTROL, currencies: Sequence[Quantity] = OF_CONTROL
) -> list[Panel]:
    """The return over each currency, from the first update on; the first panel has the data of all.

    All environments are drawn together where that can be done: in these units they are alike.

    Args:
        table: of `control_costs`.
        arms: those wanted; what the table lacks is left out.
        currencies: what the training is counted in.
    """
    rows = table[table["arm"].isin(arms) & (table["policy_updates"] > 0)]
    panels = [
        panel
        for x in currencies
        for panel in aggregate(rows, arms, x=x) or over_training(rows, PLAIN_RETURN, arms, x=x)
    ]
    return [replace(panel, data=rows[: 0 if i else None]) for i, panel in enumerate(panels)]


def _over_currencies(
    table: pd.DataFrame, y: Quantity, arms: Sequence[str], limits: tuple[float, float], currencies: Sequence[Quantity]
) -> list[Panel]:
    shown = table[table["arm"].isin(arms)]
    panels = [panel for x in currencies for panel in curves(shown, y, arms, limits, x)]
    return [replace(panel, data=shown[: 0 if i else None]) for i, panel in enumerate(panels)]


def overheads_in_words(
    table: pd.DataFrame, arms: Sequence[str], baseline: str = "baseline", spent: Sequence[str] = SPENT
) -> str:
    """Of a table of `control_costs`: how much more each arm spends than the baseline, mean of the environments.

    `recall traces +5 % gradient steps and +31 % time; ...`, or a dash where no arm stands beside the baseline; `spent`
    are the columns that are wanted.
    """
    last = table.sort_values("step").groupby(["env", "arm", "seed"])[list(spent)].last()
    means = last.groupby(["arm", "env"]).mean()
    known = [arm for arm in arms if {arm, baseline} <= set(means.index.unique("arm"))]
    shares = {arm: (means.loc[arm] / means.loc[baseline] - 1).mean() for arm in known}
    return "; ".join(f"{arm_style(arm).label} {_in_words(share)}" for arm, share in shares.items()) or "–"


def _in_words(shares: pd.Series) -> str:
    return " and ".join(f"{percentage(share)} % {str(what).replace('_', ' ')}" for what, share in shares.items())
