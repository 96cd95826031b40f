"""What recall traces gain under other settings of the same agent, and how much of that is the settings' doing."""

from collections.abc import Mapping

import pandas as pd

from recall.analysis.gains import GAIN, MEAN, SCORES, Gain, gains, relative_gain
from recall.analysis.number_plots import over_training_mean
from recall.analysis.panels import listed
from recall.analysis.stats import Interval, weighted_sum
from recall.analysis.style import environment_name
from recall.analysis.wording import share_in_words

PAIRS = {"recall": "baseline", "recall-fixed": "baseline-fixed"}
"""Arms of the page sac-checks with recall traces, and what each is held against: the same agent without them."""

CHECKED = ("baseline", "recall", "baseline-fixed", "recall-fixed")
"""All of them, in the order in which they are drawn."""

FULL = "-full"
"""End of the label of an environment whose whole observation is shown."""


def pair_gains(metrics: pd.DataFrame) -> pd.DataFrame:
    """A table of `gains.gains` of each pair in `PAIRS`, environment by environment."""
    table = pd.concat([gains(metrics, (arm,), baseline) for arm, baseline in PAIRS.items()], ignore_index=True)
    return table[table["env"] != MEAN].sort_values("endpoint", key=lambda e: e.map(list(SCORES).index), kind="stable")


def dependence(table: pd.DataFrame) -> pd.DataFrame:
    """Gain with a fixed temperature less that with the automatic one, columns `GAIN`; in percentage points.

    Args:
        table: of `pair_gains`; an environment that lacks a pair is left out.
    """
    known = {(r.endpoint, r.env, r.arm): r for r in table.itertuples()}
    rows = []
    for (endpoint, env, arm), fixed in known.items():
        if arm == "recall-fixed" and (automatic := known.get((endpoint, env, "recall"))):
            both = [Interval(r.estimate, r.low, r.high) for r in (fixed, automatic)]
            seeds = min(fixed.seeds, automatic.seeds)
            rows.append(Gain(endpoint, env, "fixed-automatic", *weighted_sum(both, [1, -1]), seeds))
    return pd.DataFrame(rows, columns=GAIN)


def in_words(table: pd.DataFrame) -> dict[str, str]:
    """Of a table of `pair_gains`, the mean return over training alone.

    Returns:
        `fixed`, `automatic` and `full`: the gain in each environment with a fixed temperature, with the automatic one,
        and with that and the whole observation; `difference`: that of the first two; `count`: in how many environments
        its interval leaves out 0.
    """
    first = table[table["endpoint"] == next(iter(SCORES))]
    full, differences = first["env"].str.endswith(FULL), dependence(first)
    return {
        "fixed": _each(first[(first["arm"] == "recall-fixed") & ~full]),
        "automatic": _each(first[(first["arm"] == "recall") & ~full]),
        "full": _each(first[(first["arm"] == "recall") & full]),
        "difference": _each(differences, "points"),
        "count": f"{(differences['low'] * differences['high'] > 0).sum()} of {len(differences)} environments",
    }


def temperature_in_words(metrics: pd.DataFrame) -> str:
    """By what share recall traces change the automatic temperature, mean over the second half of the training."""
    late = over_training_mean(metrics[metrics["step"] > metrics["step"].max() / 2], "temperature")
    values = {key: of_arm["value"].dropna().to_numpy(float) for key, of_arm in late.groupby(["env", "arm"])}
    pairs = {env: (values[env, arm], values[env, PAIRS[arm]]) for env, arm in values if arm == "recall"}
    return _each_in_words({env: relative_gain(*pair) for env, pair in pairs.items() if min(map(len, pair)) > 0})


def _each(rows: pd.DataFrame, unit: str = "%") -> str:
    return _each_in_words({r.env: Interval(r.estimate, r.low, r.high) for r in rows.itertuples()}, unit)


def _each_in_words(found: Mapping[str, Interval], unit: str = "%") -> str:
    """The interval of each environment, or a dash."""
    each = (f"{share_in_words(interval, unit=unit)} in {environment_name(env)}" for env, interval in found.items())
    return listed(list(each)) or "–"
