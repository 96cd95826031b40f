"""The verdicts about a page in its text, and how each environment decided."""

from collections.abc import Iterable

import pandas as pd

from recall.analysis.claims import Judgement, Verdict
from recall.analysis.panels import listed
from recall.analysis.stats import Interval
from recall.analysis.style import arm_style, environment_name
from recall.analysis.wording import digits_of, ratio_in_words, share_in_words

HINDRANCES = ("floor", "dose")
"""Findings that are no evidence: nothing was learned in either arm, hardly anything was imitated."""


def verdicts_in_words(judgements: Iterable[Judgement]) -> dict[str, str]:
    """The verdict of each claim by its id; `inconclusive (dose)` where that is why, naming environments if not all."""
    return {each.current.claim.id: _in_words(each.current) for each in judgements}


def _in_words(verdict: Verdict) -> str:
    table = verdict.per_environment
    if verdict.word != "inconclusive" or table.empty:
        return verdict.word
    reasons = []
    for hindrance in HINDRANCES:
        where = [environment_name(env) for env in table.loc[table["finding"] == hindrance, "env"]]
        reasons += [hindrance if len(where) == len(table) else f"{hindrance} in {listed(where)}"] if where else []
    return f"{verdict.word} ({'; '.join(reasons)})" if reasons else verdict.word


def decisions(judgements: Iterable[Judgement], claim: str) -> pd.DataFrame:
    """What each comparison of a claim found, as `cards.grouped` takes it; without rows for a claim that was not run."""
    (verdict,) = (each.current for each in judgements if each.current.claim.id == claim)
    rows = {}
    for found in verdict.per_environment.itertuples():
        arms = f"{arm_style(found.treatment).label} against {arm_style(found.baseline).label}"
        effect = Interval(found.effect, found.low, found.high)
        words = share_in_words(effect, digits_of(effect)), ratio_in_words(found.dose), found.finding
        rows[arms, environment_name(found.env)] = words
    index = pd.MultiIndex.from_tuples(list(rows), names=["arms", "environment"]) if rows else None
    return pd.DataFrame(list(rows.values()), index, ["difference", "pull", "finding"])
