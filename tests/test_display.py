"""What a notebook shows: figures with their data and the facts of the runs, text whose values are glued."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import jupytext
import pandas as pd
import papermill
import pytest
from fake_records import arrivals
from matplotlib.figure import Figure

from recall import display
from recall.analysis.panels import Panel
from recall.analysis.records import Record
from recall.pages import PAGES

NOTEBOOKS = Path(__file__).resolve().parents[1] / "book" / "notebooks"
MAX_LINES = 60


@dataclass(frozen=True)
class Parameters:
    """Of a page made up for these tests."""

    page: ClassVar[str] = "four-rooms"
    side: int | None = None
    seeds: int = 20


def record(commit: str = "0123456789", dirty: bool = False, steps: int = 60_000, env: str = "side-11") -> Record:
    """What a record says of itself."""
    provenance = {"commit": commit, "dirty": dirty, "versions": {"torch": "2", "numpy": "3"}, "python": "3.11"}
    provenance |= {"processor": "x86", "wall_clock_s": 15.0, "threads": 2}
    settings = {"seeds": [0, 1, 2], "total_steps": steps}
    labels = {"page": "four-rooms", "env_label": env, "arm": "baseline"}
    return Record(Path(), {"labels": labels, "settings": settings}, provenance)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What was displayed; data go to an empty folder."""
    found: list[Any] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(display, "display", lambda what, **_: found.append(getattr(what, "data", what)))
    return found


@pytest.fixture
def glued(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What was glued."""
    values: dict[str, str] = {}
    monkeypatch.setattr(display, "glue", lambda name, value, display: values.__setitem__(name, value))
    return values


def panel(alt: str) -> Panel:
    """An empty figure with data."""
    return Panel(Figure(), alt, arrivals([3000]))


def test_a_figure_comes_with_its_data_and_the_facts(shown: list[Any]) -> None:
    display.Page("four-rooms", [record()], Parameters()).show("success", [panel("One."), panel("Two.")])
    *figures, line = shown
    assert ["<title>One.</title>" in figures[0]["image/svg+xml"], len(figures)] == [True, 2]
    assert len(pd.read_csv("data/four-rooms/success.csv")) == 40
    assert line.startswith(
        "<small>Data: [success.csv](data/four-rooms/success.csv). Command: `recall run four-rooms`. "
    )
    for fact in (
        "3 an arm",
        "60k environment steps",
        "0123456;",
        "torch 2, numpy 3",
        "Python 3.11",
        "x86",
        "0.5 core-minutes",
    ):
        assert fact in line


def test_own_parameters_have_their_command_and_their_folder(shown: list[Any]) -> None:
    own = display.Page("four-rooms", [record()], Parameters(side=13))
    other = display.Page("four-rooms", [record()], Parameters(side=15))
    assert own.command == "recall run four-rooms -p side=13"
    assert len({own.folder, other.folder, Path("data/four-rooms")}) == 3
    own.show("success", [panel("One.")])
    assert (own.folder / "success.csv").is_file()


def test_a_figure_that_cannot_be_drawn_says_what_it_needs(shown: list[Any]) -> None:
    display.Page("four-rooms", [record()], Parameters()).show("success", [], "the arm learned")
    assert shown == ["*No figure here: it needs the arm learned, which these runs do not have.*"]
    assert not Path("data").exists()


def test_values_in_a_text_are_glued(shown: list[Any], glued: dict[str, str]) -> None:
    page = display.Page("four-rooms", [record()], Parameters())
    page.say("It is **{3.2-sparse}**, after {a b} steps.", {"3.2-sparse": "no effect", "a b": 12, "unused": 0})
    assert shown == ["It is **no effect**, after 12 steps."]
    assert glued == {"3.2-sparse": "no effect", "a b": "12"}


def test_a_value_may_be_missing_only_with_own_parameters(shown: list[Any], glued: dict[str, str]) -> None:
    display.Page("four-rooms", [record()], Parameters(side=13)).say("{gone}", {})
    assert shown == ["–"]
    with pytest.raises(KeyError):
        display.Page("four-rooms", [record()], Parameters()).say("{gone}", {})


def test_rows_of_a_table_are_glued(shown: list[Any], glued: dict[str, str]) -> None:
    index = pd.MultiIndex.from_tuples([("side 7", "baseline")], names=["environment", "arm"])
    table = pd.DataFrame({"steps": ["3k"], "never": ["0 of 5"]}, index)
    display.Page("four-rooms", [record()]).tabulate(table, "Results")
    assert glued == {"Results, side 7, baseline": "3k; 0 of 5"}
    assert "<td>0 of 5</td>" in shown[0]


def test_a_table_without_rows_is_left_out(shown: list[Any], glued: dict[str, str]) -> None:
    display.Page("four-rooms", [record()]).tabulate(pd.DataFrame(columns=["steps"]), "Results")
    assert (shown, glued) == ([], {})


def test_facts_name_every_commit_and_every_change() -> None:
    line = display.facts([record(), record("fedcba9876", dirty=True, steps=120_000, env="side-15")])
    assert "commit 0123456 and fedcba9 with changes;" in line
    assert "60k to 120k environment steps" in line
    assert "1.0 core-minutes (2 records)" in line
    assert "Seeds: 3 an arm" in line


def test_seeds_that_were_trained_one_by_one_are_counted_together() -> None:
    assert "Seeds: 3 to 6 an arm" in display.facts([record(), record(), record(env="side-15")])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_starts_with_the_published_parameters(page: str) -> None:
    cell = papermill.inspect_notebook(jupytext.read(NOTEBOOKS / f"{page}.md", fmt="md:myst"))
    assert {name: each["default"].strip("\"'").replace("_", "") for name, each in cell.items()} == {
        field.name: str(field.default) for field in fields(PAGES[page])
    }


@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.md")))
def test_notebooks_hold_little_code(name: str) -> None:
    """But for what they show to their readers; a line that is text alone, of what is said, is none of code."""
    cells = jupytext.read(NOTEBOOKS / name, fmt="md:myst").cells
    hidden = [cell for cell in cells if cell.cell_type == "code" and "remove-input" in cell.metadata.get("tags", ())]
    code = "\n".join(cell.source for cell in hidden)
    lines = [line.strip() for line in code.splitlines()]
    assert len([line for line in lines if line and not line.startswith('"')]) <= MAX_LINES
