"""Verdicts: every outcome of every rule on made-up data, and the claims as they are written down."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from fake_records import NUMERICS, arrivals, curves, write_record

from recall.analysis.claims import Claim, Verdict, judge, load_claims, page_hashes, rule_hash
from recall.analysis.records import find_records
from recall.analysis.rules import RULES, WORDS, Comparison, grows, only_baseline_fails, superior
from recall.errors import ConfigError, RecordError

IDS = """intro-sample-efficiency 2.2-delta-state 3.2-sparse-reward 3.2-exploration 4-trace-return
6-short-traces 6.1-true-helps 6.1-grows-with-size fig2-baseline-fails 6.2-subgoals-faster fig4a fig4b
fig3-fig9-coverage fig8-coverage 6.3-final 6.3-faster 6.3-length 11.1-trajectories-unstable 6.4-all-tasks
6.4-hardest-most fig10 fig11 fig12 13-forward fig7-fig13-length""".split()

SPREAD = np.linspace(-1, 1, 20)
"""Twenty seeds around a mean."""


def values(mean: float, spread: float, n: int = 20) -> np.ndarray:
    return mean + spread * np.resize(SPREAD, n)


def compare(
    treatment: Sequence[float], baseline: Sequence[float], env: str = "e", **fields: Any
) -> Comparison:
    defaults = {"arms": ("recall", "baseline"), "budget": 1000, "is_time": False, "dose": 1.0}
    arms = {"treatment": np.asarray(treatment, float), "baseline": np.asarray(baseline, float)}
    return Comparison(env=env, **(defaults | arms | fields))


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
        (compare(values(0.8, 0.05), values(0.8, 0.05), dose=0.4), "inconclusive", "dose"),
        (compare(values(0.8, 0.05), values(0.6, 0.05), dose=0.4), "reproduced", "above"),
        (compare(values(0.8, 0.05), values(0.8, 0.05), dose=None), "no effect", "no effect"),
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


def test_superior_needs_every_environment() -> None:
    better, equal = (compare(values(m, 0.05), values(0.6, 0.05), env=f"e{m}") for m in (0.8, 0.6))
    worse, wide = compare(values(0.4, 0.05), values(0.6, 0.05), env="w"), compare(SPREAD + 2, SPREAD + 2)
    assert judged_superior(better, better) == ("reproduced", "above")
    assert judged_superior(equal, equal) == ("no effect", "no effect")
    assert judged_superior(better, equal) == ("inconclusive", "e0.8: above; e0.6: no effect")
    assert judged_superior(better, worse) == ("contradicted", "e0.8: above; w: below")
    assert judged_superior(equal, wide) == ("inconclusive", "e0.6: no effect; e: wide interval")


def test_superior_needs_every_baseline() -> None:
    other = compare(values(0.8, 0.05), values(0.8, 0.05), arms=("recall", "untrained"))
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


def growing(factors: Sequence[float], spread: float = 0.1, n: int = 20, **fields: Any) -> list[Comparison]:
    """Times of a treatment that is `factors` times faster than the baseline on sizes 11, 15 and 19."""
    base = (100, 200, 400)
    return [
        compare(
            values(b / f, spread * b / f, n),
            values(b, spread * b, n),
            env=f"side-{s}",
            is_time=True,
            **fields,
        )
        for b, f, s in zip(base, factors, SIZES, strict=True)
    ]


@pytest.mark.parametrize(
    ("comparisons", "word", "reason"),
    [
        (growing([1.5, 2, 3]), "reproduced", "above"),
        (growing([3, 2, 1.5]), "contradicted", "below"),
        (growing([2, 2, 2], spread=0.05), "no effect", "no effect"),
        (growing([2, 2, 2], spread=0.9), "inconclusive", "wide interval"),
        (growing([1.5, 2, 3], n=4), "inconclusive", "few seeds: 4, a verdict needs 5"),
        (growing([1.5, 2, 3], n=1), "inconclusive", "few seeds: 1, a verdict needs 5"),
        (growing([2, 2, 2], spread=0.05, dose=0.1), "inconclusive", "dose"),
        (
            [*growing([1.5, 2, 3])[:2], compare([np.inf] * 20, [np.inf] * 20, env="side-19", is_time=True)],
            "inconclusive",
            "side-11: below; side-15: below; side-19: floor",
        ),
    ],
)
def test_growth_with_size(comparisons: list[Comparison], word: str, reason: str) -> None:
    finding = grows(comparisons, sizes=SIZES, margin=0.1, floor=0.05, dose=0.5)
    if "floor" in reason:
        assert finding.word != "reproduced"
        assert "side-19: floor" in finding.reason
    else:
        assert (finding.word, finding.reason) == (word, reason)


def test_growth_is_the_change_of_the_ratio_over_the_range() -> None:
    finding = grows(growing([1.5, 2.25, 3.375]), sizes=SIZES, margin=0.1, floor=0.05, dose=0.5)
    assert finding.effect.estimate == pytest.approx(3.375 / 1.5 - 1)
    assert finding.unit == "change of the ratio from size 11 to 19"
    assert finding.table["effect"].tolist() == pytest.approx([0.5, 1.25, 2.375])
    levels = [compare(values(m, 0.1), values(1, 0.1), env=str(m)) for m in (2, 2, 4)]
    finding = grows(levels, sizes=[0, 0, 1], margin=0.1, floor=0.05, dose=0.5)
    assert finding.effect.estimate == pytest.approx(1)


def test_growth_of_returns_below_zero_is_not_judged() -> None:
    finding = grows(
        [compare(values(-1, 0.1), values(2, 0.1))] * 2, sizes=[1, 2], margin=0.1, floor=0.05, dose=0.5
    )
    assert finding.word == "inconclusive"


def failing(baseline: tuple[int, int], treatment: tuple[int, int], arm: str = "true") -> Comparison:
    times = [[np.inf] * k + [100.0] * (n - k) for k, n in (treatment, baseline)]
    return compare(times[0], times[1], env="side-19", arms=(arm, "baseline"), is_time=True)


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
            "side-19, true against baseline: above; side-19, learned against baseline: the treatment fails too (",
        ),
        ([failing((4, 4), (0, 4))], "inconclusive", "few seeds: 4, a verdict needs 5 (baseline: 4 of 4"),
    ],
)
def test_only_the_baseline_fails(comparisons: list[Comparison], word: str, reason: str) -> None:
    finding = only_baseline_fails(comparisons, margin=0.1)
    assert finding.word == word
    assert finding.reason.startswith(reason)
    assert (finding.effect.low > 0) == finding.reason.startswith(("above", "the treatment", "side-19"))


@pytest.fixture(scope="module")
def claims(root: Path) -> list[Claim]:
    return load_claims(root / "book/claims.yml")


@pytest.fixture
def claim(claims: list[Claim]) -> Claim:
    """A claim of one environment, to be varied."""
    return replace(next(c for c in claims if c.id == "6.1-true-helps"), environments=("side-11",))


def test_no_claim_is_missing(claims: list[Claim]) -> None:
    assert sorted(c.id for c in claims) == sorted(IDS)
    assert {c.rule["name"] for c in claims} == set(RULES)


def test_no_claim_speaks_the_verdict_itself(claims: list[Claim]) -> None:
    assert [c.id for c in claims if any(word in c.text.lower() for word in WORDS)] == []


def test_the_hash_covers_what_judges_and_nothing_else(claim: Claim) -> None:
    changed = [
        replace(claim, endpoint={**claim.endpoint, "column": "return"}),
        replace(claim, environments=("side-15",)),
        replace(claim, treatment=("learned",)),
        replace(claim, baseline=("untrained",)),
        replace(claim, rule={**claim.rule, "margin": 0.2}),
    ]
    assert len({rule_hash(c) for c in [claim, *changed]}) == 6
    assert rule_hash(replace(claim, text="In other words.", source="Fig. 9", page="x")) == rule_hash(claim)


def test_a_lone_name_and_a_list_of_one_are_the_same_rule(
    claims: list[Claim], root: Path, tmp_path: Path
) -> None:
    raw = yaml.safe_load((root / "book/claims.yml").read_text())
    for entry in raw:
        entry["treatment"] = (
            [entry["treatment"]] if isinstance(entry["treatment"], str) else entry["treatment"]
        )
    (tmp_path / "claims.yml").write_text(yaml.safe_dump(raw))
    assert [rule_hash(c) for c in load_claims(tmp_path / "claims.yml")] == [rule_hash(c) for c in claims]


def drop(field: str) -> Callable[[dict], None]:
    return lambda raw: raw.pop(field)


def put(field: str, value: Any) -> Callable[[dict], None]:
    return lambda raw: raw.update({field: value})


OLD = {"reason": "r", "date": "d"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (drop("page"), r"missing \['page'\], unknown \[\]"),
        (put("pages", "x"), r"missing \[\], unknown \['pages'\]"),
        (put("endpoint", {"name": "area"}), "endpoint 'area' is unknown; it may be auc, final"),
        (put("endpoint", {"name": "auc"}), r"auc has \[\]; it takes exactly \['column'\]"),
        (put("rule", {"name": "better"}), "rule 'better' is unknown; it may be superior"),
        (put("rule", {"margin": 0.1}), "rule None is unknown"),
        (
            put("rule", {"name": "only_baseline_fails"}),
            r"only_baseline_fails has \[\]; it takes exactly \['margin'\]",
        ),
        (
            put("rule", {"name": "only_baseline_fails", "margin": 0.1}),
            "only_baseline_fails takes one environments",
        ),
        (
            put("rule", {"name": "grows", "margin": 0.1, "floor": 0, "dose": 0, "sizes": [1]}),
            r"sizes are \[1\]; one an environment is needed",
        ),
        (put("superseded", [{"reason": "r"}]), "a superseded rule has reason, date and any of endpoint"),
        (put("superseded", [OLD | {"page": "x"}]), "a superseded rule has reason, date"),
        (put("superseded", [OLD | {"endpoint": {"name": "x"}}]), "endpoint 'x' is unknown"),
    ],
)
def test_a_malformed_claim_is_refused(
    root: Path, tmp_path: Path, change: Callable[[dict], None], sentence: str
) -> None:
    raw = next(
        c for c in yaml.safe_load((root / "book/claims.yml").read_text()) if c["id"] == "6.1-true-helps"
    )
    change(raw)
    (tmp_path / "claims.yml").write_text(yaml.safe_dump([raw]))
    with pytest.raises(ConfigError, match=f"claim 6.1-true-helps: {sentence}"):
        load_claims(tmp_path / "claims.yml")


def test_a_claim_written_twice_is_refused(root: Path, tmp_path: Path) -> None:
    text = (root / "book/claims.yml").read_text()
    entry = text[text.index("- id: fig10") : text.index("- id: fig11")]
    (tmp_path / "claims.yml").write_text(text + entry)
    with pytest.raises(ConfigError, match="has claim fig10 more than once"):
        load_claims(tmp_path / "claims.yml")


def store(
    tmp_path: Path, claim: Claim, treatment: pd.DataFrame, baseline: pd.DataFrame, **fields: Any
) -> None:
    """Records of a claim's first treatment and baseline in its first environment, trained under its rule."""
    common = {
        "page": claim.page,
        "env": claim.environments[0],
        "claims": {claim.id: rule_hash(claim)},
    } | fields
    write_record(tmp_path, {"metrics": treatment}, arm=claim.treatment[0], **common)
    write_record(tmp_path, {"metrics": baseline}, arm=claim.baseline[0], **common)


def verdict(tmp_path: Path, claim: Claim) -> Verdict:
    (judgement,) = judge([claim], find_records(tmp_path))
    assert judgement.earlier == ()
    return judgement.current


def test_records_become_a_verdict(tmp_path: Path, claim: Claim) -> None:
    store(tmp_path, claim, curves(values(0.8, 0.05)), curves(values(0.64, 0.05)))
    found = verdict(tmp_path, claim)
    assert (found.word, found.seeds, found.budget) == ("reproduced", 20, "at 20k steps")
    assert found.effect == pytest.approx(0.25, abs=1e-4)
    assert 0.15 < found.low < found.effect < found.high < 0.35
    assert found.claim is claim
    assert found.per_environment["finding"].tolist() == ["above"]


def test_a_claim_without_its_records_was_not_run(tmp_path: Path, claims: list[Claim], claim: Claim) -> None:
    assert {j.current.word for j in judge(claims, [])} == {"not run"}
    assert judge([claim], [])[0].current.reason == "no record of page four-rooms"
    store(tmp_path, claim, curves([1] * 5), curves([1] * 5))
    wider = replace(claim, environments=("side-11", "side-15"), baseline=("baseline", "untrained"))
    records = find_records(tmp_path)
    for record in records:
        record.provenance["claims"][claim.id] = rule_hash(wider)
    assert judge([wider], records)[0].current.reason == (
        "no record of untrained in side-11, true in side-15, baseline in side-15, untrained in side-15"
    )


def test_more_seeds_may_come_as_more_groups(tmp_path: Path, claim: Claim) -> None:
    carried = {claim.id: rule_hash(claim)}
    for arm, mean in (("true", 0.8), ("baseline", 0.6)):
        metrics = curves(values(mean, 0.05, 6))
        for seed in range(6):
            write_record(tmp_path, {"metrics": metrics[metrics["seed"] == seed]}, arm=arm, claims=carried)
    assert (verdict(tmp_path, claim).word, verdict(tmp_path, claim).seeds) == ("reproduced", 6)


def test_unfair_arms_are_refused(tmp_path: Path, claim: Claim) -> None:
    carried = {claim.id: rule_hash(claim)}

    def attempt(name: str, sentence: str, *baselines: dict[str, Any]) -> None:
        root = tmp_path / name
        write_record(root, {"metrics": curves([1] * 6)}, arm="true", claims=carried)
        for fields in baselines:
            fields = {"claims": carried, "metrics": curves([1] * 6)} | fields
            write_record(root, {"metrics": fields.pop("metrics")}, arm="baseline", **fields)
        with pytest.raises(RecordError, match=sentence):
            verdict(root, claim)

    late = curves([1] * 6).assign(seed=lambda f: f["seed"] + 1)
    attempt("numerics", "numerics torch is", {"numerics": NUMERICS | {"torch": "3"}})
    attempt("seeds", r"arms have seeds \[0, 1, 2, 3, 4, 5\] and \[1, 2", {"metrics": late})
    attempt("budget", "total_steps is", {"total_steps": 1})
    attempt("twice", "both hold seed 0 of arm 'baseline'", {"weight": 1}, {"weight": 2})
    after = curves([1] * 6).assign(seed=lambda f: f["seed"] + 6)
    attempt("mixed", "are one arm with two settings", {"weight": 1}, {"weight": 2, "metrics": after})


def test_a_changed_rule_is_shown_beside_the_one_trained_under(tmp_path: Path, claim: Claim) -> None:
    store(tmp_path, claim, curves(values(0.8, 0.05)), curves(values(0.8, 0.05)))
    strict = {**claim.rule, "margin": 0.001}
    changed = replace(claim, rule=strict, superseded=({"rule": claim.rule, **OLD},))
    (judgement,) = judge([changed], find_records(tmp_path))
    assert judgement.current.word == "inconclusive"
    assert [v.word for v in judgement.earlier] == ["no effect"]
    assert judgement.earlier[0].claim.rule == claim.rule


def test_a_superseded_rule_no_record_carries_is_not_shown(tmp_path: Path, claim: Claim) -> None:
    changed = replace(claim, superseded=({"rule": {**claim.rule, "margin": 0.3}, **OLD},))
    store(tmp_path, changed, curves([1] * 6), curves([1] * 6))
    assert verdict(tmp_path, changed).word == "no effect"


@pytest.mark.parametrize("carried", [{"6.1-true-helps": "0" * 12}, {}])
def test_a_record_of_an_unknown_rule_is_refused(
    tmp_path: Path, claim: Claim, carried: dict[str, str]
) -> None:
    store(tmp_path, claim, curves([1] * 6), curves([1] * 6), claims=carried)
    with pytest.raises(
        RecordError, match=r"trained under rule (0{12}|None) of claim 6.1-true-helps, which is unknown"
    ):
        verdict(tmp_path, claim)


FASTER = {
    "side-11": (8_000, 4_000),
    "side-15": (12_000, 4_000),
    "side-19": (18_000, 4_000),
    "side-19-hard": (18_000, 4_000),
}
"""When the baseline and the arms with a good model reach the goal, by environment."""


def write_four_rooms(tmp_path: Path, claims: list[Claim], dosed: bool = True) -> None:
    """All records of page four-rooms in a world where recall works and half the baseline's runs fail on side
    19."""
    carried = page_hashes(claims, "four-rooms")
    first = 1000 + 500 * np.arange(20)
    for env, (slow, fast) in FASTER.items():
        late = np.where((np.arange(20) % 2 == 0) & (env == "side-19"), np.inf, slow + 50 * np.arange(20))
        times = {
            "baseline": late,
            "untrained": late,
            "true": np.full(20, fast),
            "learned": fast + 50 * np.arange(20),
        }
        for arm, arrived in times.items():
            tables = {"metrics": arrivals(arrived).assign(first_reward_step=np.repeat(first, 20))}
            if arm in ("true", "learned"):
                recall = tables["metrics"][["seed", "step"]].assign(trace_length=30.0 * dosed)
                tables["recall"] = recall.assign(
                    trace_return=np.where(recall["step"] < 3000, np.nan, 0.9 - recall["seed"] / 100),
                    policy_return=np.where(recall["step"] < 3000, np.nan, 0.5 + recall["seed"] / 100),
                )
            write_record(tmp_path, tables, arm=arm, env=env, claims=carried)


def test_the_page_four_rooms_is_judged(tmp_path: Path, claims: list[Claim]) -> None:
    write_four_rooms(tmp_path, claims)
    judgements = {j.current.claim.id: j.current for j in judge(claims, find_records(tmp_path))}
    assert list(judgements) == [c.id for c in claims]
    assert {name: v.word for name, v in judgements.items() if v.word != "not run"} == {
        "3.2-sparse-reward": "reproduced",
        "3.2-exploration": "no effect",
        "4-trace-return": "reproduced",
        "6.1-true-helps": "reproduced",
        "6.1-grows-with-size": "reproduced",
        "fig2-baseline-fails": "reproduced",
        "fig10": "reproduced",
    }
    fails = judgements["fig2-baseline-fails"]
    assert fails.effect == 0.5
    assert "baseline: 10 of 20 failed" in fails.reason
    assert judgements["3.2-exploration"].effect == 0
    assert judgements["4-trace-return"].effect == pytest.approx((0.805 - 0.595) / 0.595, rel=1e-5)
    assert judgements["4-trace-return"].aggregate is not None
    assert judgements["3.2-sparse-reward"].per_environment["env"].tolist() == list(FASTER)


def test_an_arm_that_recalled_nothing_cannot_show_the_absence_of_an_effect(
    tmp_path: Path, claims: list[Claim]
) -> None:
    write_four_rooms(tmp_path, claims, dosed=False)
    judgements = {j.current.claim.id: j.current for j in judge(claims, find_records(tmp_path))}
    assert (judgements["3.2-exploration"].word, judgements["3.2-exploration"].reason) == (
        "inconclusive",
        "dose",
    )
    assert judgements["fig10"].word == "reproduced"
