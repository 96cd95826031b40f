"""How much better an arm is than another, environment by environment, as shares of the other's return."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from recall.analysis.endpoints import auc, final
from recall.analysis.panels import listed
from recall.analysis.stats import (
    Interval,
    decision_interval,
    mean_difference,
    probability_of_improvement,
    weighted_sum,
)
from recall.analysis.style import arm_style, environment_name
from recall.analysis.wording import share_in_words

MEAN = "mean of them"
"""Stands for all environments, weighted equally."""

SCORES = {"mean return over training": auc, "final return": final}
"""What is compared: area under the evaluation curve, mean of the last ten evaluations."""

GAIN = ["endpoint", "env", "arm", "estimate", "low", "high", "seeds"]
"""Columns of a table of gains."""


CHANCE = GAIN[1:]
"""Columns of a table of probabilities of improvement."""


Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Scores of an arm and of the baseline, (seeds,) each, by environment."""


class Gain(NamedTuple):
    """A row of a table of gains."""

    endpoint: str
    env: str
    arm: str
    estimate: float
    low: float
    high: float
    seeds: int
    """Of the smaller arm."""


def gains(
    metrics: pd.DataFrame,
    arms: Sequence[str],
    baseline: str = "baseline",
    scores: Mapping[str, Callable[[pd.DataFrame, str], pd.DataFrame]] = SCORES,
) -> pd.DataFrame:
    """Relative difference of each arm to the baseline and its 95 % interval, by endpoint and environment.

    Args:
        metrics: tidy table of that name, with returns.
        arms: those wanted; what the table lacks is left out.
        baseline: the arm they are held against.
        scores: what is compared, by its name: a row a seed, of metrics and one of their columns.

    Returns:
        Columns `GAIN`. Environments with both arms, then their mean for an arm that is in all of several, so that means
        are of the same ones. With a single seed in an arm there is an estimate without an interval.
    """
    rows: list[Gain] = []
    for endpoint, measure in scores.items():
        measured = measure(metrics, "return").groupby(["env", "arm"])["value"]
        values = {key: seeds.to_numpy(float) for key, seeds in measured}
        pairs = _pairs(values, arms, baseline)
        for arm, of_arm in pairs.items():
            rows += [Gain(endpoint, env, arm, *found, n) for env, found, n in _of_pairs(of_arm, _everywhere(pairs))]
    return pd.DataFrame(rows, columns=GAIN)


def _pairs(values: Mapping[tuple[str, str], np.ndarray], arms: Sequence[str], baseline: str) -> dict[str, Pairs]:
    """Of scores by environment and arm, those of each arm with the baseline's, environment by environment."""
    return {
        arm: {e: (values[e, arm], values[e, baseline]) for e, a in values if a == arm and (e, baseline) in values}
        for arm in arms
    }


def _everywhere(pairs: Mapping[str, Pairs]) -> set[str]:
    """Environments of any arm."""
    return {env for of_arm in pairs.values() for env in of_arm}


def _of_pairs(pairs: Pairs, everywhere: set[str]) -> Iterator[tuple[str, Interval, int]]:
    """Each environment with its gain and its seeds, then all of them where a mean can be taken."""
    seeds = {env: min(map(len, pair)) for env, pair in pairs.items()}
    yield from ((env, relative_gain(*pair), seeds[env]) for env, pair in pairs.items())
    several = len(pairs) > 1 and set(pairs) == everywhere
    if several and min(seeds.values()) > 1 and all(base.mean() != 0 for _, base in pairs.values()):
        yield MEAN, mean_difference(list(pairs.values())), min(seeds.values())


def relative_gain(treatment: np.ndarray, baseline: np.ndarray) -> Interval:
    """`decision_interval`; of a single seed the bare difference, NaN where the baseline is 0."""
    found = decision_interval(treatment, baseline)
    if min(len(treatment), len(baseline)) > 1 or baseline.mean() == 0:
        return found
    return found._replace(estimate=float((treatment.mean() - baseline.mean()) / abs(baseline.mean())))


def chances(scores: pd.DataFrame, arms: Sequence[str], baseline: str = "baseline") -> pd.DataFrame:
    """Probability that a seed of an arm scores higher than one of the baseline, and its 95 % interval.

    Args:
        scores: a row a seed: env, arm, seed, value, more being better.
        arms: those wanted; what the table lacks is left out.
        baseline: the arm they are held against.

    Returns:
        Columns `CHANCE`: environments with both arms, then the mean (Agarwal et al. 2021) of an arm in all of several.
    """
    values = {key: seeds.to_numpy(float) for key, seeds in scores.groupby(["env", "arm"])["value"]}
    rows: list[tuple] = []
    compared = _pairs(values, arms, baseline)
    for arm, pairs in compared.items():
        found = {env: probability_of_improvement(*pair) for env, pair in pairs.items()}
        if len(found) > 1 and set(found) == _everywhere(compared):
            found[MEAN] = weighted_sum(list(found.values()), [1 / len(found)] * len(found))
        seeds = {env: min(map(len, pair)) for env, pair in pairs.items()}
        rows += [(env, arm, *interval, seeds.get(env, min(seeds.values()))) for env, interval in found.items()]
    return pd.DataFrame(rows, columns=CHANCE)


def gains_for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `gains` as text, as `cards.grouped` takes it: rows by environment and arm, a column an endpoint."""
    order = {env: place for place, env in enumerate([*dict.fromkeys(table["env"][table["env"] != MEAN]), MEAN])}
    table = table.sort_values("env", key=lambda envs: envs.map(order), kind="stable")
    cells = {
        endpoint: {
            (environment_name(r.env), arm_style(r.arm).label): share_in_words(Interval(r.estimate, r.low, r.high))
            for r in rows.itertuples()
        }
        for endpoint, rows in table.groupby("endpoint", sort=False)
    }
    frame = pd.DataFrame(cells, dtype=str)
    return frame.set_axis(pd.MultiIndex.from_tuples(frame.index, names=["environment", "arm"])) if len(frame) else frame


def gains_in_words(table: pd.DataFrame, arm: str) -> str:
    """Gains of an arm in the first endpoint: `Hopper-v5 +3 % (−20 to +26) and Ant-v5 ...; mean of them ...`."""
    rows = table[(table["arm"] == arm) & (table["endpoint"] == next(iter(SCORES)))]
    found = {row.env: share_in_words(Interval(row.estimate, row.low, row.high)) for row in rows.itertuples()}
    mean = found.pop(MEAN, None)
    each = listed([f"{environment_name(env)} {words}" for env, words in found.items()]) or "–"
    return f"{each}; {MEAN} {mean}" if mean else each


def mean_in_words(table: pd.DataFrame, arm: str) -> str:
    """The gain of an arm in the first endpoint, mean of the environments; a dash where there is none."""
    rows = table[(table["arm"] == arm) & (table["endpoint"] == next(iter(SCORES))) & (table["env"] == MEAN)]
    return "–" if rows.empty else share_in_words(Interval(*rows[["estimate", "low", "high"]].iloc[0]))
