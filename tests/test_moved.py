"""Which glued numbers count as moved, and the table of them."""

import json
import subprocess
from pathlib import Path

import pytest

from recall.moved import PREFIX, glued, moved, moved_numbers


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("0.5", "0.5"),
        ("0.5", "0.5004"),
        ("-1.25e3", "-1250.5"),
        ("1.25 [1.10, 1.40]", "1.2501 [1.1, 1.4001]"),
        ("reproduced", "reproduced"),
        ("0 of 20", "0 of 20"),
        (None, None),
    ],
)
def test_not_moved(before: str | None, now: str | None) -> None:
    assert not moved(before, now)
    assert not moved(now, before)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("0.5", "0.502"),
        ("0.5", "-0.5"),
        ("0", "0.0001"),
        ("1.25 [1.10, 1.40]", "1.25 [1.10, 1.41]"),
        ("1.25 [1.10, 1.40]", "1.25"),
        ("reproduced", "inconclusive"),
        ("20 seeds", "20 runs"),
        ("19 of 20", "20 of 20"),
        ("0.5", None),
        ("0.5", "nan"),
        ("1e-3", "1e-4"),
    ],
)
def test_moved(before: str | None, now: str | None) -> None:
    assert moved(before, now)
    assert moved(now, before)


def notebook(**values: str | list[str]) -> str:
    """An executed notebook that glued values, beside other outputs."""
    outputs = [
        {
            "output_type": "display_data",
            "metadata": {"scrapbook": {"name": name, "mime_prefix": PREFIX}},
            "data": {f"{PREFIX}text/plain": text},
        }
        for name, text in values.items()
    ]
    other = [{"output_type": "stream", "text": "0.5"}, {"output_type": "display_data", "data": {}, "metadata": {}}]
    return json.dumps({"cells": [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": outputs + other}]})


def test_glued_values_are_found_by_name() -> None:
    assert glued(notebook(a="'1.5'", b=["line 1\n", "line 2"])) == {"a": "1.5", "b": "line 1\nline 2"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one committed page."""
    (tmp_path / "papermill_runs").mkdir()
    (tmp_path / "papermill_runs" / "page.ipynb").write_text(notebook(same="1.0", shifted="2.0", gone="3.0"))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


def test_a_rebuilt_book_that_moved_nothing_says_so(checkout: Path) -> None:
    assert moved_numbers(checkout, ["page"]) == "no number moved against the committed pages"


def test_each_moved_number_is_a_row(checkout: Path) -> None:
    page = checkout / "papermill_runs" / "page.ipynb"
    page.write_text(notebook(same="1.0001", shifted="2.1", new="4.0"))
    title, header, *rows = moved_numbers(checkout, ["page"]).splitlines()
    assert title == "3 numbers moved against the committed pages:"
    assert header.split() == ["page", "number", "committed", "now"]
    assert [row.split() for row in rows] == [
        ["page", "gone", "3.0", "-"], ["page", "new", "-", "4.0"], ["page", "shifted", "2.0", "2.1"]
    ]  # fmt: skip


def test_a_page_that_was_never_committed_is_all_new(checkout: Path) -> None:
    (checkout / "papermill_runs" / "fresh.ipynb").write_text(notebook(a="1.0"))
    assert "1 numbers moved" in moved_numbers(checkout, ["fresh"])
