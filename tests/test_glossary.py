"""The glossary: every column that is written is described, and says truly when it is empty."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
from small_control import ARMS, run_eagerly, sac_spec
from small_goals import ARMS as GOAL_ARMS
from small_goals import TASKS as GOAL_TASKS
from small_goals import goal_spec
from small_runs import small_spec
from small_trust_region import ARMS as TRUST_REGION_ARMS
from small_trust_region import recall_spec

from recall.analysis.columns import Column
from recall.analysis.glossary import GLOSSARY, glossary
from recall.analysis.records import TABLES, Record, find_records
from recall.off_policy import OffPolicyTraining
from recall.pages import PAGES
from recall.training import train
from recall.trust_region import TrustRegionTraining

GRIDS = GLOSSARY["four-rooms"]
COLUMNS = [(table, column) for table in GRIDS for column in GRIDS[table].columns]
EVERY_TABLE = [(page, table) for page in GLOSSARY for table in GLOSSARY[page]]


@pytest.fixture(scope="module")
def stored(root: Path) -> list[Record]:
    """The published records."""
    return find_records(root / "papermill_runs" / "records")


@pytest.fixture(scope="module")
def grids(stored: list[Record]) -> list[Record]:
    """Those of the four rooms."""
    return [record for record in stored if record.labels["page"] == "four-rooms"]


@pytest.fixture(scope="module")
def tables(grids: list[Record]) -> dict[str, pd.DataFrame]:
    """Every table of all of them; a column that some lack is empty in their rows, so `arm` comes with it."""
    frames = {name: [r.table(name).assign(arm=r.labels["arm"]) for r in grids if r.has(name)] for name in GRIDS}
    return {name: pd.concat(parts) for name, parts in frames.items()}


def undescribed(headings: Mapping[str, list[str]], page: str = "four-rooms") -> Iterator[str]:
    """Where the headings of a record's tables are not those of the glossary."""
    for table, found in headings.items():
        described = [c.name for c in GLOSSARY[page][table].columns]
        yield from (f"{table}.{name} is not described" for name in found if name not in described)
        always = [c.name for c in GLOSSARY[page][table].columns if not c.only]
        yield from (f"{table}.{name} is described and missing" for name in always if name not in found)


def headings(record: Record) -> dict[str, list[str]]:
    return {name: list(record.table(name)) for name in TABLES if record.has(name)}


def test_every_table_of_every_page_is_described() -> None:
    assert GLOSSARY.keys() == PAGES.keys()
    assert set().union(*GLOSSARY.values()) == set(TABLES)


def test_every_stored_column_is_described_and_none_is_missing(stored: list[Record]) -> None:
    assert stored
    assert [f"{r.path.name}: {what}" for r in stored for what in undescribed(headings(r), r.labels["page"])] == []


@pytest.mark.parametrize("model", [None, "true", "learned", "learned-both"])
def test_every_column_that_is_written_now_is_described(model: str | None) -> None:
    result = train(small_spec(model))
    written = {name: list(table) for name, table in result.tables.items()} | {"timing": list(result.timing)}
    assert list(undescribed(written)) == []


@pytest.mark.parametrize("arm", ARMS)
def test_every_column_that_soft_actor_critic_writes_is_described(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)
    monkeypatch.setattr(OffPolicyTraining, "digest_every", 50)
    result = train(sac_spec(arm, eval_every=50))
    written = {name: list(table) for name, table in result.tables.items()} | {"timing": list(result.timing)}
    assert list(undescribed(written, "sac")) == []
    assert empty_though_never_said_to_be(result.tables, "sac") == []


@pytest.mark.parametrize("arm", TRUST_REGION_ARMS)
def test_every_column_that_trust_regions_write_is_described(arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)
    monkeypatch.setattr(TrustRegionTraining, "digest_every", 2)
    result = train(recall_spec(arm))
    written = {name: list(table) for name, table in result.tables.items()} | {"timing": list(result.timing)}
    assert list(undescribed(written, "trpo")) == []
    assert empty_though_never_said_to_be(result.tables, "trpo") == []


@pytest.mark.parametrize("task", GOAL_TASKS)
@pytest.mark.parametrize("arm", GOAL_ARMS)
def test_every_column_that_goal_gan_writes_is_described(task: str, arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)
    monkeypatch.setattr("recall.goal_gan_training.DIGEST_EVERY", 1)
    result = train(goal_spec(arm, task))
    written = {name: list(table) for name, table in result.tables.items()} | {"timing": list(result.timing)}
    assert list(undescribed(written, "goal-gan")) == []
    assert empty_though_never_said_to_be(result.tables, "goal-gan") == []


def empty_though_never_said_to_be(found: Mapping[str, pd.DataFrame], page: str) -> list[str]:
    """Columns with empty cells, of which the glossary says nothing."""
    described = [(table, c) for table in found for c in GLOSSARY[page][table].columns if c.name in found[table]]
    return [f"{table}.{c.name}" for table, c in described if not c.empty and found[table][c.name].isna().any()]


def test_no_stored_column_is_empty_though_never_said_to_be(stored: list[Record]) -> None:
    others = [record for record in stored if record.labels["page"] != "four-rooms"]
    for record in others:
        found = {name: record.table(name) for name in headings(record)}
        assert empty_though_never_said_to_be(found, record.labels["page"]) == []


def test_a_column_without_description_is_found() -> None:
    found = list(undescribed({"timing": ["phase", "watts"]}))
    assert found == ["timing.watts is not described", "timing.seconds is described and missing"]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda value: getattr(value, "name", value))
def test_a_column_is_empty_only_when_it_says_so(tables: dict[str, pd.DataFrame], table: str, column: Column) -> None:
    found = tables[table]
    holds = found.groupby("arm")[column.name].transform("count") > 0
    assert bool(column.only) == (not holds.all())
    assert bool(column.empty) == found.loc[holds, column.name].isna().any()


def test_the_reasons_for_empty_cells_are_so(tables: dict[str, pd.DataFrame]) -> None:
    metrics = tables["metrics"]
    rewarded = metrics["first_reward_step"] <= metrics["step"]
    assert (metrics["path_length"].isna() == (metrics["success"] <= 1e-6)).all()
    assert (metrics["states_before_reward"].notna() == rewarded).all()


def test_recall_is_empty_until_the_first_reward(grids: list[Record]) -> None:
    for record in (each for each in grids if each.has("recall")):
        before = record.table("metrics")["first_reward_step"].isna()
        expected = before & (record.labels["arm"] != "known-goal")
        for name in ("imitation_loss", "trace_length", "trace_return", "policy_return"):
            assert (record.table("recall")[name].isna() == expected).all(), (record.path.name, name)


def test_phases_and_moments_are_named(tables: dict[str, pd.DataFrame]) -> None:
    lines = {table: glossary(GRIDS[table]).set_index("column")["meaning"] for table in GRIDS}
    for table, name in (("timing", "phase"), ("occupancy", "phase"), ("traces", "snapshot"), ("values", "snapshot")):
        words = {word.lower() for word in re.findall(r"\w+", lines[table][name])}
        assert set(tables[table][name]) <= words


@pytest.mark.parametrize(("page", "table"), EVERY_TABLE)
def test_the_table_for_readers_has_no_gap(page: str, table: str) -> None:
    shown = glossary(GLOSSARY[page][table])
    assert list(shown["column"]) == [column.name for column in GLOSSARY[page][table].columns]
    assert not (shown == "").any(axis=None)
    assert shown["meaning"].str.endswith(".").all()


def test_the_page_shows_every_table(root: Path) -> None:
    text = (root / "book/notebooks/glossary.md").read_text()
    shown = re.findall(r'^show\("([\w-]+)", "(\w+)"\)$', text, re.MULTILINE)
    assert re.findall(r"^### .*: (\w+)\.csv$", text, re.MULTILINE) == [table for _, table in shown]
    missing = [GLOSSARY[page][table] for page, table in EVERY_TABLE if (page, table) not in shown]
    assert all(any(each is GLOSSARY[page][table] for page, table in shown) for each in missing)
