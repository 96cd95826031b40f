"""Scores that others have published (book/published_scores.yml), beside ours."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from recall.analysis.panels import listed
from recall.analysis.style import arm_style, environment_name
from recall.analysis.wording import in_thousands
from recall.errors import ConfigError

FIELDS = {"source", "algorithm", "version", "about", "where", "scores"}
"""What is said of each source."""

COLUMNS = ["source", "algorithm", "version", "about", "where", "steps", "task", "mean", "spread"]
"""Of a table of scores, a row a number."""


def load_published(path: Path) -> pd.DataFrame:
    """Every published score, columns `COLUMNS`; the spread is NaN where none is given."""
    rows = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if set(entry) != FIELDS:
            raise ConfigError(f"{path.name}: {entry.get('source')} has {sorted(entry)}; it needs {sorted(FIELDS)}")
        about = [entry[name] for name in COLUMNS[:5]]
        for steps, tasks in entry["scores"].items():
            rows += [(*about, steps, task, mean, *(rest or [np.nan])) for task, (mean, *rest) in tasks.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def beside(scores: pd.DataFrame, published: pd.DataFrame, arms: Iterable[str]) -> pd.DataFrame:
    """Scores of runs made here and, of each source, those at the budget nearest to theirs; for `cards.grouped`.

    Args:
        scores: of an endpoint: a row a seed with env, arm, value and budget.
        published: of `load_published`.
        arms: those shown, in their order; what the table lacks is left out.

    Returns:
        Rows by environment and source: budget, mean and standard deviation over seeds as text.
    """
    cells: dict[tuple[str, str], tuple[str, str]] = {}
    for env, of_env in scores.groupby("env"):
        for arm, rows in ((arm, of_env[of_env["arm"] == arm]) for arm in arms):
            if len(rows):
                name = f"{arm_style(arm).label}, here, {len(rows)} seed{'s' * (len(rows) > 1)}"
                score = spread(rows["value"].mean(), rows["value"].std())
                cells[str(env), name] = in_thousands(rows["budget"].max()), score
        for row in nearest(published, str(env), of_env["budget"].max()).itertuples():
            cells[str(env), f"{row.source}, {row.version}"] = in_thousands(row.steps), spread(row.mean, row.spread)
    index = pd.MultiIndex.from_tuples(list(cells), names=["environment", "source"])
    return pd.DataFrame(list(cells.values()), index, ["steps", "return"])


def shares_in_words(scores: pd.DataFrame, published: pd.DataFrame, arm: str = "baseline") -> str:
    """What share of published returns an arm reaches, of each source at the very budget of the runs; a dash if none is.

    `Tianshou 81 % in HalfCheetah-v5 and 51 % in Hopper-v5`; arguments as of `beside`.
    """
    found: dict[str, list[str]] = {}
    for env, of_env in scores[scores["arm"] == arm].groupby("env"):
        steps = of_env["budget"].max()
        for row in published[
            (published["task"] == str(env).partition("-")[0]) & (published["steps"] == steps)
        ].itertuples():
            share = 100 * of_env["value"].mean() / row.mean
            found.setdefault(row.source, []).append(f"{share:.0f} % in {environment_name(str(env))}")
    return "; ".join(f"{source} {listed(shares)}" for source, shares in found.items()) or "–"


def nearest(published: pd.DataFrame, env: str, steps: int) -> pd.DataFrame:
    """Of each source the score of an environment's task at the budget nearest to a number of steps, by ratio."""
    rows = published[published["task"] == env.partition("-")[0]]
    distance = np.abs(np.log(rows["steps"] / steps))
    return rows.loc[distance.groupby(rows["source"], sort=False).idxmin()]


def spread(mean: float, deviation: float) -> str:
    """A mean with what follows a plus or minus, where it is known."""
    return f"{mean:.0f} ± {deviation:.0f}" if np.isfinite(deviation) else f"{mean:.0f}"
