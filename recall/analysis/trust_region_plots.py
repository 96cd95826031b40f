"""Figures and tables of the page trpo: imitation beside the trust region, and what the paper's reporting would show."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from recall.analysis.claims import Judgement
from recall.analysis.control_plots import CONTROL, EPISODE_RETURN, RECALLING, over_training
from recall.analysis.costs import overheads_in_words
from recall.analysis.endpoints import final
from recall.analysis.gains import relative_gain
from recall.analysis.panels import Panel, listed
from recall.analysis.plots import Quantity
from recall.analysis.style import arm_style, environment_name
from recall.analysis.summary import control_in_words, lacking_in_words
from recall.analysis.symptoms import against_in_words, cosines_in_words, moments_in_words, steps_in_words
from recall.analysis.wording import in_thousands

LITERAL = "baseline-nagabandi"
"""The arm with the settings of the paper's baseline, which has an agent of its own."""

ARMS = (*CONTROL, "recall-trajectories", "recall-reward-to-go", LITERAL)
"""Arms that the page may show."""

WITH_RECALL = (*RECALLING, "recall-trajectories", "recall-reward-to-go")
"""Those with recall traces."""

OF_ARMS = {
    "baseline": "Blue has nothing else.",
    "recall": (
        "Orange keeps a buffer of the tuples of highest reward, learns its backtracking model from it, and after each "
        "trust-region step imitates recall traces in a step of its own, whose KL is bounded to a tenth of what the "
        "trust region allows."
    ),
    "as-written": "Red follows Algorithm 2 and Sec. 11.1 to the letter, with no bound on that step.",
    "recall-trajectories": "Purple is orange, but its model learns from the trajectories of the iteration.",
    "recall-reward-to-go": "Light purple is orange, but its buffer is ranked by reward-to-go.",
    LITERAL: "Light blue has the settings of the baseline to which the paper points.",
}
"""What each arm does, for those who look at the figures."""

OF_LITERAL = (
    "**The paper's own baseline, for the record.** It points to that of Nagabandi et al.: rollouts of 50,000 steps, a "
    "bound of 0.05 on the KL, a lambda of 1, and rllab's linear values, for which the time limit is an end. Final "
    "returns: {literal}."
)
"""What is said of that arm where it was run."""

STEP_KL = Quantity("kl", "KL of one step in the states\nof the rollout, nats", is_log=True)
STEPS = {"imitation": "rollout_kl", "trust-region": "trust_region_kl"}
"""Both steps of an iteration, and the column with the KL of each."""

BEST = 2
"""Seeds of the baseline whose mean the paper shows (Fig. 5)."""


def in_words(
    metrics: pd.DataFrame,
    recall: pd.DataFrame,
    differences: pd.DataFrame,
    spending: pd.DataFrame,
    judgements: Sequence[Judgement],
    lengths: Mapping[str, int],
    wanted: Iterable[str] = (),
) -> dict[str, str]:
    """What the text of the page trpo says of its runs.

    Args:
        metrics: this and what follows as `summary.control_in_words` takes it.
        recall: tidy table of that name.
        differences: of `gains.gains`.
        spending: of `costs.control_costs`.
        judgements: of the page's claims.
        lengths: steps that traces may have in each environment.
        wanted: arms that should be there.

    Returns:
        What `control_in_words` does, and `arms`: what those do that are there; `lacking`: those that are wanted beside
        them, as a sentence; `taken` and `spent`: steps of traces, and the time of each arm beside the baseline's;
        `against`, `cosines` and `moments`: how often imitation pulls against the policy's gradient, the cosine of both,
        and what the states pay that traces start from.
    """
    spent = overheads_in_words(spending, WITH_RECALL, spent=["time"])
    return {
        **control_in_words(metrics, recall, differences, spending, judgements),
        **arms_in_words(metrics["arm"], wanted),
        "taken": steps_in_words(recall, lengths),
        "spent": spent,
        "against": against_in_words(recall),
        "cosines": cosines_in_words(recall),
        "moments": moments_in_words(metrics, recall),
    }


def arms_in_words(shown: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """What the text says of the arms: those that are `shown`, and as `lacking` those that are wanted beside them."""
    shown = set(shown)
    return {
        "arms": " ".join(text for arm, text in OF_ARMS.items() if arm in shown),
        "lacking": lacking_in_words(shown, wanted),
    }


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
    """Final returns with all seeds of the baseline, and with its best `BEST` alone, as `cards.grouped` takes it.

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


def literal_returns(metrics: pd.DataFrame, literal: pd.DataFrame, baseline: str = "baseline") -> list[Panel]:
    """Returns of the arm `LITERAL` beside the baseline's, in the environments of the former, each over its own budget.

    Args:
        metrics: tidy table of that name, with the baseline.
        literal: the same, with the arm.
        baseline: the arm it is held against.
    """
    return over_training(_with_literal(metrics, literal, baseline), EPISODE_RETURN, (baseline, LITERAL))


def literal_in_words(metrics: pd.DataFrame, literal: pd.DataFrame, baseline: str = "baseline") -> str:
    """Where both end, environment by environment; arguments as those of `literal_returns`."""
    scores = final(_with_literal(metrics, literal, baseline), "return").groupby(["env", "arm"])
    ends = [
        f"{arm_style(arm).label} in {environment_name(env)} {rows['value'].mean():.0f} after "
        f"{in_thousands(rows['budget'].max())} steps ({len(rows)} seed{'s' * (len(rows) > 1)})"
        for (env, arm), rows in scores
    ]
    return listed(ends)


def _with_literal(metrics: pd.DataFrame, literal: pd.DataFrame, baseline: str) -> pd.DataFrame:
    beside = metrics[(metrics["arm"] == baseline) & metrics["env"].isin(literal["env"])]
    return pd.concat([beside, literal[literal["arm"] == LITERAL]], ignore_index=True)
