"""Every outcome of every rule, on made-up seeds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from recall.analysis.rules import WORDS, Comparison, grows, only_baseline_fails, superior

SPREAD = np.linspace(-1, 1, 20)
"""Twenty seeds around a mean."""


def values(mean: float, spread: float, n: int = 20) -> np.ndarray:
    """As many seeds as asked, in full or in part around a mean."""
    return mean + spread * np.resize(SPREAD, n)


def compare(treatment: ArrayLike, baseline: ArrayLike, env: str = "e", is_time: bool = False) -> Comparison:
    """All seeds of the treatment imitated something; a budget of 1000 steps."""
    arms = ("recall", "baseline")
    return Comparison(env, arms, np.array(treatment, float), np.array(baseline, float), 1000, is_time, dose=1.0)


def dosed(comparison: Comparison, dose: float | None) -> Comparison:
    return replace(comparison, dose=dose)


def judged_superior(*comparisons: Comparison, paired: bool = False) -> tuple[str, str]:
    finding = superior(comparisons, margin=0.1, floor=0.05, dose=0.5, paired=paired)
    assert finding.word in WORDS
    return finding.word, finding.reason


@pytest.mark.parametrize(
    ("comparison", "word", "reason"),
    [
        (compare(values(0.8, 0.05), values(0.6, 0.05)), "reproduced", "above"),
        (compare(values(0.6, 0.05), values(0.8, 0.05)), "contradicted", "below"),
        (compare(values(0.8, 0.05), values(0.8, 0.05)), "no effect", "no effect"),
        (compare(values(0.8, 0.40), values(0.7, 0.40)), "inconclusive", "wide interval"),
        (
            compare(values(0.8, 0.01, 4), values(0.6, 0.01, 4)),
            "inconclusive",
            "few seeds: 4, a verdict needs 5",
        ),
        (compare(values(0.8, 0.05, 5), values(0.6, 0.05, 5)), "reproduced", "above"),
        (compare(values(0.04, 0.01), values(0.02, 0.01)), "inconclusive", "floor"),
        (dosed(compare(values(0.8, 0.05), values(0.8, 0.05)), 0.4), "inconclusive", "dose"),
        (dosed(compare(values(0.8, 0.05), values(0.6, 0.05)), 0.4), "reproduced", "above"),
        (dosed(compare(values(0.8, 0.05), values(0.8, 0.05)), None), "no effect", "no effect"),
        (compare(values(300, 50), values(600, 50), is_time=True), "reproduced", "above"),
        (compare(values(600, 50), values(300, 50), is_time=True), "contradicted", "below"),
        (compare(values(300, 10), values(300, 10), is_time=True), "no effect", "no effect"),
        (compare(values(300, 50), [np.inf] * 20, is_time=True), "reproduced", "above"),
        (compare([np.inf] * 20, [np.inf] * 20, is_time=True), "inconclusive", "floor"),
        (compare([], []), "inconclusive", "few seeds: 0, a verdict needs 5"),
        (compare([0.9], [0.1]), "inconclusive", "few seeds: 1, a verdict needs 5"),
    ],
)
def test_superior_in_one_environment(comparison: Comparison, word: str, reason: str) -> None:
    assert judged_superior(comparison) == (word, reason)


def test_times_of_nobody_have_no_difference() -> None:
    nobody = compare([np.inf] * 5, [np.inf] * 5, env="a", is_time=True)
    faster = compare(values(300, 50, 5), values(600, 50, 5), env="b", is_time=True)
    settings = {"margin": 0.1, "floor": 0.2, "dose": 0, "paired": False}
    finding = superior([nobody, faster], **settings)
    assert np.isnan(finding.effect.estimate)
    assert (finding.effect.low, finding.effect.high) == (-np.inf, np.inf)
    assert finding.aggregate is None
    assert superior([faster, faster], **settings).aggregate is not None


def test_superior_needs_every_environment() -> None:
    better, equal = (compare(values(m, 0.05), values(0.6, 0.05), env=f"e{m}") for m in (0.8, 0.6))
    worse, wide = compare(values(0.4, 0.05), values(0.6, 0.05), env="w"), compare(SPREAD + 2, SPREAD + 2)
    assert judged_superior(better, better) == ("reproduced", "above")
    assert judged_superior(equal, equal) == ("no effect", "no effect")
    assert judged_superior(better, equal) == ("inconclusive", "e0.8: above; e0.6: no effect")
    assert judged_superior(better, worse) == ("contradicted", "e0.8: above; w: below")
    assert judged_superior(equal, wide) == ("inconclusive", "e0.6: no effect; e: wide interval")


def test_superior_needs_every_baseline() -> None:
    other = replace(compare(values(0.8, 0.05), values(0.8, 0.05)), arms=("recall", "untrained"))
    word, reason = judged_superior(compare(values(0.8, 0.05), values(0.6, 0.05)), other)
    assert word == "inconclusive"
    assert reason == "e, recall against baseline: above; e, recall against untrained: no effect"


def test_superior_adjusts_for_the_number_of_environments() -> None:
    """A difference with p = 0.03: enough alone, not in a family of three."""
    comparison = compare(0.7 + 0.2 * SPREAD, 0.6127 + 0.2 * SPREAD)
    alone = superior([comparison], margin=0.1, floor=0.05, dose=0.5, paired=False)
    family = superior([comparison] * 3, margin=0.1, floor=0.05, dose=0.5, paired=False)
    assert (alone.word, family.word) == ("reproduced", "inconclusive")
    assert alone.table["confidence"].tolist() == [0.95]
    assert family.table["confidence"].tolist() == pytest.approx([1 - 0.05 / 3] * 3)
    assert family.effect.low < 0 < alone.effect.low


def test_superior_reports_the_weakest_comparison_and_the_mean() -> None:
    strong, weak = (compare(values(m, 0.05), values(0.5, 0.05), env=f"e{m}") for m in (1.0, 0.7))
    finding = superior([strong, weak], margin=0.1, floor=0.05, dose=0.5, paired=False)
    assert finding.effect.estimate == pytest.approx(0.4)
    assert finding.aggregate is not None
    assert finding.aggregate.estimate == pytest.approx(0.7)
    assert finding.table["effect"].tolist() == pytest.approx([1.0, 0.4])
    assert finding.table["env"].tolist() == ["e1.0", "e0.7"]
    times = [compare(values(m, 5), values(500, 5), is_time=True) for m in (250, 400)]
    finding = superior(times, margin=0.1, floor=0.05, dose=0.5, paired=False)
    assert finding.aggregate is not None
    assert finding.aggregate.estimate == pytest.approx(0.35)
    assert finding.aggregate.low > 0


def test_superior_pairs_equal_seeds_when_asked() -> None:
    common = np.random.default_rng(0).exponential(300, 20)
    same = compare(common, common, is_time=True)
    assert judged_superior(same, paired=True) == ("no effect", "no effect")
    assert judged_superior(same) == ("inconclusive", "wide interval")
    assert judged_superior(compare(0.8 * common, common, is_time=True), paired=True)[0] == "reproduced"


SIZES = [11, 15, 19]


def growing(factors: Sequence[float], spread: float = 0.1, n: int = 20) -> list[Comparison]:
    """Times of a treatment that is `factors` times faster than the baseline on sizes 11, 15 and 19."""
    found = []
    for size, slow, factor in zip(SIZES, (100, 200, 400), factors, strict=True):
        treatment, baseline = (values(time, spread * time, n) for time in (slow / factor, slow))
        found.append(compare(treatment, baseline, env=f"side-{size}", is_time=True))
    return found


@pytest.mark.parametrize(
    ("comparisons", "word", "reason"),
    [
        (growing([1.5, 2, 3]), "reproduced", "above"),
        (growing([3, 2, 1.5]), "contradicted", "below"),
        (growing([2, 2, 2], spread=0.05), "no effect", "no effect"),
        (growing([2, 2, 2], spread=0.9), "inconclusive", "wide interval"),
        (growing([1.5, 2, 3], n=4), "inconclusive", "few seeds: 4, a verdict needs 5"),
        (growing([1.5, 2, 3], n=1), "inconclusive", "few seeds: 1, a verdict needs 5"),
        ([dosed(c, 0.1) for c in growing([2, 2, 2], spread=0.05)], "inconclusive", "dose"),
        (
            [*growing([1.5, 2, 3])[:2], compare([np.inf] * 20, [np.inf] * 20, env="side-19", is_time=True)],
            "inconclusive",
            "floor",
        ),
    ],
)
def test_growth_with_size(comparisons: list[Comparison], word: str, reason: str) -> None:
    finding = grows(comparisons, sizes=SIZES, margin=0.1, floor=0.05, dose=0.5)
    assert (finding.word, finding.reason) == (word, reason)
    if reason == "floor":
        assert finding.table["finding"].tolist() == ["", "", "floor"]


def test_growth_is_the_change_of_the_ratio_over_the_range() -> None:
    finding = grows(growing([1.5, 2.25, 3.375]), sizes=SIZES, margin=0.1, floor=0.05, dose=0.5)
    assert finding.effect.estimate == pytest.approx(3.375 / 1.5 - 1)
    assert finding.unit == "growth of the gain from size 11 to 19"
    assert finding.table["effect"].tolist() == pytest.approx([0.5, 1.25, 2.375])
    levels = [compare(values(m, 0.1), values(1, 0.1), env=str(m)) for m in (2, 2, 4)]
    finding = grows(levels, sizes=[0, 0, 1], margin=0.1, floor=0.05, dose=0.5)
    assert finding.effect.estimate == pytest.approx(1)


def test_growth_of_returns_below_zero_is_not_judged() -> None:
    finding = grows([compare(values(-1, 0.1), values(2, 0.1))] * 2, sizes=[1, 2], margin=0.1, floor=0.05, dose=0.5)
    assert finding.word == "inconclusive"


def failing(baseline: tuple[int, int], treatment: tuple[int, int], arm: str = "true") -> Comparison:
    times = [[np.inf] * k + [100.0] * (n - k) for k, n in (treatment, baseline)]
    return replace(compare(times[0], times[1], env="side-19", is_time=True), arms=(arm, "baseline"))


@pytest.mark.parametrize(
    ("comparisons", "word", "reason"),
    [
        (
            [failing((8, 20), (0, 20))],
            "reproduced",
            "above (baseline: 8 of 20 failed, 19% to 64%; true: 0 of 20",
        ),
        (
            [failing((8, 20), (0, 20)), failing((8, 20), (0, 20), "learned")],
            "reproduced",
            "above (baseline: 8 of",
        ),
        ([failing((0, 20), (8, 20))], "contradicted", "below (baseline: 0 of 20 failed"),
        ([failing((0, 60), (0, 60))], "no effect", "no effect (baseline: 0 of 60"),
        ([failing((2, 20), (0, 20))], "inconclusive", "wide interval (baseline: 2 of 20"),
        ([failing((0, 20), (0, 20))], "inconclusive", "wide interval (baseline: 0 of 20"),
        ([failing((15, 20), (1, 20))], "inconclusive", "the treatment fails too (baseline: 15 of 20"),
        (
            [failing((15, 20), (0, 20)), failing((15, 20), (1, 20), "learned")],
            "inconclusive",
            "side-19, true against baseline: above; side-19, learned against baseline: the treatment fails",
        ),
        ([failing((4, 4), (0, 4))], "inconclusive", "few seeds: 4, a verdict needs 5 (baseline: 4 of 4"),
    ],
)
def test_only_the_baseline_fails(comparisons: list[Comparison], word: str, reason: str) -> None:
    finding = only_baseline_fails(comparisons, margin=0.1)
    assert finding.word == word
    assert finding.reason.startswith(reason)
    assert finding.effect.low > 0 or word != "reproduced"
