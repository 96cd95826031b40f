"""The rules that turn numbers into one of five words; each claim of book/claims.yml names one.

A rule sees comparisons (a treatment and a baseline in one environment, one value a seed) and returns a
finding. Effects are oriented so that above 0 supports the claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recall.analysis.stats import (
    Interval,
    decision_interval,
    difference_of_proportions,
    difference_p,
    holm_levels,
    log_ratio_slope,
    mean_difference,
    proportion,
    restricted,
)

WORDS = ("reproduced", "contradicted", "no effect", "inconclusive", "not run")
"""Every verdict is one of these."""

MIN_SEEDS = 5
"""With fewer seeds in an arm a result is descriptive: inconclusive at most."""

ALPHA = 0.05

TABLE = [
    *("env", "treatment", "baseline", "effect", "low", "high"),
    *("confidence", "seeds", "budget", "dose", "finding"),
]
"""Columns of a finding's table, a row a comparison."""


@dataclass(frozen=True)
class Comparison:
    """A treatment and a baseline in one environment."""

    env: str
    """Label of the environment."""
    arms: tuple[str, str]
    """Names of the treatment and of the baseline."""
    treatment: np.ndarray
    """One value a seed, inf for a time that never came, (seeds,)."""
    baseline: np.ndarray
    """The same of the baseline, (seeds,)."""
    budget: int
    """Environment steps of each seed."""
    is_time: bool
    """Whether the values count steps: less is better."""
    dose: float | None = None
    """How much the treatment imitated (`Evidence.dose`); None where the arm keeps no table of that."""

    @property
    def seeds(self) -> int:
        """Seeds of the smaller arm."""
        return min(len(self.treatment), len(self.baseline))

    @property
    def level(self) -> float:
        """How far the better arm has come: its mean, or for times the share of its seeds that got there."""
        return max(float((np.isfinite(v) if self.is_time else v).mean()) for v in (self.treatment, self.baseline))

    @property
    def is_unknown(self) -> bool:
        """Whether times are compared, and no seed of either arm ever came there."""
        return self.is_time and not np.isfinite([*self.treatment, *self.baseline]).any()

    @property
    def kept_in(self) -> tuple[np.ndarray, np.ndarray]:
        """Both arms' values; a time that never came counts as the budget."""
        if not self.is_time:
            return self.treatment, self.baseline
        return restricted(self.treatment, self.budget), restricted(self.baseline, self.budget)


@dataclass(frozen=True)
class Finding:
    """What a rule says."""

    word: str
    """One of `WORDS`."""
    reason: str
    """Why, in a few words."""
    effect: Interval
    """The effect that decided, above 0 where it supports the claim."""
    unit: str
    """What the effect is a number of."""
    table: pd.DataFrame
    """A row a comparison, columns `TABLE`."""
    aggregate: Interval | None = None
    """The effect averaged over environments, where one treatment met one baseline in several."""


def superior(comparisons: Sequence[Comparison], *, margin: float, floor: float, dose: float, paired: bool) -> Finding:
    """The treatment's mean is better than the baseline's in every comparison, Holm-adjusted over them all.

    Args:
        comparisons: environments times treatments times baselines.
        margin: an adjusted interval inside plus or minus this share of the baseline is no effect.
        floor: below this level of both arms nothing was learned and nothing is decided.
        dose: if the treatment imitated less than this, a missing effect is no evidence.
        paired: whether equal seeds of the two arms belong together.
    """
    levels = holm_levels([difference_p(*c.kept_in, paired) for c in comparisons], ALPHA).tolist()
    effects = [_gain(c, 1 - level, paired) for c, level in zip(comparisons, levels, strict=True)]
    found = [_read(c, e, margin, floor, dose) for c, e in zip(comparisons, effects, strict=True)]
    word, reason = _combine(comparisons, found)
    decider = min(effects, key=lambda e: e.high if word == "contradicted" else e.low)
    noun = "of the baseline's steps saved" if comparisons[0].is_time else "of the baseline's value gained"
    table = _table(comparisons, effects, [1 - level for level in levels], found)
    return Finding(word, reason, decider, f"share {noun}", table, _aggregate(comparisons, paired))


def _gain(comparison: Comparison, confidence: float, paired: bool) -> Interval:
    """The treatment's gain, if it is known."""
    if comparison.is_unknown:
        return Interval(np.nan, -np.inf, np.inf)
    effect = decision_interval(*comparison.kept_in, confidence, paired)
    return Interval(-effect.estimate, -effect.high, -effect.low) if comparison.is_time else effect


def _read(comparison: Comparison, effect: Interval, margin: float, floor: float, dose: float) -> str:
    """One comparison in a few words; `few seeds` comes first, `floor` before any sign of an effect."""
    if comparison.seeds < MIN_SEEDS:
        return "few seeds"
    if comparison.level < floor:
        return "floor"
    word = _sign(effect, margin)
    if word in ("no effect", "wide interval") and comparison.dose is not None and comparison.dose < dose:
        return "dose"
    return word


def _sign(effect: Interval, margin: float) -> str:
    if effect.low > 0:
        return "above"
    if effect.high < 0:
        return "below"
    return "no effect" if -margin <= effect.low and effect.high <= margin else "wide interval"


def _combine(comparisons: Sequence[Comparison], found: Sequence[str]) -> tuple[str, str]:
    """The claim's word and its reason, which tells comparisons apart only where they disagree."""
    if "few seeds" in found:
        return "inconclusive", f"few seeds: {min(c.seeds for c in comparisons)}, a verdict needs {MIN_SEEDS}"
    where = "; ".join(f"{_name(c, comparisons)}: {word}" for c, word in zip(comparisons, found, strict=True))
    reason = found[0] if len(set(found)) == 1 else where
    if "below" in found:
        return "contradicted", reason
    return {"above": "reproduced", "no effect": "no effect"}.get(reason, "inconclusive"), reason


def _name(comparison: Comparison, among: Sequence[Comparison]) -> str:
    if len({c.arms for c in among}) == 1:
        return comparison.env
    return f"{comparison.env}, {comparison.arms[0]} against {comparison.arms[1]}"


def _table(
    comparisons: Sequence[Comparison],
    effects: Sequence[Interval],
    confidence: Sequence[float],
    found: Sequence[str],
) -> pd.DataFrame:
    rows = [
        (c.env, *c.arms, *effect, level, c.seeds, c.budget, np.nan if c.dose is None else c.dose, word)
        for c, effect, level, word in zip(comparisons, effects, confidence, found, strict=True)
    ]
    return pd.DataFrame(rows, columns=TABLE)


def _aggregate(comparisons: Sequence[Comparison], paired: bool) -> Interval | None:
    one_pair = len({c.arms for c in comparisons}) == 1
    pairs = [c.kept_in for c in comparisons]
    usable = all(c.seeds > 1 and baseline.mean() != 0 for c, (_, baseline) in zip(comparisons, pairs, strict=True))
    if len(comparisons) < 2 or not one_pair or not usable or any(c.is_unknown for c in comparisons):
        return None
    mean = mean_difference(pairs, paired=paired)
    return Interval(-mean.estimate, -mean.high, -mean.low) if comparisons[0].is_time else mean


def grows(
    comparisons: Sequence[Comparison], *, sizes: Sequence[float], margin: float, floor: float, dose: float
) -> Finding:
    """The ratio of the arms' means grows with size: an interaction, not a row of separate tests.

    The effect is by what share the fitted ratio changes from the smallest size to the largest:
    `log_ratio_slope`, times the range, through exp, less 1. For times the ratio is the speed-up.

    Args:
        comparisons: one an environment, of one treatment and one baseline.
        sizes: number of each environment, in their order; if all are the same there is no slope.
        margin: a change inside plus or minus this share is no effect.
        floor: as in `superior`; one environment at the floor leaves the slope undecided.
        dose: as in `superior`.
    """
    better = [c.kept_in[::-1] if c.is_time else c.kept_in for c in comparisons]
    unit = f"growth of the gain from size {min(sizes)} to {max(sizes)}"
    some = len(set(sizes)) > 1 and min(c.seeds for c in comparisons) > 1
    if not some or min(arm.mean() for pair in better for arm in pair) <= 0:
        ratios = [Interval(np.nan, -np.inf, np.inf)] * len(comparisons)
        effect = ratios[0]
    else:
        ratios = [decision_interval(*pair) for pair in better]
        slope = log_ratio_slope([top for top, _ in better], [bottom for _, bottom in better], sizes, 1 - ALPHA)
        effect = Interval(*(float(np.expm1(end * (max(sizes) - min(sizes)))) for end in slope))
    found = [_read(c, effect, margin, floor, dose) for c in comparisons]
    states = ["" if word == _sign(effect, margin) else word for word in found]  # only the slope has a sign
    if "floor" in states:
        found = ["floor"] * len(comparisons)
    table = _table(comparisons, ratios, [1 - ALPHA] * len(comparisons), states)
    return Finding(*_combine(comparisons, found), effect, unit, table)


def only_baseline_fails(comparisons: Sequence[Comparison], *, margin: float) -> Finding:
    """Some runs of the baseline never get there, and no run of any treatment fails.

    The effect is the baseline's share of failures less the treatment's. That it lies above 0 is not enough:
    one failure of a treatment leaves the claim undecided. Treatments are not pooled, because arms of equal
    seeds fail together.
    """
    effects = [difference_of_proportions(*_failures(c.baseline), *_failures(c.treatment)) for c in comparisons]
    found = [_read_failures(c, effect, margin) for c, effect in zip(comparisons, effects, strict=True)]
    word, reason = _combine(comparisons, found)
    arms = {c.arms[1]: c.baseline for c in comparisons} | {c.arms[0]: c.treatment for c in comparisons}
    counts = "; ".join(f"{arm}: {_describe(*_failures(times))}" for arm, times in arms.items())
    decider = min(effects, key=lambda e: e.high if word == "contradicted" else e.low)
    table = _table(comparisons, effects, [1 - ALPHA] * len(comparisons), found)
    return Finding(word, f"{reason} ({counts})", decider, "difference of the shares of failed runs", table)


def _read_failures(comparison: Comparison, effect: Interval, margin: float) -> str:
    if comparison.seeds < MIN_SEEDS:
        return "few seeds"
    word = _sign(effect, margin)
    return "the treatment fails too" if word == "above" and _failures(comparison.treatment)[0] else word


def _describe(failed: int, seeds: int) -> str:
    share = proportion(failed, seeds)
    return f"{failed} of {seeds} failed, {share.low:.0%} to {share.high:.0%}"


def _failures(times: np.ndarray) -> tuple[int, int]:
    return int((~np.isfinite(times)).sum()), len(times)


RULES: dict[str, Callable[..., Finding]] = {
    "superior": superior,
    "grows": grows,
    "only_baseline_fails": only_baseline_fails,
}
"""The rules a claim may name; book/claims.yml gives all their keyword arguments, so its hash covers them."""
