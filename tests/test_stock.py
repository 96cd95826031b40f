"""Which stored runs may stand beside those that are trained here."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from small_runs import small_spec

import recall.runs
from recall import book
from recall.analysis.records import find_records
from recall.errors import RecordError
from recall.pages import stocked, store
from recall.runs import Result, RunSpec, write_record
from recall.stock import stock, together
from recall.store import Store
from recall.training import train

BASELINE, LEARNED = small_spec(updates=3), small_spec("learned", updates=3)
UNTRAINED = small_spec("untrained", updates=3)
HERE, THERE = "a processor here", "a processor elsewhere"

trained = cache(train)


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall.runs, "processor_family", lambda: HERE)


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Store]:
    """The published records and the local ones of an empty checkout."""
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    return [store(local=False), store(local=True)]


def put(where: Store, spec: RunSpec, processor: str = HERE) -> Path:
    """A record that was trained on such a processor."""
    result: Result = trained(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recall.runs, "processor_family", lambda: processor)
        return write_record(where.root, spec, result, {})


def test_what_was_trained_elsewhere_alike_is_taken_as_it_is(stores: list[Store]) -> None:
    paths = [put(stores[0], spec, THERE) for spec in (BASELINE, LEARNED)]
    found = stock([BASELINE, LEARNED], stores)
    assert [record.path for record in found.whole()] == paths
    assert not found.lacking
    assert not found.elsewhere


def test_what_is_compared_with_a_run_of_this_machine_is_trained_on_it_too(stores: list[Store]) -> None:
    put(stores[0], BASELINE, THERE)
    found = stock([LEARNED, BASELINE], stores)
    assert found.lacking == [LEARNED, BASELINE]
    assert found.elsewhere == {BASELINE: f"processor is {THERE} there and {HERE} here"}
    assert found.in_words().startswith(
        "1 of those to train are stored, but may not be compared with runs of this machine"
    )
    with pytest.raises(RecordError, match=f"there is no record of {LEARNED.folder}; train it with: recall run small"):
        found.whole()


def test_other_environments_do_not_matter(stores: list[Store]) -> None:
    other = replace(BASELINE, env_label="elsewhere")
    put(stores[0], other, THERE)
    found = stock([other, BASELINE], stores)
    assert found.lacking == [BASELINE]
    assert list(found.records) == [other]


def test_a_baseline_borrowed_from_another_page_is_compared_too(stores: list[Store]) -> None:
    """As with SAC, whose baseline is stored under the page on baselines."""
    borrowed = replace(BASELINE, page="baselines")
    put(stores[0], borrowed, THERE)
    found = stock([LEARNED, borrowed], stores)
    assert found.lacking == [LEARNED, borrowed]
    assert found.elsewhere == {borrowed: f"processor is {THERE} there and {HERE} here"}


def test_whichever_record_agrees_with_the_others_is_taken(stores: list[Store]) -> None:
    """The first of the baseline's has none to stand beside; a third machine would otherwise train all of it again."""
    put(stores[0], BASELINE, THERE)
    local = [put(stores[1], spec, "a third processor") for spec in (BASELINE, LEARNED)]
    assert [record.path for record in stock([BASELINE, LEARNED], stores).whole()] == local


def test_pages_that_are_trained_together_are_not_compared_with_each_other(stores: list[Store]) -> None:
    """Only one of them has the baseline beside a run of this machine."""
    other = replace(UNTRAINED, page="other")
    paths = [put(stores[0], spec, THERE) for spec in (BASELINE, other)]
    found = together([stock([BASELINE, other], stores), stock([other], stores), stock([BASELINE, LEARNED], stores)])
    assert found.lacking == [BASELINE, LEARNED]
    assert list(found.elsewhere) == [BASELINE]
    assert [record.path for record in found.records.values()] == paths[1:]


def test_runs_of_this_machine_join_published_ones_of_its_kind(stores: list[Store]) -> None:
    published, local = put(stores[0], BASELINE), put(stores[1], LEARNED)
    assert [record.path for record in stock([BASELINE, LEARNED], stores).whole()] == [published, local]


def test_once_trained_here_too_they_are_compared_and_the_page_as_published_stays(stores: list[Store]) -> None:
    published = [put(stores[0], spec, THERE) for spec in (BASELINE, LEARNED)]
    local = [put(stores[1], spec) for spec in (BASELINE, UNTRAINED)]
    assert [record.path for record in stock([BASELINE, UNTRAINED], stores).whole()] == local
    assert [record.path for record in stock([BASELINE, LEARNED], stores).whole()] == published


@pytest.mark.parametrize("local", [True, False])
def test_a_record_in_the_way_is_named_and_stays(stores: list[Store], local: bool) -> None:
    path = put(stores[local], BASELINE, THERE)
    with pytest.raises(
        RecordError, match=f"{path} may not be compared .*{THERE} there and {HERE} here.*; move it away"
    ):
        stocked([BASELINE, LEARNED], local)
    assert path.is_dir()


def test_a_page_with_other_parameters_is_trained_whole_on_another_processor(
    stores: list[Store],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a reader meets who changes one arm of a page whose records come from a machine unlike theirs."""

    def train_missing(specs: Sequence[RunSpec], where: Store, workers: int | None) -> None:
        for spec in specs:
            put(where, spec)

    monkeypatch.setattr(book, "train_missing", train_missing)
    put(stores[0], BASELINE, THERE)
    book.train([BASELINE, LEARNED], None, local=True)
    assert "2 groups of runs: 0 stored, 2 to train" in (told := capsys.readouterr().out)
    assert f"(processor is {THERE} there and {HERE} here), so they are trained here too" in told
    assert len(stocked([BASELINE, LEARNED]).whole()) == len(find_records(stores[1].root)) == 2
    book.train([BASELINE, LEARNED], None, local=True)
    assert capsys.readouterr().out == "2 groups of runs: 2 stored, 0 to train\n"
