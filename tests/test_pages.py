"""What a page is asked for: its parameters, the runs they mean, and where their records come from."""

from pathlib import Path
from typing import Any, Optional

import pytest
from small_runs import small_spec

from recall import pages
from recall.errors import ConfigError, ParameterError, RecordError
from recall.experiments import ARENAS, ARMS, four_rooms
from recall.page_parameters import default_budget
from recall.pages import PUBLISHED_BUILD, FourRoomsParameters, runs_folder, stocked, store
from recall.parameters import check_parameters, from_notebook
from recall.runs import RunSpec, write_record
from recall.training import train


def test_untouched_parameters_are_the_published_page() -> None:
    assert FourRoomsParameters().specs() == four_rooms()
    assert FourRoomsParameters(side=11, arms="baseline").specs()[0] == four_rooms()[0]


def test_parameters_reach_every_run() -> None:
    specs = FourRoomsParameters(
        side=13, seeds=3, first_seed=5, total_steps=30_000, horizon=99, start="uniform", slip=0.1,
        arms="baseline, true", weight=0.7, length=9,
    ).specs()  # fmt: skip
    assert [spec.arm for spec in specs] == ["baseline", "true"]
    for spec in specs:
        assert (spec.env.side, spec.env.horizon, spec.env.start, spec.env.slip) == (13, 99, "uniform", 0.1)
        assert (spec.seeds, spec.total_steps, spec.env_label) == ((5, 6, 7), 30_000, "side-13")
    assert specs[0].recall is None
    assert specs[1].recall is not None
    assert (specs[1].recall.weight, specs[1].recall.length) == (0.7, 9)


def test_a_published_environment_keeps_its_name_and_budget() -> None:
    for arena in ARENAS:
        (found,) = FourRoomsParameters(side=arena.env.side, horizon=arena.env.horizon).arenas
        assert found == arena


@pytest.mark.parametrize("arena", ARENAS[:3])
def test_budgets_in_between_pass_through_the_published_ones(arena: Any) -> None:
    assert default_budget(arena.env.side) == pytest.approx(arena.total_steps, rel=0.12)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 200"),
        ({"seeds": 201}, "seeds is 201"),
        ({"first_seed": -1}, "first_seed is -1"),
        ({"side": 11, "total_steps": 19_999}, "total_steps is 19999; it must be from 20000"),
        ({"length": 0}, "length is 0"),
        ({"arms": "baseline,tru"}, "arms has tru; known are all, baseline, "),
        ({"arms": ""}, "arms is .., which lacks a name"),
        ({"horizon": 100}, "need a side; add for example side=11"),
        ({"total_steps": 50_000}, "need a side"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        FourRoomsParameters(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"side": 12}, {"side": 5}, {"side": 103}, {"side": 11, "slip": 1.0}, {"weight": -1.0}]
)
def test_what_the_settings_refuse_the_page_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        FourRoomsParameters(**wrong)


def test_text_becomes_typed_parameters() -> None:
    values = check_parameters(FourRoomsParameters, {"side": "13", "weight": "1", "start": "uniform", "length": "none"})
    assert values == {"side": 13, "weight": 1.0, "start": "uniform", "length": None}


# Records


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, in which one is."""
    (tmp_path / "papermill_runs").mkdir()
    (tmp_path / "deep" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "inside")
    monkeypatch.delenv(PUBLISHED_BUILD, raising=False)
    return tmp_path


def put(spec: RunSpec, local: bool) -> Path:
    return write_record(store(local).root, spec, train(spec), {})


def test_the_store_is_that_of_the_checkout_one_is_in(folder: Path) -> None:
    assert runs_folder() == folder / "papermill_runs"
    assert store(local=True).root == folder / "papermill_runs" / "local"
    assert store(local=False).root == folder / "papermill_runs" / "records"
    assert store(local=False).claims["four-rooms"]


def test_outside_a_checkout_the_packages_own_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs_folder() == root / "papermill_runs"


@pytest.mark.usefixtures("folder")
def test_published_records_come_before_local_ones() -> None:
    spec, other = small_spec(updates=3), small_spec("true", updates=3)
    assert stocked([spec, other]).lacking == [spec, other]
    local = put(spec, local=True)
    assert stocked([spec, other]).lacking == [other]
    assert [record.path for record in pages.load([spec])] == [local]
    published = put(spec, local=False)
    assert [record.path for record in pages.load([spec])] == [published]
    with pytest.raises(RecordError, match=rf"no record of {other.folder}; train it with: recall run small"):
        pages.load([spec, other])


@pytest.mark.usefixtures("folder")
def test_a_published_build_trains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[RunSpec] = []
    monkeypatch.setattr(pages, "train_missing", lambda specs, store: trained.extend(specs))
    parameters = FourRoomsParameters(side=7, seeds=1, arms="baseline")
    monkeypatch.setenv(PUBLISHED_BUILD, "1")
    with pytest.raises(RecordError, match="no record of four-rooms/side-7-baseline-"):
        pages.records(parameters)
    assert trained == []
    monkeypatch.delenv(PUBLISHED_BUILD)
    with pytest.raises(RecordError, match="no record"):
        pages.records(parameters)
    assert trained == parameters.specs()
    assert set(ARMS) > {spec.arm for spec in trained}


@pytest.mark.parametrize(
    ("injected", "sentence"),
    [
        ({"sed": 5}, "there is no parameter 'sed'; the nearest is 'seeds'"),
        ({"seeds": "many"}, "seeds is 'many'; it must be a whole number"),
        ({"side": 12}, "side is 12; it must be an odd whole number from 7 to 101"),
    ],
)
def test_what_plain_papermill_injects_is_checked_in_the_notebook(injected: dict[str, object], sentence: str) -> None:
    namespace = {"In": [], "Out": {}, "_i1": "x", "pandas": pytest, "side": 13, **injected}
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        from_notebook(FourRoomsParameters, namespace)


def test_a_notebooks_variables_are_its_parameters() -> None:
    namespace = {"In": ["x"], "Out": {}, "_": "", "Optional": Optional, "side": 13, "seeds": 5, "length": None}
    assert from_notebook(FourRoomsParameters, namespace) == FourRoomsParameters(side=13, seeds=5)
