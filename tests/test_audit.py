"""The audit counts what the records say, and names what differs among them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from recall.analysis.audit import audit, seconds_a_million_steps, steps_of
from recall.analysis.cards import Html, grouped
from recall.analysis.records import Record


def record(commit: str = "a" * 40, dirty: bool = False, seconds: float = 60.0, processor: str = "x") -> Record:
    settings = {"seeds": [0, 1], "total_steps": 500_000}
    provenance = {
        "commit": commit, "dirty": dirty, "date": "2026-02-03T04:05:06+00:00", "python": "3.11.7",
        "wall_clock_s": seconds, "threads": 1, "sha256": {"spec.json": "1", "metrics.csv": "2"},
    }  # fmt: skip
    spec: dict[str, Any] = {"settings": settings, "numerics": {"engine": "eager", "processor": processor}}
    return Record(Path("folder"), spec, provenance)


def facts(*records: Record) -> dict[str, str]:
    rows = BeautifulSoup(audit(records), "html.parser").select("tbody tr")
    return {cells[0].text: cells[1].text for row in rows if (cells := row.select("td"))}


def test_the_facts_of_equal_records() -> None:
    found = facts(record(), record())
    assert found == {
        "records": "2",
        "files whose checksum held": "4",
        "runs (a seed of an arm)": "4",
        "environment steps": "2.0 million",
        "time to train them": "2 core-minutes",
        "commits of the code": "a" * 10,
        "trained with uncommitted changes in the package": "0",
        "numerics": "engine eager, processor x",
        "Python": "3.11.7",
        "trained on": "2026-02-03",
    }


def test_differences_are_named_with_their_counts() -> None:
    found = facts(record(), record("b" * 40, dirty=True), record(processor="y"))
    assert found["commits of the code"] == f"{'a' * 10} (2 records); {'b' * 10} (1 records)"
    assert found["trained with uncommitted changes in the package"] == "1"
    assert found["numerics"] == "engine eager, processor x (2 records); engine eager, processor y (1 records)"


def test_a_record_from_outside_a_checkout_has_no_commit() -> None:
    assert facts(record(commit=""))["commits of the code"] == "none"


def test_no_records_are_no_error() -> None:
    assert facts()["records"] == "0"
    assert np.isnan(seconds_a_million_steps([]))


def test_speed_is_over_all_seeds() -> None:
    assert steps_of(record()) == 1_000_000
    assert seconds_a_million_steps([record(seconds=60), record(seconds=20)]) == 40


def test_a_grouped_table_has_a_heading_a_group_and_keeps_the_order() -> None:
    index = pd.MultiIndex.from_tuples([("z", "b"), ("z", "a"), ("y<", "b")], names=["shape", "method"])
    html = grouped(pd.DataFrame({3: ["1", "2", Html("<b>3</b>")]}, index), "a caption")
    soup = BeautifulSoup(html, "html.parser")
    assert [th.text for th in soup.select("thead th")] == ["method", "3"]
    assert [th.text for th in soup.select("tbody th")] == ["z", "b", "a", "y<", "b"]
    assert [th["colspan"] for th in soup.select("th[scope=rowgroup]")] == ["2", "2"]
    assert [str(td) for td in soup.select("td")] == ["<td>1</td>", "<td>2</td>", "<td><b>3</b></td>"]
    assert soup.caption is not None
    assert soup.caption.text == "a caption"


@pytest.mark.parametrize("value", ["<i>", "a & b"])
def test_text_in_a_grouped_table_is_escaped(value: str) -> None:
    index = pd.MultiIndex.from_tuples([("g", "r")], names=["g", "r"])
    assert value not in grouped(pd.DataFrame({"c": [value]}, index))
