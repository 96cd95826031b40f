"""Figures and tables of the page trpo: imitation beside the trust region, and what the paper's reporting would show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recall.analysis.control_plots import CONTROL, RECALLING, over_training
from recall.analysis.endpoints import final
from recall.analysis.gains import relative_gain
from recall.analysis.panels import Panel
from recall.analysis.plots import Quantity
from recall.analysis.style import arm_style, environment_name

ARMS = (*CONTROL, "recall-trajectories", "recall-reward-to-go")
"""Arms that the page may show."""

WITH_RECALL = (*RECALLING, "recall-trajectories", "recall-reward-to-go")
"""Those with recall traces."""

STEP_KL = Quantity("kl", "KL of one step in the states\nof the rollout, nats", is_log=True)
STEPS = {"imitation": "rollout_kl", "trust-region": "trust_region_kl"}
"""Both steps of an iteration, and the column with the KL of each."""

BEST = 2
"""Seeds of the baseline whose mean the paper shows (Fig. 5)."""


def kl_of_both_steps(recall: pd.DataFrame, arms: Sequence[str] = WITH_RECALL) -> list[Panel]:
    """How far imitation and the trust-region step move the policy in the same states; a panel an environment and arm.

    Args:
        recall: tidy table of that name.
        arms: those wanted; what the table lacks is left out.
    """
    if not set(STEPS.values()) <= set(recall):
        return []
    both = pd.concat(
        [recall.assign(arm=recall["arm"] + f"/{step}", kl=recall[column]) for step, column in STEPS.items()]
    )
    return [panel for arm in arms for panel in over_training(both, STEP_KL, [f"{arm}/{step}" for step in STEPS])]


def reporting(metrics: pd.DataFrame, treatment: str = "recall", baseline: str = "baseline") -> pd.DataFrame:
    """Returns at the end with all seeds of the baseline, and with its best `BEST` alone, as `cards.grouped` takes it.

    Args:
        metrics: tidy table of that name. Environments that lack an arm, or whose baseline has no more seeds than
            that, are left out.
        treatment: an arm, all of whose seeds count in either way.
        baseline: the arm it is held against.
    """
    scores = final(metrics, "return").groupby(["env", "arm"])["value"]
    values = {key: np.sort(seeds.to_numpy(float))[::-1] for key, seeds in scores}
    rows = {}
    for env in sorted({env for env, _ in values}):
        theirs, ours = values.get((env, baseline), np.empty(0)), values.get((env, treatment), np.empty(0))
        if len(theirs) <= BEST or not len(ours):
            continue
        name = environment_name(env)
        rows[name, f"all {len(theirs)} seeds"] = _compared(ours, theirs)
        rows[name, f"best {BEST} of {len(theirs)}"] = _compared(ours, theirs[:BEST])
    columns = [arm_style(baseline).label, arm_style(treatment).label, "difference"]
    frame = pd.DataFrame(rows.values(), columns=columns, dtype=str)
    return frame.set_axis(pd.MultiIndex.from_tuples(rows, names=["environment", "baseline's"])) if rows else frame


def _compared(ours: np.ndarray, theirs: np.ndarray) -> tuple[str, str, str]:
    """Means of both, and the difference as a share; without an interval, which chosen seeds do not have."""
    share = 100 * relative_gain(ours, theirs).estimate
    return f"{theirs.mean():.0f}", f"{ours.mean():.0f}", f"{share:+.0f} %".replace("-", "−")
