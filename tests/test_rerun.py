"""The page *Run it yourself*: what it says of the parameters is so, and its commands and lines of Python work."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_records import curves, write_record

from recall.errors import ConfigError, ParameterError
from recall.pages import PAGES, FourRoomsParameters, SacParameters
from recall.parameters import check_parameters, parameter_names
from recall.rerun import COSTS, command, cost_table, parameter_table
from recall.training import steps_of

TABLE = parameter_table().set_index("parameter")
RANGES = {
    name: (float(found[1]), float(found[3] or "inf"), found[2])
    for name, line in TABLE["meaning and range"].items()
    if (found := re.search(r"\b(\d+) (?:(to|to below) (\d+)|or more)\b", line))
}
"""Lowest and highest value of each number, as the page states them, and whether the highest belongs to them."""

NAMES = parameter_names(FourRoomsParameters)
PROPORTIONAL = [name for name in NAMES if COSTS[name].startswith("in proportion")]


def given(name: str, value: float) -> dict[str, Any]:
    """A parameter and the side it may need, as a person types them."""
    side = {} if name == "side" else {"side": "11"}
    return side | {name: f"{value:g}" if name in ("slip", "weight") else f"{value:.0f}"}


def steps(**parameters: Any) -> int:
    """Environment steps of all runs of a page."""
    return sum(map(steps_of, FourRoomsParameters(**parameters).specs()))


def shell(text: str) -> list[str]:
    """The commands in a text that run the page."""
    return re.findall(r"recall run four-rooms((?: -p \w+=\S+)+)", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_is_explained_and_has_a_cost(page: str) -> None:
    table = parameter_table(PAGES[page])
    assert list(table["parameter"]) == parameter_names(PAGES[page])
    assert not (table == "").any(axis=None)


def test_every_cost_is_of_a_parameter() -> None:
    assert COSTS.keys() == {name for schema in PAGES.values() for name in parameter_names(schema)}


def test_every_number_has_a_range() -> None:
    numbers = {name for name in NAMES if name not in ("start", "arms")}
    assert RANGES.keys() == numbers


@pytest.mark.parametrize("name", RANGES)
def test_the_range_is_the_one_that_is_enforced(name: str) -> None:
    low, high, upto = RANGES[name]
    step = 2 if name == "side" else 1
    check_parameters(FourRoomsParameters, given(name, low))
    outside = [low - step]
    if upto == "to":
        check_parameters(FourRoomsParameters, given(name, high))
        outside.append(high + step)
    if upto == "to below":
        check_parameters(FourRoomsParameters, given(name, high - 1e-3))
        outside.append(high)
    for value in outside:
        with pytest.raises((ParameterError, ConfigError)):
            check_parameters(FourRoomsParameters, given(name, value))


def test_defaults_are_the_published_ones() -> None:
    assert TABLE.loc["seeds", "default"] == "20"
    typed = {name: value for name, value in TABLE["default"].items() if value != "None"}
    assert FourRoomsParameters(**check_parameters(FourRoomsParameters, typed)) == FourRoomsParameters()


def test_costs_that_are_said_to_be_in_proportion_are() -> None:
    assert PROPORTIONAL == ["seeds", "total_steps", "arms"]
    assert steps(side=11, seeds=6) == 2 * steps(side=11, seeds=3)
    assert steps(side=11, total_steps=102_400) == 2 * steps(side=11, total_steps=51_200)
    assert steps(side=11, arms="true,learned") == 2 * steps(side=11, arms="learned")


def test_other_costs_leave_the_steps_as_they_are() -> None:
    other: dict[str, Any] = {
        "first_seed": 7,
        "horizon": 50,
        "start": "uniform",
        "slip": 0.1,
        "weight": 0.5,
        "length": 5,
    }
    assert other.keys() == set(NAMES) - {"side", *PROPORTIONAL}
    assert {steps(side=13, **{name: value}) for name, value in other.items()} == {steps(side=13)}


def test_steps_grow_with_the_side_as_said() -> None:
    assert steps(side=39) / steps(side=13) == pytest.approx(3**2.5, rel=0.05)


def test_the_cost_of_a_run_follows_from_its_steps() -> None:
    example = {"side": 11, "seeds": 3, "arms": "learned"}
    (row,) = cost_table([example], seconds_a_million_steps=120).to_dict("records")
    millions = steps(**example) / 1e6
    assert row["command"] == command(example) == "recall run four-rooms -p side=11 -p seeds=3 -p arms=learned"
    assert row["environment steps"] == f"{millions:.1f} million"
    assert row["minutes of one core, about"] == f"{2 * millions:.1f}"
    (row,) = cost_table([example], np.nan).to_dict("records")
    assert row["minutes of one core, about"] == "–"


def test_the_cost_of_another_page_is_that_of_its_runs() -> None:
    example = {"env_id": "Swimmer-v5", "seeds": 2, "total_steps": 20_000}
    (row,) = cost_table([example], 3000, SacParameters).to_dict("records")
    assert row["command"] == "recall run sac -p env_id=Swimmer-v5 -p seeds=2 -p total_steps=20000"
    assert row["environment steps"] == "0.1 million"  # two arms of two seeds
    assert row["minutes of one core, about"] == "4.0"


@pytest.mark.parametrize("name", ["README.md", "book/notebooks/rerun.md"])
def test_the_commands_of_the_prose_are_accepted(root: Path, name: str) -> None:
    commands = shell((root / name).read_text())
    assert commands
    for arguments in commands:
        pairs = (pair.split("=") for pair in arguments.split(" -p ")[1:])
        check_parameters(FourRoomsParameters, dict(pairs))


def test_three_lines_read_the_records(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippet = re.search(r"```python\n(.*?)```", (root / "book/notebooks/rerun.md").read_text(), re.DOTALL)
    assert snippet is not None
    assert len([line for line in snippet[1].splitlines() if line]) == 3
    write_record(tmp_path / "papermill_runs" / "records", {"metrics": curves([0.5, 0.7])})
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(snippet[1], names)
    assert set(names["table"]["seed"]) == {0, 1}
