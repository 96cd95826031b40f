"""Changes of state against states: the gain in held-out likelihood."""

import numpy as np
import pandas as pd

from recall.analysis.control_plots import state_likelihoods
from recall.analysis.predictions import drift_in_words, likelier


def recall_table(gain: float, seeds: int = 3) -> pd.DataFrame:
    """Both arms at two evaluations; the earlier one is far off, and units differ by 2 nats."""
    rows = [
        (env, arm, seed, step, 50.0 * (step < 2) - gain * (arm == "predict-change") + 0.01 * seed * (arm[-1] == "e"))
        for env in ("A-v5", "B-v5")
        for arm in ("predict-change", "predict-state")
        for seed in range(seeds)
        for step in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["env", "arm", "seed", "step", "nll"])
    unit = np.where(table["arm"] == "predict-state", -2.0, 0.0)
    return table.assign(held_out_state_nll=table["nll"] - unit, state_unit=unit).drop(columns="nll")


def test_the_gain_is_read_at_the_end_in_common_units() -> None:
    words = likelier(state_likelihoods(recall_table(5.0)))
    assert words["count"] == "2 of 2 environments"
    assert words["each"].startswith("A-v5 +5.0 (+5.0 to +5.0) and B-v5")


def test_a_loss_is_not_counted() -> None:
    words = likelier(state_likelihoods(recall_table(-5.0)))
    assert words["count"] == "0 of 2 environments"
    assert "A-v5 −5.0 (−5.0 to −5.0)" in words["each"]


def test_a_single_seed_has_no_interval_and_an_arm_alone_no_gain() -> None:
    assert "A-v5 +5.0 (no interval)" in likelier(state_likelihoods(recall_table(5.0, seeds=1)))["each"]
    table = recall_table(5.0)
    alone = state_likelihoods(table[table["arm"] == "predict-state"])
    assert likelier(alone) == {"count": "0 of 0 environments", "each": "–"}


def test_the_drift_of_both_is_told_at_the_first_and_at_the_last_step() -> None:
    """Means of the last evaluations and all seeds; who lacks a simulator is left out where it counts."""
    rows = [
        (env, arm, seed, 1)
        for env in ("A-v5", "B-v5")
        for arm in ("predict-change", "predict-state")
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["env", "arm", "seed", "step"])
    state, simulated = table["arm"] == "predict-state", table["env"] == "A-v5"
    table["reach_1"] = np.where(simulated, 0.1 + 0.2 * state + 0.02 * table["seed"], np.nan)
    table["trace_length"] = 12.0 + 5 * state
    words = drift_in_words(table)
    assert words == {"first": "A-v5 0.11 and 0.31", "last": "–", "length": "A-v5 12 and 17; B-v5 12 and 17"}
