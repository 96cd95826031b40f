"""What goes with a difference between the arms: numbers of the diagnostics in words, and how the arms behave."""

from collections.abc import Mapping, Sequence

import pandas as pd
from pandas.api.typing import DataFrameGroupBy

from recall.analysis.endpoints import LAST
from recall.analysis.number_plots import over_training_mean
from recall.analysis.panels import listed
from recall.analysis.style import arm_style, environment_name
from recall.analysis.wording import signed

BEHAVIOUR = {"return": ("return", 0), "episode_length": ("steps of an episode", 0), "pay": ("reward a step", 1)}
"""What the arms are compared by in either half of the training, for people, and digits behind the point."""


def of_critic(recall: pd.DataFrame, lengths: Mapping[str, int]) -> dict[str, str]:
    """`below`, `cosines` and `taken` of the arm *recall*: how its imitation looks to the critic, and how far traces go.

    Args:
        recall: tidy table of that name.
        lengths: steps that traces may have in each environment.
    """
    cosines, taken = cosines_in_words(recall), steps_in_words(recall, lengths)
    return {"below": below_in_words(recall), "cosines": cosines, "taken": taken}


def below_in_words(recall: pd.DataFrame, arm: str = "recall") -> str:
    """In which share of the evaluations the critic valued recalled actions less than the policy's mean ones."""
    return _shares_below_zero(recall, arm, "trace_advantage")


def cosines_in_words(recall: pd.DataFrame, arm: str = "recall") -> str:
    """Cosine of an arm's imitation gradient and the policy's, mean over training and seeds; a dash without any."""
    means = over_training_mean(recall[recall["arm"] == arm], "gradient_cosine").groupby("env")["value"].mean().dropna()
    return listed([f"{signed(mean, 2)} in {environment_name(str(env))}" for env, mean in means.items()]) or "–"


def against_in_words(recall: pd.DataFrame, arm: str = "recall") -> str:
    """In which share of the evaluations an arm's imitation pulled against the policy's gradient; a dash without any."""
    return _shares_below_zero(recall, arm, "gradient_cosine")


def _shares_below_zero(recall: pd.DataFrame, arm: str, column: str) -> str:
    if column not in recall:
        return "–"
    known = recall[recall["arm"] == arm].dropna(subset=column)
    shares = (known[column] < 0).groupby(known["env"]).mean()
    return listed([f"{100 * share:.0f} % in {environment_name(str(env))}" for env, share in shares.items()]) or "–"


def moments_in_words(
    metrics: pd.DataFrame, recall: pd.DataFrame, arm: str = "recall", baseline: str = "baseline"
) -> str:
    """The highest reward that an arm's traces start from, beside what the baseline earns a step, as training ends.

    Means of the last evaluations and all seeds; a dash where either is not known.
    """
    if "target_value" not in recall:
        return "–"
    traced, alone = (_last(frame[frame["arm"] == of]) for frame, of in ((recall, arm), (metrics, baseline)))
    best, own = traced["target_value"].mean(), alone["return"].mean() / alone["episode_length"].mean()
    known = [env for env in best.index if env in own.index]
    return listed([f"{best[env]:.1f} beside {own[env]:.1f} in {environment_name(env)}" for env in known]) or "–"


def _last(frame: pd.DataFrame) -> DataFrameGroupBy:
    """The last evaluations of every seed, by environment."""
    return frame.sort_values("step").groupby(["env", "seed"]).tail(LAST).groupby("env")


def halves(metrics: pd.DataFrame, arms: Sequence[str] = ("baseline", "recall")) -> pd.DataFrame:
    """How arms behave in either half of the training, means of evaluations and seeds, as `cards.grouped` takes it.

    Args:
        metrics: tidy table of that name. Environments that lack an arm are left out.
        arms: those that stand side by side.
    """
    rows = {}
    for env, of_env in metrics[metrics["arm"].isin(arms)].groupby("env"):
        if set(of_env["arm"]) != set(arms):
            continue
        late = of_env["step"] > of_env["step"].max() / 2
        for half, part in (("first", of_env[~late]), ("second", of_env[late])):
            means = part.groupby("arm")[["return", "episode_length"]].mean()
            means = means.assign(pay=means["return"] / means["episode_length"]).reindex(list(arms))
            for column, (name, digits) in BEHAVIOUR.items():
                cells = [f"{value:.{digits}f}".replace("-", "−") for value in means[column]]
                rows[environment_name(str(env)), f"{name}, {half} half"] = cells
    columns = [arm_style(arm).label for arm in arms]
    frame = pd.DataFrame(rows.values(), columns=columns, dtype=str)
    return frame.set_axis(pd.MultiIndex.from_tuples(rows, names=["environment", "mean"])) if rows else frame


def steps_in_words(recall: pd.DataFrame, lengths: Mapping[str, int], arm: str = "recall") -> str:
    """How many steps the traces of an arm took, of the `lengths` they might have had in each environment.

    `Hopper-v5 8.6 of 10 and ...`, mean over training and seeds; a dash where nothing is known.
    """
    taken = over_training_mean(recall[recall["arm"] == arm], "trace_length").groupby("env")["value"].mean()
    each = [f"{environment_name(str(env))} {steps:.1f} of {lengths[str(env)]}" for env, steps in taken.items()]
    return listed(each) or "–"
