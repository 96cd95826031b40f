"""Quantities and words of the page goal-gan: coverage, what it is drawn over, and what recall adds in time."""

from collections.abc import Sequence

import pandas as pd

from recall.analysis.claims import Judgement
from recall.analysis.control_plots import RECALLING
from recall.analysis.endpoints import KEYS
from recall.analysis.gain_plots import time_shares
from recall.analysis.gains import gains_in_words
from recall.analysis.plots import Quantity
from recall.analysis.style import arm_style
from recall.analysis.summary import pilot
from recall.analysis.verdicts import verdicts_in_words

COVERAGE = Quantity("coverage", "coverage = average return\nover all goal positions")
PLAIN_COVERAGE = Quantity("coverage", "coverage", seeds=False)
TRACE_LENGTH = Quantity("trace_length", "steps of a trace", seeds=False)
FEASIBLE = Quantity("target_value", "feasible goals among those\nthat traces end at", seeds=False)
KL_SHARE = Quantity(
    "kl_share", "KL of imitation as a share of\nthe trust region's bound", is_log=True, guide=0.1, seeds=False
)
ENTROPY = Quantity("entropy", "entropy of the policy, nats", seeds=False)
IMITATION_LOSS = Quantity("imitation_loss", "negative log-likelihood of\nrecalled actions, nats", seeds=False)
OUTER_STEPS = Quantity("outer_step", "outer steps")
ALL_STEPS = Quantity("all_steps", "environment steps of any purpose, millions", 1e6)

PURPOSES = ("training_steps", "visits_steps", "labels_steps", "evaluation_steps")
"""Columns that count environment steps."""

SETTINGS = {
    "goal-gan policy": "Settings of the policy",
    "goal-gan curriculum": "Settings of the goals",
    "goal-gan networks": "Settings of the networks that make goals",
    "goal-gan recall": "Settings of recall",
    "goal-gan box": "Settings of the box",
    "goal-gan maze": "Settings of the maze",
    "goal-gan run": "Settings of a run",
}
"""What the page lists, by its part of the specifications."""


def in_all(metrics: pd.DataFrame) -> pd.Series:
    """Environment steps of all purposes until each row of the table."""
    return metrics[list(PURPOSES)].sum(axis=1)


def with_all_steps(metrics: pd.DataFrame) -> pd.DataFrame:
    """The table with the environment steps of all purposes, `all_steps`, as the mean over the seeds of an arm.

    Seeds differ a little in them, since episodes end early; curves need common places.

    Args:
        metrics: tidy table of that name.
    """
    common = in_all(metrics).groupby([metrics["env"], metrics["arm"], metrics["outer_step"]]).transform("mean")
    return metrics.assign(all_steps=common)


def beside_policy(recall: pd.DataFrame, metrics: pd.DataFrame, target_kl: float) -> pd.DataFrame:
    """The table of recall with the outer step of each row, and `kl_share`.

    That is how far imitation moves the policy in the states of the rollout, as a share of what a trust region may.

    Args:
        recall: tidy table of that name; empty where no arm has traces.
        metrics: tidy table of that name.
        target_kl: bound on the mean KL of a trust region's step, nats.
    """
    if recall.empty:
        return recall
    found = recall.merge(metrics[[*KEYS, "step", "outer_step"]], on=[*KEYS, "step"], validate="one_to_one")
    return found.assign(kl_share=found["rollout_kl"] / target_kl)


def of_claims(table: pd.DataFrame, judgements: Sequence[Judgement]) -> pd.DataFrame:
    """The rows of the tasks that claims are about; all where there are none of these."""
    tasks = {env for each in judgements for env in each.current.claim.environments}
    found = table[table["env"].isin(tasks)]
    return table if found.empty else found


def of_coverage(differences: pd.DataFrame) -> pd.DataFrame:
    """A table of `gains.gains` under the names of the page, where a return is a coverage."""
    return differences.assign(endpoint=differences["endpoint"].str.replace("return", "coverage"))


def in_words(
    metrics: pd.DataFrame, differences: pd.DataFrame, timing: pd.DataFrame, judgements: Sequence[Judgement]
) -> dict[str, str]:
    """What the text of the page says of its runs.

    Args:
        metrics: tidy table of that name.
        differences: of `gains.gains`.
        timing: tidy table of that name.
        judgements: of the page's claims.

    Returns:
        Each claim's verdict by its id, and `pilot`, `outer_steps` (of a seed), `gains`, `time` (recall's share of it).
    """
    return verdicts_in_words(judgements) | {
        "pilot": pilot(metrics, judgements),
        "outer_steps": str(metrics["outer_step"].max()),
        "gains": gains_in_words(differences, "recall"),
        "time": time_of_recall(timing),
    }


def time_of_recall(timing: pd.DataFrame) -> str:
    """Recall's share of the time of a training, mean of the runs: `recall traces 36 %`, or a dash."""
    shares = time_shares(timing).groupby("arm")["share"].mean()
    return "; ".join(f"{arm_style(arm).label} {100 * shares[arm]:.0f} %" for arm in RECALLING if arm in shares) or "–"
