"""The claims about continuous control: a pilot decides nothing, and no more do some of the environments."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from control_figures import write_control_page
from fake_records import write_record

from recall.analysis.claims import Claim, Judgement, judge, load_claims, page_hashes
from recall.analysis.evidence import Evidence
from recall.analysis.records import find_records, tidy
from recall.analysis.summary import pilot
from recall.analysis.verdicts import decisions, verdicts_in_words

MUJOCO = ("HalfCheetah-v5", "Walker2d-v5", "Hopper-v5", "Ant-v5", "Humanoid-v5")
STEPS = 5000 * np.arange(1, 21)


@pytest.fixture(scope="module")
def claims(root: Path) -> list[Claim]:
    """Those of the page sac."""
    return [claim for claim in load_claims(root / "book/claims.yml") if claim.page == "sac"]


def write_runs(
    root: Path, claims: list[Claim], arm: str, env: str, scores: list[float], ratio: float = 0.05, first: int = 0
) -> None:
    """A record a seed, whose return is the same at every evaluation."""
    carried, page = page_hashes(claims, "sac"), "baselines" if arm == "baseline" else "sac"
    for seed, score in enumerate(scores, first):
        metrics = pd.DataFrame({"seed": seed, "step": STEPS, "return": score})
        tables = {"metrics": metrics}
        if arm != "baseline":
            tables["recall"] = metrics.assign(trace_length=20.0, gradient_ratio=np.where(STEPS > 10_000, ratio, np.nan))
        write_record(root, tables, page=page, arm=arm, env=env, claims=carried)


def around(mean: float, seeds: int = 5) -> list[float]:
    """Seeds within two percent of a mean."""
    return list(mean * np.linspace(0.98, 1.02, seeds))


def verdicts(root: Path, claims: list[Claim]) -> dict[str, tuple[str, str]]:
    """Word and reason of each claim."""
    found = judge(claims, find_records(root))
    return {each.current.claim.id: (each.current.word, each.current.reason) for each in found}


def write_all(root: Path, claims: list[Claim], gains: dict[str, float], seeds: int = 5, ratio: float = 0.05) -> None:
    """Both arms in some environments."""
    for env, gain in gains.items():
        write_runs(root, claims, "baseline", env, around(100, seeds))
        write_runs(root, claims, "recall", env, around(100 * gain, seeds), ratio)


def test_all_environments_and_enough_seeds_decide(tmp_path: Path, claims: list[Claim]) -> None:
    write_all(tmp_path, claims, dict.fromkeys(MUJOCO, 1.3) | {"Ant-v5": 2.0, "Humanoid-v5": 2.0})
    found = verdicts(tmp_path, claims)
    assert {name: word for name, (word, _) in found.items()} == {
        "intro-sample-efficiency": "reproduced",
        "6.4-all-tasks": "reproduced",
        "6.4-hardest-most": "reproduced",
    }


def test_a_pilot_decides_nothing(tmp_path: Path, claims: list[Claim]) -> None:
    write_all(tmp_path, claims, {"Hopper-v5": 3.0, "HalfCheetah-v5": 3.0}, seeds=2)
    reason = "run in 2 of 5 environments; few seeds: 2, a verdict needs 5"
    found = verdicts(tmp_path, claims)
    assert found.pop("6.4-hardest-most")[0] == "not run"
    assert set(found.values()) == {("inconclusive", reason)}


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_some_of_the_tasks_are_not_all(tmp_path: Path, claims: list[Claim], gain: float) -> None:
    write_all(tmp_path, claims, dict.fromkeys(MUJOCO[:4], gain))
    word, reason = verdicts(tmp_path, claims)["6.4-all-tasks"]
    assert word == "inconclusive"
    assert reason.startswith("run in 4 of 5 environments; ")


@pytest.mark.parametrize("run", [MUJOCO[:3], MUJOCO[3:]])
def test_that_the_hardest_gain_most_needs_them_and_others(
    tmp_path: Path, claims: list[Claim], run: tuple[str, ...]
) -> None:
    write_all(tmp_path, claims, dict.fromkeys(run, 2.0))
    (judgement,) = judge([claim for claim in claims if claim.id == "6.4-hardest-most"], find_records(tmp_path))
    word, reason = judgement.current.word, judgement.current.reason
    assert word == "not run"
    assert all(f"recall in {env}" in reason for env in MUJOCO if env not in run)
    assert not any(env in reason for env in run)
    write_all(tmp_path, claims, {next(env for env in MUJOCO if env not in run): 2.0})
    assert verdicts(tmp_path, claims)["6.4-hardest-most"][0] == "inconclusive"


def test_other_environments_are_no_evidence(tmp_path: Path, claims: list[Claim]) -> None:
    write_all(tmp_path, claims, {"Swimmer-v5": 2.0})
    assert {word for word, _ in verdicts(tmp_path, claims).values()} == {"not run"}


@pytest.mark.parametrize(
    ("weak", "text"),
    [
        (MUJOCO, "inconclusive (dose)"),
        (MUJOCO[3:], "inconclusive (dose in Ant-v5 and Humanoid-v5)"),
        ((), "no effect"),
    ],
)
def test_the_text_says_where_the_dose_was_too_small(
    tmp_path: Path, claims: list[Claim], weak: tuple[str, ...], text: str
) -> None:
    for env in MUJOCO:
        write_all(tmp_path, claims, {env: 1.0}, ratio=0.009 if env in weak else 0.05)
    found = judge(claims, find_records(tmp_path))
    assert verdicts_in_words(found)["6.4-all-tasks"] == text
    table = decisions(found, "6.4-all-tasks")
    assert table.index.get_level_values("environment").tolist() == list(MUJOCO)
    assert set(table.index.get_level_values("arms")) == {"recall traces against baseline"}
    assert table["finding"].tolist() == ["dose" if env in weak else "no effect" for env in MUJOCO]
    assert table["pull"].tolist() == ["0.9 %" if env in weak else "5 %" for env in MUJOCO]
    assert table["difference"].str.startswith("0 % (").all()


def test_a_pilot_is_inconclusive_without_a_reason_and_a_claim_without_runs_has_no_table(
    tmp_path: Path, claims: list[Claim]
) -> None:
    write_all(tmp_path, claims, {"Hopper-v5": 3.0}, seeds=2, ratio=0.001)
    found = verdicts_in_words(judge(claims, find_records(tmp_path)))
    assert found.pop("6.4-hardest-most") == "not run"
    assert set(found.values()) == {"inconclusive"}
    assert decisions(judge(claims, []), "6.4-all-tasks").empty
    assert set(verdicts_in_words(judge(claims, [])).values()) == {"not run"}


@pytest.mark.parametrize(("ratio", "reason"), [(0.009, "dose"), (0.011, "no effect")])
def test_an_arm_that_hardly_imitates_is_no_test(tmp_path: Path, claims: list[Claim], ratio: float, reason: str) -> None:
    write_all(tmp_path, claims, dict.fromkeys(MUJOCO, 1.0), ratio=ratio)
    assert verdicts(tmp_path, claims)["6.4-all-tasks"][1] == reason


def test_the_dose_is_the_mean_ratio_of_the_gradients(tmp_path: Path, claims: list[Claim]) -> None:
    for seed, ratio in enumerate((0.02, 0.04)):
        write_runs(tmp_path, claims, "recall", "Ant-v5", [1.0], ratio, first=seed)
    evidence = Evidence(find_records(tmp_path))
    assert evidence.dose("Ant-v5", "recall") == pytest.approx(0.03)
    assert evidence.dose("Ant-v5", "baseline") is None


def test_the_baseline_of_another_page_is_borrowed_where_it_fits(tmp_path: Path, claims: list[Claim]) -> None:
    """The page baselines has more seeds and environments than this one needs."""
    write_all(tmp_path, claims, dict.fromkeys(MUJOCO, 1.3))
    write_runs(tmp_path, claims, "baseline", "Ant-v5", around(1e6), first=5)
    write_runs(tmp_path, claims, "baseline", "Swimmer-v5", around(1e6))
    (found,) = judge([claim for claim in claims if claim.id == "6.4-all-tasks"], find_records(tmp_path))
    assert (found.current.word, found.current.seeds) == ("reproduced", 5)


def judgements(claims: list[Claim]) -> list[Judgement]:
    return judge(claims, [])


def test_a_page_says_that_it_is_a_pilot_and_stops_when_it_is_none(tmp_path: Path, claims: list[Claim]) -> None:
    write_control_page(tmp_path / "two", environments=("Hopper-v5", "Ant-v5-full"), seeds=1, evaluations=2)
    text = pilot(tidy(find_records(tmp_path / "two")), judgements(claims))
    assert text.startswith(
        "This is a **pilot**: 1 seed an arm in Ant-v5, full observation and Hopper-v5; a verdict needs 5"
    )
    write_control_page(tmp_path / "some", environments=MUJOCO[1:], arms=("baseline", "recall"), seeds=5, evaluations=1)
    lacking = f"**Not run yet**: {MUJOCO[0]}, without which no claim about all tasks is decided. "
    assert pilot(tidy(find_records(tmp_path / "some")), judgements(claims)) == lacking
    write_control_page(tmp_path / "all", environments=MUJOCO, arms=("baseline", "recall"), seeds=5, evaluations=1)
    assert pilot(tidy(find_records(tmp_path / "all")), judgements(claims)) == ""
