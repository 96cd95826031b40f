"""The results of a page as a small table, its numbers for the text, and whether they are enough to decide."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from recall.analysis.claims import Judgement
from recall.analysis.control_plots import RECALLING
from recall.analysis.costs import overheads_in_words
from recall.analysis.endpoints import auc, final, final_steps, steps_to_threshold
from recall.analysis.gains import gains_in_words
from recall.analysis.number_plots import pulls_in_words
from recall.analysis.panels import listed
from recall.analysis.rules import MIN_SEEDS
from recall.analysis.style import ARMS, arm_style, environment_name
from recall.analysis.verdicts import verdicts_in_words
from recall.analysis.wording import in_thousands


def summary(metrics: pd.DataFrame) -> pd.DataFrame:
    """A row an environment and arm: median steps to 90 % success, seeds that never came, mean and final success."""
    keys = ["env", "arm"]
    times = steps_to_threshold(metrics).groupby(keys)["value"]
    table = pd.DataFrame(
        {
            "median": times.median(),
            "never": times.agg(lambda seeds: int(np.isinf(seeds).sum())),
            "seeds": times.size(),
            "mean": auc(metrics).groupby(keys)["value"].mean(),
            "final": final(metrics).groupby(keys)["value"].mean(),
        }
    )
    order = {arm: place for place, arm in enumerate(ARMS)}
    return table.sort_index(level="arm", key=lambda arms: arms.map(order)).sort_index(
        level="env", sort_remaining=False, kind="stable"
    )


def summary_for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `summary` with names and rounded numbers, as `cards.grouped` takes it."""
    index = [(environment_name(env), arm_style(arm).label) for env, arm in table.index]
    return pd.DataFrame(
        {
            "half of the seeds at 90 %": [steps_in_words(steps) for steps in table["median"]],
            "never": [f"{never} of {seeds}" for never, seeds in zip(table["never"], table["seeds"], strict=True)],
            "mean success": [f"{value:.3f}" for value in table["mean"]],
            "at the end": [f"{value:.3f}" for value in table["final"]],
        },
        pd.MultiIndex.from_tuples(index, names=["environment", "arm"]),
    )


def medians(table: pd.DataFrame, env: str) -> dict[str, str]:
    """Of a table of `summary`: each arm's median steps to 90 % success in one environment, and `where` that is."""
    steps = {arm: steps_in_words(median) for arm, median in table["median"].loc[env].items()}
    return steps | {"where": environment_name(env)}


def traced_in_words(traces: pd.DataFrame, env: str, arms: Sequence[str] = ("learned", "untrained")) -> str:
    """How far the arms' traces go midway in training, and how far within the steps that all of them have.

    Args:
        traces: tidy table of that name.
        env: the environment.
        arms: those compared; without traces of all of them there is nothing to say.
    """
    midway = traces[(traces["env"] == env) & (traces["snapshot"] == "midway") & traces["arm"].isin(arms)]
    steps = midway.groupby("arm")["position"].max() + 1
    if set(arms) - set(steps.index):
        return ""
    near = midway[midway["position"] < steps.min()].groupby("arm")[["row", "col"]]
    cells = near.apply(lambda places: len(places.drop_duplicates()))
    lengths = listed([f"{steps[arm]} steps ({arm_style(arm).label})" for arm in arms])
    passed = listed([f"{cells[arm]}" for arm in arms])
    return f"Midway, traces have {lengths}; within the first {steps.min()} steps back they pass {passed} cells."


def pilot(metrics: pd.DataFrame, judgements: Iterable[Judgement]) -> str:
    """What is missing before the claims about a page can be decided, as a sentence; empty if nothing is."""
    claimed = list(dict.fromkeys(env for each in judgements for env in each.current.claim.environments))
    seeds = int(metrics.groupby(["env", "arm"])["seed"].nunique().min())
    run = list(map(environment_name, sorted(set(metrics["env"]))))
    lacking = [environment_name(env) for env in claimed if env not in set(metrics["env"])]
    if seeds < MIN_SEEDS:
        noun = "seed" if seeds == 1 else "seeds"
        needed = listed(list(map(environment_name, claimed)))
        return f"This is a **pilot**: {seeds} {noun} an arm in {listed(run)}; a verdict needs {MIN_SEEDS} in {needed}. "
    return f"**Not run yet**: {listed(lacking)}, without which no claim about all tasks is decided. " if lacking else ""


def lacking_in_words(shown: Iterable[str], wanted: Iterable[str]) -> str:
    """The arms that are wanted and not shown, as a sentence; empty if none is."""
    lacking = [f"*{arm_style(arm).label}*" for arm in dict.fromkeys(wanted) if arm not in set(shown)]
    return f" Not trained yet: {listed(lacking)}." if lacking else ""


def control_in_words(
    metrics: pd.DataFrame,
    recall: pd.DataFrame,
    differences: pd.DataFrame,
    spending: pd.DataFrame,
    judgements: Sequence[Judgement],
) -> dict[str, str]:
    """What the texts of the pages sac and trpo say of their runs.

    Args:
        metrics: tidy table of that name.
        recall: tidy table of that name.
        differences: of `gains.gains`.
        spending: of `costs.control_costs`.
        judgements: of the page's claims.

    Returns:
        Each claim's verdict by its id, and `pilot`, `steps` (of a seed), `end` (steps between which returns are final),
        `gains`, `pulls` (of imitation), `spent`.
    """
    return verdicts_in_words(judgements) | {
        "pilot": pilot(metrics, judgements),
        "steps": in_thousands(metrics["step"].max()),
        "end": " to ".join(map(in_thousands, final_steps(metrics))),
        "gains": gains_in_words(differences, "recall"),
        "pulls": "; ".join(
            f"{arm_style(arm).label} {pulls_in_words(recall, arm)}" for arm in RECALLING if arm in set(recall["arm"])
        ),
        "spent": overheads_in_words(spending, RECALLING),
    }


def steps_in_words(steps: float) -> str:
    """13824 as 13.8k, infinity as never."""
    return f"{steps / 1000:.1f}k" if np.isfinite(steps) else "never"
