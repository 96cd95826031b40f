"""How hard imitation pulls, beside the policy's own gradient."""

import pandas as pd

from recall.analysis.endpoints import KEYS


def with_pull(recall: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """The table of recall whose `gradient_ratio` is that of the updates themselves, where they have it.

    Imitation that is a part of the policy's loss is logged with it in every update. The diagnosis takes the policy's
    own gradient of fewer states, and noise makes that larger than it is.

    Args:
        recall: tidy table of that name.
        metrics: tidy table of that name.
    """
    parts = ["imitation_gradient", "actor_gradient"]
    if recall.empty or not set(parts) <= set(metrics):
        return recall
    both = recall.merge(metrics[[*KEYS, "step", *parts]], on=[*KEYS, "step"], how="left")
    joint = both["imitation_gradient"] > 0
    ratio = (both["imitation_gradient"] / both["actor_gradient"]).where(joint, both["gradient_ratio"])
    return both.assign(gradient_ratio=ratio).drop(columns=parts)
