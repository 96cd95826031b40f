"""Golden digests: numbers that move without their version fail the suite.

`golden.json` keeps, for the agent, every variant of the environment and every backtracking model, a digest of the
tables after 2,000 steps for each kind of processor and version of torch and numpy it was made with, and a few of their
values. Where the numerics are known the digests must be equal; elsewhere the values must lie within a band. The output
says which of the two happened.

After a change that is meant to move numbers, raise the `version` of what changed (`FourRoomsConfig`,
`ActorCriticConfig`, `RecallConfig`) and write the file anew, which also adds digests for a new processor:

    python tests/test_golden.py
"""

import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import csv, small_spec

from recall.backtracking import MODELS
from recall.envs.four_rooms import FourRoomsConfig
from recall.identity import canonical_json
from recall.runs import RunSpec, numerics
from recall.training import train

FILE = Path(__file__).with_name("golden.json")
UPDATES = 2000 // 64
BAND = 0.02
"""Relative difference that another processor may make in a value: a sampled action that tipped over, here and there."""

CASES: dict[str, RunSpec] = {
    "actor-critic": small_spec(updates=UPDATES),
    "environment, uniform start": small_spec(updates=UPDATES, env=FourRoomsConfig(side=7, start="uniform")),
    "environment, slip": small_spec(updates=UPDATES, env=FourRoomsConfig(side=7, slip=0.2)),
    "environment, side 11": small_spec(updates=UPDATES, env=FourRoomsConfig(side=11)),
    **{f"recall, {model}": small_spec(model, updates=UPDATES) for model in MODELS},
    "recall, known goal": small_spec("true", updates=UPDATES, known_goal=True),
}


@cache
def made_now(case: str) -> dict[str, Any]:
    """Digest and values of a case, trained now."""
    tables = train(CASES[case]).tables
    text = "".join(csv(tables[name]) for name in ("metrics", "recall") if name in tables)
    metrics = tables["metrics"]
    last = metrics[metrics["step"] == metrics["step"].max()]
    values = {name: float(f"{last[name].mean():.6g}") for name in ("success", "return", "entropy", "value_loss")}
    return {"digest": hashlib.sha256(text.encode()).hexdigest(), "values": values}


def numerics_here() -> str:
    """The numerics by which digests are kept; the size of the group is the case's."""
    return canonical_json({name: value for name, value in numerics(small_spec()).items() if name != "group"})


def complaint(entry: dict[str, Any], now: dict[str, Any], versions: dict[str, int], here: str) -> str | None:
    """What is wrong with a case's numbers, in a sentence; None where they are as they should be.

    Args:
        entry: of the golden file: versions, values, and digests by numerics.
        now: digest and values made now.
        versions: of the parts the case is made of, as they are now.
        here: the numerics.
    """
    if entry["versions"] != versions:
        return f"the versions are {versions}, the golden file has {entry['versions']}; write it anew"
    if here in entry["digests"]:
        if entry["digests"][here] != now["digest"]:
            return (
                f"the numbers moved and the versions, {versions}, did not; raise what changed, then write the file anew"
            )
        return None
    outside = {
        name: (value, now["values"][name])
        for name, value in entry["values"].items()
        if now["values"][name] != pytest.approx(value, rel=BAND, abs=1e-3)
    }
    return f"values lie outside the band of {BAND:.0%}, golden and now: {outside}" if outside else None


def renewed(golden: dict[str, Any]) -> dict[str, Any]:
    """The golden file as it should be now; a case whose numbers moved without a version stops it."""
    here, fresh = numerics_here(), {}
    for case, spec in CASES.items():
        now, versions = made_now(case), spec.settings["versions"]
        entry = golden.get(case)
        if entry is None or entry["versions"] != versions:
            entry = {"versions": versions, "values": now["values"], "digests": {}}
        elif found := complaint(entry, now, versions, here):
            raise SystemExit(f"{case}: {found}")
        fresh[case] = entry | {"digests": entry["digests"] | {here: now["digest"]}}
    return fresh


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """The golden file."""
    return json.loads(FILE.read_text())


def test_every_case_has_its_golden_numbers(golden: dict[str, Any], capsys: pytest.CaptureFixture) -> None:
    """And the output says how they are compared here."""
    known = sum(numerics_here() in entry["digests"] for entry in golden.values())
    with capsys.disabled():
        sys.stdout.write(f"\ngolden digests: {known} of {len(golden)} cases are compared by digest, ")
        sys.stdout.write(f"the others within a band of {BAND:.0%} ({numerics_here()})\n")
    assert list(golden) == list(CASES)
    assert all(entry["digests"] for entry in golden.values())


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_those_of_their_version(case: str, golden: dict[str, Any]) -> None:
    found = complaint(golden[case], made_now(case), CASES[case].settings["versions"], numerics_here())
    assert found is None, found


@pytest.mark.parametrize("case", CASES)
def test_another_processor_would_be_compared_within_the_band(case: str, golden: dict[str, Any]) -> None:
    assert complaint(golden[case], made_now(case), CASES[case].settings["versions"], "an unknown one") is None


def test_cases_differ() -> None:
    assert len({made_now(case)["digest"] for case in CASES}) == len(CASES)


ENTRY = {"versions": {"agent": 1}, "values": {"success": 0.5}, "digests": {"here": "abc"}}


@pytest.mark.parametrize(
    ("digest", "value", "version", "here", "sentence"),
    [
        ("abc", 0.5, 1, "here", None),
        ("abd", 0.5, 1, "here", "the numbers moved and the versions, {'agent': 1}, did not"),
        ("abd", 0.5, 2, "here", "the versions are {'agent': 2}, the golden file has {'agent': 1}"),
        ("abd", 0.505, 1, "elsewhere", None),
        ("abd", 0.6, 1, "elsewhere", "values lie outside the band of 2%"),
        ("abd", 0.5, 2, "elsewhere", "the versions are"),
    ],
)
def test_what_is_complained_about(digest: str, value: float, version: int, here: str, sentence: str | None) -> None:
    found = complaint(ENTRY, {"digest": digest, "values": {"success": value}}, {"agent": version}, here)
    assert (found is None) == (sentence is None)
    assert found is None or found.startswith(str(sentence))


def test_numbers_that_moved_are_not_made_golden_silently(golden: dict[str, Any]) -> None:
    moved = {case: entry | {"digests": {numerics_here(): "0"}} for case, entry in golden.items()}
    with pytest.raises(SystemExit, match="actor-critic: the numbers moved and the versions"):
        renewed(moved)
    raised = {case: entry | {"versions": {"agent": 0}, "digests": {"old": "0"}} for case, entry in golden.items()}
    assert all(set(entry["digests"]) == {numerics_here()} for entry in renewed(raised).values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    before = json.loads(FILE.read_text()) if FILE.is_file() else {}
    FILE.write_text(json.dumps(renewed(before), indent=1) + "\n")
    sys.stdout.write(f"{FILE.name} holds {len(CASES)} cases for {numerics_here()}\n")
