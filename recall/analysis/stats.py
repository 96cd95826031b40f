"""Statistics over seeds: what the figures draw and what the verdicts rest on.

The unit is the seed, never the episode. Verdicts rest on Welch's t with Fieller's interval for a relative
difference; `calibration.py` shows why. Bands are drawn by bootstrap. Functions marked (..., n) work along the
last axis, so the calibration judges many simulated experiments at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from recall.errors import RecordError


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def iqm(values: ArrayLike, axis: int = 0) -> np.ndarray:
    """Interquartile mean: the mean of the middle half (Agarwal et al. 2021); NaN where a value is NaN or none is."""
    values = np.asarray(values, float)
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan)
    return stats.trim_mean(values, 0.25, axis=axis)


def iqm_band(
    values: ArrayLike, rng: np.random.Generator, confidence: float = 0.95, n_resamples: int = 2000
) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise percentile-bootstrap band of the IQM over seeds: drawn, never decided on.

    Args:
        values: one curve a seed, (seeds, steps).
        rng: where the resamples come from.
        confidence: of the band at each step.
        n_resamples: number of resamples.

    Returns:
        Lower and upper edge, (steps,) each; NaN for a single seed, of which nothing can be said.
    """
    return stratified_iqm_band([values], rng, confidence, n_resamples)


def stratified_iqm_band(
    groups: Sequence[ArrayLike], rng: np.random.Generator, confidence: float = 0.95, n_resamples: int = 2000
) -> tuple[np.ndarray, np.ndarray]:
    """The same of the IQM over all seeds of several groups, resampled within each (Agarwal et al. 2021).

    Args:
        groups: one (seeds, steps) an environment.
        rng: where the resamples come from.
        confidence: of the band at each step.
        n_resamples: number of resamples.
    """
    samples = [np.asarray(group, float) for group in groups]
    if min(map(len, samples)) < 2:
        return np.full(samples[0].shape[1:], np.nan), np.full(samples[0].shape[1:], np.nan)
    result = stats.bootstrap(
        samples, lambda *drawn, axis: iqm(np.concatenate(drawn, axis), axis), n_resamples=n_resamples, batch=200,
        vectorized=True, confidence_level=confidence, method="percentile", rng=rng,
    )  # fmt: skip
    return result.confidence_interval


def probability_of_improvement(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """P(a > b) for a seed of each, ties counting half, with Newcombe's score interval.

    Newcombe (2006, part 2, method 5): all p with `|estimate - p| <= z * sd(p)`, sd after Hanley and McNeil
    (1982) with equal group sizes. Unlike a bootstrap it keeps its coverage when every seed of `a` beats every
    seed of `b`.
    """
    a, b = _seeds(a), _seeds(b)
    estimate = float((np.sign(a[:, None] - b) / 2 + 0.5).mean())
    z = stats.norm.ppf((1 + confidence) / 2)
    p = np.linspace(0, 1, 10_001)
    extra = ((len(a) + len(b)) / 2 - 1) * ((1 - p) / (2 - p) + p / (1 + p))
    inside = (estimate - p) ** 2 <= z**2 * p * (1 - p) * (1 + extra) / (len(a) * len(b))
    inside |= np.abs(estimate - p) <= 0.5 * (p[1] - p[0])
    return Interval(estimate, float(p[inside][0]), float(p[inside][-1]))


@dataclass(frozen=True)
class _Means:
    """Two sample means, the variances and covariance of these means, and degrees of freedom, (...) each."""

    treatment: np.ndarray
    baseline: np.ndarray
    var_treatment: np.ndarray
    var_baseline: np.ndarray
    covariance: np.ndarray
    dof: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        return self.treatment - self.baseline

    @property
    def standard_error(self) -> np.ndarray:
        """Of the difference; rounding may not make it imaginary."""
        return np.sqrt(np.maximum(self.var_treatment + self.var_baseline - 2 * self.covariance, 0))


def _means(treatment: np.ndarray, baseline: np.ndarray, paired: bool) -> _Means:
    n, m = treatment.shape[-1], baseline.shape[-1]
    var_t, var_b = treatment.var(-1, ddof=1) / n, baseline.var(-1, ddof=1) / m
    mean_t, mean_b = treatment.mean(-1), baseline.mean(-1)
    if paired and n != m:
        raise RecordError(f"{n} and {m} seeds make no pairs; train the missing ones")
    if paired:
        product = (treatment - mean_t[..., None]) * (baseline - mean_b[..., None])
        covariance, dof = product.sum(-1) / (n - 1) / n, np.full_like(var_t, n - 1)
    else:
        covariance, dof = np.zeros_like(var_t), _satterthwaite([var_t, var_b], [n - 1, m - 1])
    return _Means(mean_t, mean_b, var_t, var_b, covariance, dof)


def _satterthwaite(variances: Sequence[np.ndarray], dofs: Sequence[int]) -> np.ndarray:
    """Welch's degrees of freedom of a sum of independent variance estimates; their sum if all are 0."""
    total = np.sum(variances, axis=0)
    weights = np.sum([v**2 / dof for v, dof in zip(variances, dofs, strict=True)], axis=0)
    return np.divide(total**2, weights, out=np.full_like(total, sum(dofs)), where=weights > 0)


def relative_difference(
    treatment: np.ndarray, baseline: np.ndarray, confidence: float = 0.95, paired: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(mean of treatment - mean of baseline) / |mean of baseline|`, and its interval by Fieller's theorem.

    The interval holds every ratio r of the means with `|m_t - r m_b| <= t se(m_t - r m_b)`, a quadratic in r,
    t with Welch's degrees of freedom. So it excludes 0 exactly when Welch's test rejects equal means. Where
    the baseline cannot be told from 0, no upper limit exists: the interval is then one-sided if the means
    differ, else the whole line.

    Args:
        treatment: one value a seed, (..., n).
        baseline: one value a seed, (..., m).
        confidence: of the interval.
        paired: whether the i-th values of both arms belong together (same seed, common random numbers).

    Returns:
        Estimate, lower end, upper end, (...) each.
    """
    m = _means(treatment, baseline, paired)
    t = stats.t.ppf((1 + confidence) / 2, m.dof)
    a = m.baseline**2 - t**2 * m.var_baseline
    b = m.treatment * m.baseline - t**2 * m.covariance
    c = m.treatment**2 - t**2 * m.var_treatment
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    side = np.sign(m.difference) * (np.abs(m.difference) > t * m.standard_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(m.difference == 0, 0.0, m.difference / np.abs(m.baseline))
        ends = np.sign(m.baseline) * (np.stack([b - root, b + root]) / a - 1)
        outside = np.fmin(*np.abs(c / np.stack([b - root, b + root]) - 1))
    low = np.where(a > 0, ends.min(0), np.where(side > 0, outside, -np.inf))
    high = np.where(a > 0, ends.max(0), np.where(side < 0, -outside, np.inf))
    return estimate, low, high


def decision_interval(
    treatment: ArrayLike, baseline: ArrayLike, confidence: float = 0.95, paired: bool = False
) -> Interval:
    """The interval a verdict rests on: `relative_difference` of two arms, one value a seed in each.

    Chosen by simulation (`calibration.coverage_table`, 10,000 experiments a cell, n = 3, 5, 10, 20 seeds).
    Where 0.95 is asked it covers 0.95 to 0.97 of the time with normal, heavy-tailed and skewed seeds and 0.95
    to 0.99 where some runs of both arms fail; the delta method falls to 0.93 (skew), the studentised
    bootstrap to 0.89 (failures), the percentile bootstrap to 0.80 at n = 3 and 0.87 at n = 5. Where only the
    baseline's runs fail, one in five, no method can know of failures that no seed showed: 0.54, 0.66, 0.89,
    0.93. Fewer than two seeds say nothing: NaN and the whole line.
    """
    treatment, baseline = _seeds(treatment), _seeds(baseline)
    if min(len(treatment), len(baseline)) < 2:
        return Interval(np.nan, -np.inf, np.inf)
    return Interval(*(float(x) for x in relative_difference(treatment, baseline, confidence, paired)))


def difference_p(treatment: ArrayLike, baseline: ArrayLike, paired: bool = False) -> float:
    """The p-value of `decision_interval` at 0: Welch's or the paired t-test of equal means, two-sided."""
    treatment, baseline = _seeds(treatment), _seeds(baseline)
    if min(len(treatment), len(baseline)) < 2:
        return 1.0
    m = _means(treatment, baseline, paired)
    if m.standard_error == 0:
        return float(m.difference == 0)
    return float(2 * stats.t.sf(np.abs(m.difference) / m.standard_error, m.dof))


def _seeds(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise RecordError(
            f"one finite value a seed is needed, got {values}; restrict times, look for missing evaluations"
        )
    return values


def holm_levels(p_values: Sequence[float], alpha: float = 0.05) -> np.ndarray:
    """The level at which Holm's step-down procedure (1979) tests each hypothesis, in the given order.

    The smallest p-value is tested at alpha / k, the next at alpha / (k - 1), ...; from the first that fails
    on, all share its level. An interval at confidence 1 - level excludes 0 exactly when Holm rejects that
    hypothesis.
    """
    levels = np.empty(len(p_values))
    order = np.argsort(p_values, kind="stable")
    failed = False
    for rank, index in enumerate(order):
        if not failed:
            level = alpha / (len(order) - rank)
            failed = p_values[index] >= level
        levels[index] = level
    return levels


def survival(times: ArrayLike, grid: ArrayLike, horizon: float) -> np.ndarray:
    """Share of seeds not yet there at each point of `grid`; NaN beyond the horizon, where nobody looked.

    All seeds are watched equally long, so the Kaplan-Meier estimate is this plain share. Never is `inf`.
    """
    grid = np.asarray(grid, float)
    share = (np.asarray(times, float)[:, None] > grid).mean(0)
    return np.where(grid <= horizon, share, np.nan)


def restricted(times: ArrayLike, horizon: float) -> np.ndarray:
    """Times whose mean is the restricted mean: a seed that never got there counts as the horizon."""
    return np.minimum(np.asarray(times, float), horizon)


def restricted_speedup(treatment: ArrayLike, baseline: ArrayLike, horizon: float, confidence: float = 0.95) -> Interval:
    """How many times faster the treatment is: ratio of the restricted mean times, baseline / treatment."""
    interval = decision_interval(restricted(baseline, horizon), restricted(treatment, horizon), confidence)
    return Interval(*(1 + end for end in interval))


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean over seeds with Student's interval; the whole line for a single seed."""
    values = _seeds(values)
    if len(values) < 2:
        return Interval(float(values.mean()), -np.inf, np.inf)
    error = values.std(ddof=1) / len(values) ** 0.5
    return Interval(*(float(end) for end in _t_interval(values.mean(), error, np.array(len(values) - 1), confidence)))


def _t_interval(estimate: np.ndarray, se: np.ndarray, dof: np.ndarray, confidence: float) -> tuple[np.ndarray, ...]:
    half = stats.t.ppf((1 + confidence) / 2, dof) * se
    return estimate, estimate - half, estimate + half


def log_ratio_slope(
    top: Sequence[np.ndarray], bottom: Sequence[np.ndarray], sizes: Sequence[float], confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least-squares slope of log(mean top / mean bottom) against size, and its interval by the delta method.

    Args:
        top: positive values, one array (..., seeds) a size.
        bottom: the same of the other arm.
        sizes: what they are regressed on.
        confidence: of the interval; t quantile with Welch-Satterthwaite degrees of freedom.

    Returns:
        Slope a unit of size, lower end, upper end, (...) each.
    """
    x = np.asarray(sizes, float) - np.mean(sizes)
    weights = x / (x**2).sum()
    slope, variances, dofs = np.zeros(top[0].shape[:-1]), [], []
    for weight, *arms in zip(weights, top, bottom, strict=True):
        for sign, values in zip((1, -1), arms, strict=True):
            mean = values.mean(-1)
            slope = slope + sign * weight * np.log(mean)
            variances.append((weight / mean) ** 2 * values.var(-1, ddof=1) / values.shape[-1])
            dofs.append(values.shape[-1] - 1)
    se = np.sqrt(np.sum(variances, axis=0))
    slope, low, high = _t_interval(slope, se, _satterthwaite(variances, dofs), confidence)
    return slope, low, high


def speedup_slope(
    treatment: Sequence[ArrayLike],
    baseline: Sequence[ArrayLike],
    sizes: Sequence[float],
    horizons: Sequence[float],
    confidence: float = 0.95,
) -> Interval:
    """Growth of the log speed-up (ratio of restricted mean times, baseline / treatment) a unit of size."""
    slow, fast = (
        [_seeds(restricted(times, horizon)) for times, horizon in zip(arm, horizons, strict=True)]
        for arm in (baseline, treatment)
    )
    if min(map(len, [*slow, *fast])) < 2:
        return Interval(np.nan, -np.inf, np.inf)
    return Interval(*(float(x) for x in log_ratio_slope(slow, fast, sizes, confidence)))


def mean_difference(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]], confidence: float = 0.95, paired: bool = False
) -> Interval:
    """Relative difference averaged over equally weighted environments; interval by the delta method.

    Args:
        pairs: (treatment, baseline) of each environment, one value a seed; no baseline has mean 0.
        confidence: of the interval.
        paired: as in `relative_difference`.
    """
    estimate, variances, dofs = np.zeros(()), [], []
    for pair in pairs:
        treatment, baseline = (_seeds(arm) for arm in pair)
        m = _means(treatment, baseline, paired)
        scale, ratio = abs(m.baseline) * len(pairs), m.treatment / m.baseline
        estimate = estimate + m.difference / scale
        parts = [m.var_treatment, ratio**2 * m.var_baseline]
        if paired:
            parts = [np.maximum(sum(parts) - 2 * ratio * m.covariance, 0)]
        variances += [part / scale**2 for part in parts]
        dofs += [len(treatment) - 1, len(baseline) - 1][: len(parts)]
    error, dof = np.sqrt(np.sum(variances)), _satterthwaite(variances, dofs)
    return Interval(*(float(end) for end in _t_interval(estimate, error, dof, confidence)))


def proportion(count: int, total: int, confidence: float = 0.95) -> Interval:
    """Share of seeds, with the exact interval of Clopper and Pearson (1934)."""
    ends = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    return Interval(count / total, float(ends.low), float(ends.high))


def difference_of_proportions(
    count_a: int, total_a: int, count_b: int, total_b: int, confidence: float = 0.95
) -> Interval:
    """Share in `a` minus share in `b`, the limits of `proportion` joined by square-and-add.

    Newcombe (1998), method 10, with exact instead of score limits, so it is cautious: enumerated over all
    outcomes and true shares, its coverage is 0.96 to 1 at 20 seeds an arm and 0.94 to 1 at 5.
    """
    return weighted_sum([proportion(count_a, total_a, confidence), proportion(count_b, total_b, confidence)], [1, -1])


def weighted_sum(intervals: Sequence[Interval], weights: Sequence[float]) -> Interval:
    """A weighted sum of independent estimates, with limits by square-and-add (Zou, Huang and Zhang 2009).

    The distance from estimate to limit is the root of the summed squares of the weighted distances of the parts, for
    a negative weight those on the other side. It needs no symmetry: intervals of Fieller and Newcombe keep theirs.
    """
    pairs = list(zip(intervals, weights, strict=True))
    estimate = sum(weight * part.estimate for part, weight in pairs)
    below = [w * (part.estimate - (part.low if w > 0 else part.high)) for part, w in pairs]
    above = [w * ((part.high if w > 0 else part.low) - part.estimate) for part, w in pairs]
    return Interval(float(estimate), float(estimate - np.linalg.norm(below)), float(estimate + np.linalg.norm(above)))
