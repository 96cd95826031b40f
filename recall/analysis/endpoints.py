"""Endpoints, fixed before the runs: a tidy table in, one value for each page, environment, arm and seed out.

Each returns the columns page, env, arm, seed, value and budget, the last step the seed was evaluated at.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recall.errors import RecordError

KEYS = ["page", "env", "arm", "seed"]

LAST = 10
"""Evaluations at the end whose mean is final."""


def auc(frame: pd.DataFrame, column: str = "success") -> pd.DataFrame:
    """Area under the evaluation curve as a height: the mean over all evaluations."""
    return _per_seed(frame, lambda seed: seed[column].mean(skipna=False))


def final(frame: pd.DataFrame, column: str = "success", last: int = LAST) -> pd.DataFrame:
    """Where training ended: the mean of the last evaluations."""
    return _per_seed(frame, lambda seed: seed[column].iloc[-last:].mean(skipna=False))


def final_steps(frame: pd.DataFrame) -> tuple[int, int]:
    """After how many steps the first and the last of the evaluations were that `final` takes, of all seeds."""
    ends = frame.sort_values("step").groupby(KEYS)["step"].apply(lambda steps: steps.iloc[-LAST:])
    return int(ends.min()), int(ends.max())


def steps_to_threshold(
    frame: pd.DataFrame, column: str = "success", threshold: float = 0.9, hold: int = 3
) -> pd.DataFrame:
    """Step of the first of `hold` evaluations in a row at or above the threshold; inf if there is none."""

    def first(seed: pd.DataFrame) -> float:
        above = np.concatenate([seed[column].to_numpy() >= threshold, np.zeros(hold - 1, bool)])
        held = np.lib.stride_tricks.sliding_window_view(above, hold).all(1)
        return float(seed["step"].iloc[held.argmax()]) if held.any() else np.inf

    return _per_seed(frame, first)


def first_reward(frame: pd.DataFrame) -> pd.DataFrame:
    """Environment step of the first reward during training; inf where there was none."""
    return _per_seed(frame, lambda seed: seed["first_reward_step"].fillna(np.inf).min())


def replayed_return(frame: pd.DataFrame) -> pd.DataFrame:
    """What a trace's actions earn from its first state, and what the policy earns there; means over training.

    Of the table recall. Every arm becomes two, `arm/traces` and `arm/policy`. Evaluations before the first
    reward know no traces and are left out; a seed that never had a reward has no value.
    """
    frame = frame.dropna(subset=["trace_return", "policy_return"])
    traces = _per_seed(frame.assign(arm=frame["arm"] + "/traces"), lambda seed: seed["trace_return"].mean())
    policy = _per_seed(frame.assign(arm=frame["arm"] + "/policy"), lambda seed: seed["policy_return"].mean())
    return pd.concat([traces, policy], ignore_index=True)


def _per_seed(frame: pd.DataFrame, measure: Callable[[pd.DataFrame], float]) -> pd.DataFrame:
    rows = []
    for key, seed in frame.sort_values("step", kind="stable").groupby(KEYS, sort=True):
        value = measure(seed)
        if np.isnan(value):
            raise RecordError(
                f"seed {key[-1]} of arm {key[-2]!r} in {key[-3]} misses evaluations; train its record again"
            )
        rows.append((*key, value, seed["step"].iloc[-1]))
    return pd.DataFrame(rows, columns=[*KEYS, "value", "budget"])


@dataclass(frozen=True)
class Endpoint:
    """A way to score a seed, and how to read the score."""

    measure: Callable[..., pd.DataFrame]
    """The function above; its parameters after the table stand in book/claims.yml."""
    noun: str
    """What the value is."""
    table: str = "metrics"
    """Table of the record it is taken from."""
    is_time: bool = False
    """Whether it counts steps: less is better, inf is a failure."""


ENDPOINTS = {
    "auc": Endpoint(auc, "area under the curve"),
    "final": Endpoint(final, "mean of the last evaluations"),
    "steps_to_threshold": Endpoint(steps_to_threshold, "steps to the threshold", is_time=True),
    "first_reward": Endpoint(first_reward, "steps to the first reward", is_time=True),
    "replayed_return": Endpoint(replayed_return, "return", table="recall"),
}
"""The endpoints a claim may name."""
