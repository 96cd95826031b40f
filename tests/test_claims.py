"""The claims as they are written down, and their verdicts from records on disk."""

from collections.abc import Callable
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
from recall.analysis.rules import RULES, WORDS
from recall.errors import ConfigError, RecordError

IDS = [
    "intro-sample-efficiency", "2.2-delta-state", "3.2-sparse-reward", "3.2-exploration", "4-trace-return",
    "6-short-traces", "6.1-true-helps", "6.1-grows-with-size", "fig2-baseline-fails",
    "6.2-subgoals-faster", "fig4a", "fig4b", "fig3-fig9-coverage", "fig8-coverage",
    "6.3-final", "6.3-faster", "6.3-length", "11.1-trajectories-unstable",
    "6.4-all-tasks", "6.4-hardest-most",
    "fig10", "fig11", "fig12", "13-forward", "fig7-fig13-length",
]  # fmt: skip
"""Every claim of the paper that is judged."""


def around(mean: float, n: int = 20) -> np.ndarray:
    """Seeds from 0.05 below a mean to 0.05 above it."""
    return mean + np.linspace(-0.05, 0.05, n)


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


def test_a_lone_name_and_a_list_of_one_are_the_same_rule(claims: list[Claim], root: Path, tmp_path: Path) -> None:
    raw = yaml.safe_load((root / "book/claims.yml").read_text())
    for entry in raw:
        entry["treatment"] = [entry["treatment"]] if isinstance(entry["treatment"], str) else entry["treatment"]
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
            "rule only_baseline_fails takes one environments",
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
    raw = next(c for c in yaml.safe_load((root / "book/claims.yml").read_text()) if c["id"] == "6.1-true-helps")
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


def store(tmp_path: Path, claim: Claim, treatment: pd.DataFrame, baseline: pd.DataFrame, **fields: Any) -> None:
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
    store(tmp_path, claim, curves(around(0.8)), curves(around(0.64)))
    found = verdict(tmp_path, claim)
    assert (found.word, found.seeds, found.budget) == ("reproduced", 20, "at 20k steps")
    assert found.effect == pytest.approx(0.25, abs=1e-4)
    assert 0.15 < found.low < found.effect < found.high < 0.35
    assert found.claim is claim
    assert found.per_environment["finding"].tolist() == ["above"]


def test_a_claim_without_its_records_was_not_run(tmp_path: Path, claims: list[Claim], claim: Claim) -> None:
    assert {j.current.word for j in judge(claims, [])} == {"not run"}
    assert judge([claim], [])[0].current.reason == "nothing is run for the page four-rooms"
    store(tmp_path, claim, curves([1] * 5), curves([1] * 5))
    wider = replace(claim, environments=("side-11", "side-15"), baseline=("baseline", "untrained"))
    records = find_records(tmp_path)
    for record in records:
        record.provenance["claims"][claim.id] = rule_hash(wider)
    assert judge([wider], records)[0].current.reason == (
        "not trained yet: untrained in side-11, true in side-15, baseline in side-15, untrained in side-15"
    )


@pytest.mark.parametrize(("reason", "why"), [("above", ""), ("no effect", ""), ("floor", "floor")])
def test_a_reason_that_repeats_the_word_is_not_told(claim: Claim, reason: str, why: str) -> None:
    assert Verdict(claim, "no effect", reason).why == why


def test_more_seeds_may_come_as_more_groups(tmp_path: Path, claim: Claim) -> None:
    carried = {claim.id: rule_hash(claim)}
    for arm, mean in (("true", 0.8), ("baseline", 0.6)):
        metrics = curves(around(mean, 6))
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
    attempt("twice", "both hold seed 1 of arm 'baseline'", {}, {"metrics": late})
    after = curves([1] * 6).assign(seed=lambda f: f["seed"] + 6)
    attempt("mixed", "are one arm with two settings", {"weight": 1}, {"weight": 2, "metrics": after})


def test_a_changed_rule_is_shown_beside_the_one_trained_under(tmp_path: Path, claim: Claim) -> None:
    store(tmp_path, claim, curves(around(0.8)), curves(around(0.8)))
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
def test_a_record_of_an_unknown_rule_is_refused(tmp_path: Path, claim: Claim, carried: dict[str, str]) -> None:
    store(tmp_path, claim, curves([1] * 6), curves([1] * 6), claims=carried)
    with pytest.raises(RecordError, match=r"trained under rule (0{12}|None) of claim 6.1-true-helps, which is unknown"):
        verdict(tmp_path, claim)


FASTER = {
    "side-11": (8_000, 4_000),
    "side-15": (12_000, 4_000),
    "side-19": (15_000, 4_000),
    "side-19-hard": (15_000, 4_000),
}
"""When the baseline and the arms with a good model reach the goal, by environment."""


def write_four_rooms(tmp_path: Path, claims: list[Claim], dosed: bool = True) -> None:
    """All records of page four-rooms where recall works and half the baseline's runs fail on side 19."""
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


def test_an_arm_that_recalled_nothing_cannot_show_the_absence_of_an_effect(tmp_path: Path, claims: list[Claim]) -> None:
    write_four_rooms(tmp_path, claims, dosed=False)
    judgements = {j.current.claim.id: j.current for j in judge(claims, find_records(tmp_path))}
    assert (judgements["3.2-exploration"].word, judgements["3.2-exploration"].reason) == (
        "inconclusive",
        "dose",
    )
    assert judgements["fig10"].word == "reproduced"
