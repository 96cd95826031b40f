"""Specifications from JSON: every run of every page comes back, and nothing else does."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from small_control import sac_spec
from small_runs import small_spec

from recall.agents.sac import SACConfig
from recall.errors import RecordError
from recall.pages import BaselinesParameters, FourRoomsParameters, SacParameters
from recall.runs import RunSpec, spec_json
from recall.specs import spec_from_json

SPECS = {
    "four-rooms": FourRoomsParameters().specs(),
    "four-rooms, own": FourRoomsParameters(side=13, start="uniform", slip=0.1, weight=0.5, length=3).specs(),
    "sac": SacParameters().specs(),
    "sac, own": SacParameters(
        env_id="Ant-v5,Pendulum-v1", full_observation=True, temperature=0.2, precision="float32", weight=0.5, length=3
    ).specs(),
    "baselines": BaselinesParameters(seeds=1).specs(),
}


def written(spec: RunSpec) -> dict[str, Any]:
    """What a record keeps of it, through a file."""
    return json.loads(json.dumps(spec_json(spec)))


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is no setting."""
    monkeypatch.setattr(SACConfig, "numerics", {"engine": "eager", "precision": "float32"})


@pytest.mark.parametrize("page", SPECS)
def test_every_arm_of_every_page_comes_back(page: str) -> None:
    for spec in SPECS[page]:
        found = spec_from_json(written(spec))
        assert found == spec
        assert (found.key, found.folder) == (spec.key, spec.folder)


def test_published_records_come_back(root: Path) -> None:
    store = root / "papermill_runs/records"
    found = {file.parent: spec_from_json(json.loads(file.read_text())) for file in store.glob("*/*/spec.json")}
    assert {folder: store / spec.folder for folder, spec in found.items()} == {folder: folder for folder in found}
    assert set(FourRoomsParameters().specs()) <= set(found.values())


def changed(**settings: Any) -> Callable[[dict], Any]:
    return lambda content: content["settings"].update(settings)


DAMAGE: dict[str, tuple[Callable[[dict], Any], str]] = {
    "no settings": (lambda c: c.pop("settings"), "no 'settings'"),
    "no labels": (lambda c: c.pop("labels"), "no 'labels'"),
    "another agent": (changed(agent="dqn"), "no 'dqn'"),
    "no seeds": (lambda c: c["settings"].pop("seeds"), "no 'seeds'"),
    "text for a number": (changed(total_steps="many"), "total_steps is 'many'; it must be a whole number"),
    "a number for a list": (changed(seeds=3), "seeds is 3; it must be a list"),
    "a list for settings": (changed(env=[]), "Config differs in"),
    "an unknown setting": (lambda c: c["settings"]["agent_config"].update(colour=1), "Config differs in colour"),
    "a missing setting": (lambda c: c["settings"]["agent_config"].pop("discount"), "Config differs in discount"),
    "a setting out of range": (lambda c: c["settings"]["agent_config"].update(learning_rate=-1.0), "learning_rate"),
    "a label with a path": (lambda c: c["labels"].update(page="../elsewhere"), "'../elsewhere' is no label"),
    "another version": (changed(versions={"env": 0}), r"would train something else under the settings \(versions"),
    "one setting more": (changed(luck=7), "would train something else"),
    "a seed as text": (changed(seeds=["0"]), "would train something else"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("spec", [small_spec("true"), sac_spec()], ids=["four-rooms", "sac"])
def test_anything_else_is_refused(spec: RunSpec, damage: str) -> None:
    content, (change, sentence) = deepcopy(written(spec)), DAMAGE[damage]
    change(content)
    with pytest.raises(RecordError, match=sentence):
        spec_from_json(content)
