"""How often do intervals of a relative difference hold the truth? Simulated, to choose the one that decides.

A method is good here if its coverage stays near what it promises with few seeds and with the ill-behaved ones
of reinforcement learning: heavy tails, skew, runs that fail. No method can know of failures that no seed
showed.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from recall.analysis.stats import relative_difference

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Ends = tuple[np.ndarray, np.ndarray]
Method = Callable[[np.ndarray, np.ndarray, np.random.Generator], Ends]

CONFIDENCE = 0.95
TAILS = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
N_RESAMPLES = 599
CHUNK = 100
"""Experiments bootstrapped at once, which bounds the memory."""


def _normal(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return 1 + 0.3 * rng.standard_normal(size)


def _heavy_tails(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return 1 + 0.3 * rng.standard_t(3, size) / np.sqrt(3)


def _skewed(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return np.exp(0.5 * rng.standard_normal(size) - 0.125)


def _some_fail(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Four runs in five reach 1.2, the fifth 0.2; mean 1."""
    return np.where(rng.random(size) < 0.8, 1.2, 0.2) + 0.05 * rng.standard_normal(size)


def _none_fails(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return 1 + 0.05 * rng.standard_normal(size)


SHAPES: dict[str, tuple[Draw, Draw]] = {
    "normal": (_normal, _normal),
    "heavy tails (t, 3 degrees)": (_heavy_tails, _heavy_tails),
    "skewed (lognormal)": (_skewed, _skewed),
    "some runs fail": (_some_fail, _some_fail),
    "only baseline runs fail": (_none_fails, _some_fail),
}
"""Distribution of the treatment and of the baseline over seeds, both of mean 1."""

EFFECT = 0.2
"""The true relative difference: every treatment value is multiplied by 1 + EFFECT."""


def _fieller(treatment: np.ndarray, baseline: np.ndarray, rng: np.random.Generator) -> Ends:
    return relative_difference(treatment, baseline, CONFIDENCE)[1:]


def _delta(treatment: np.ndarray, baseline: np.ndarray, rng: np.random.Generator) -> Ends:
    estimate, error, (a, b) = _ratio(_moments(treatment), _moments(baseline))
    dof = (a + b) ** 2 / (a**2 / (treatment.shape[-1] - 1) + b**2 / (baseline.shape[-1] - 1))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, dof) * error
    return estimate - half, estimate + half


def _percentile(treatment: np.ndarray, baseline: np.ndarray, rng: np.random.Generator) -> Ends:
    estimate, _, _ = _ratio(_resampled(treatment, rng), _resampled(baseline, rng))
    low, high = np.quantile(estimate, TAILS, axis=-1)
    return low, high


def _studentised(treatment: np.ndarray, baseline: np.ndarray, rng: np.random.Generator) -> Ends:
    centre, error, _ = _ratio(_moments(treatment), _moments(baseline))
    estimate, errors, _ = _ratio(_resampled(treatment, rng), _resampled(baseline, rng))
    distance = estimate - centre[:, None]
    # A resample of one repeated seed has no spread: it is infinitely many standard errors away.
    t = np.divide(distance, errors, out=np.copysign(np.inf, distance), where=errors > 0)
    low, high = np.quantile(t, TAILS, axis=-1, method="inverted_cdf")
    return centre - high * error, centre - low * error


def _ratio(treatment: Ends, baseline: Ends) -> tuple[np.ndarray, np.ndarray, Ends]:
    """Relative difference of two means, its standard error by the delta method, the arms' shares of that."""
    (mean_t, var_t), (mean_b, var_b) = treatment, baseline
    shares = var_t / mean_b**2, var_b * mean_t**2 / mean_b**4
    return mean_t / mean_b - 1, np.sqrt(sum(shares)), shares


def _moments(values: np.ndarray) -> Ends:
    """Mean over seeds and the estimated variance of that mean, (experiments,) each."""
    return values.mean(-1), values.var(-1, ddof=1) / values.shape[-1]


def _resampled(values: np.ndarray, rng: np.random.Generator) -> Ends:
    """`_moments` of resampled seeds, (experiments, resamples) each; all experiments share the counts."""
    n = values.shape[-1]
    share = rng.multinomial(n, np.full(n, 1 / n), size=N_RESAMPLES).T / n
    centre = values.mean(-1, keepdims=True)
    mean = (values - centre) @ share
    variance = np.maximum((values - centre) ** 2 @ share - mean**2, 0) / (n - 1)
    return centre + mean, variance


METHODS: dict[str, Method] = {
    "Welch, Fieller": _fieller,
    "Welch, delta method": _delta,
    "studentised bootstrap": _studentised,
    "percentile bootstrap": _percentile,
}
"""Candidates; the first is `stats.decision_interval`."""


def coverage(
    method: str, shape: str, n_seeds: int, rng: np.random.Generator, repetitions: int = 2000
) -> tuple[float, float]:
    """Share of simulated experiments whose 95 % interval holds the truth, and the intervals' median width."""
    draw_treatment, draw_baseline = SHAPES[shape]
    covered, widths = [], []
    for start in range(0, repetitions, CHUNK):
        size = (min(CHUNK, repetitions - start), n_seeds)
        treatment = (1 + EFFECT) * draw_treatment(rng, size)
        low, high = METHODS[method](treatment, draw_baseline(rng, size), rng)
        covered.append((low <= EFFECT) & (high >= EFFECT))
        widths.append(high - low)
    return float(np.concatenate(covered).mean()), float(np.median(np.concatenate(widths)))


def coverage_table(
    rng: np.random.Generator, repetitions: int = 2000, n_seeds: Sequence[int] = (3, 5, 10, 20)
) -> pd.DataFrame:
    """`coverage` of all: columns shape, seeds, method, coverage, median_width."""
    rows = [
        (shape, n, method, *coverage(method, shape, n, rng, repetitions))
        for shape in SHAPES
        for n in n_seeds
        for method in METHODS
    ]
    return pd.DataFrame(rows, columns=["shape", "seeds", "method", "coverage", "median_width"])
