"""The page trace-sweeps: the runs it means, and what it refuses."""

from dataclasses import replace
from typing import Any

import pytest

from recall.errors import ConfigError, ParameterError
from recall.experiments import four_rooms
from recall.pages import TraceSweepsParameters, store
from recall.parameters import check_parameters
from recall.recaller import RecallConfig
from recall.runs import RunSpec
from recall.trace_experiments import SHARED

SPECS = TraceSweepsParameters().specs()
SETTINGS = {"length": "length", "traces": "n_traces", "best": "top_fraction"}


def recall_of(spec: RunSpec) -> RecallConfig:
    assert isinstance(spec.recall, RecallConfig)
    return spec.recall


def test_the_arms_of_the_page_four_rooms_are_not_trained_again() -> None:
    shared = [spec for spec in SPECS if spec.page == "four-rooms"]
    published = [s for s in four_rooms() if s.arm in SHARED and s.env_label in ("side-11", "side-15", "side-19")]
    assert sorted(spec.folder for spec in shared) == sorted(spec.folder for spec in published)
    assert len({spec.key for spec in SPECS}) == len(SPECS)


def test_an_arm_differs_from_that_of_the_page_four_rooms_in_the_setting_it_is_named_after() -> None:
    shared = {(spec.env_label, spec.arm): spec for spec in SPECS if spec.page == "four-rooms"}
    for spec in (spec for spec in SPECS if spec.page == "trace-sweeps"):
        model, name, value = spec.arm.split("-")
        default = shared[spec.env_label, model]
        given: dict[str, Any] = {SETTINGS[name]: float(value) / (100 if name == "best" else 1)}
        assert spec.recall == replace(recall_of(default), **given)
        assert replace(spec, page="four-rooms", arm=model, recall=default.recall) == default


def test_the_published_page() -> None:
    arms = {
        env: {spec.arm for spec in SPECS if spec.env_label == env and spec.page == "trace-sweeps"}
        for env in ("side-11", "side-15", "side-19")
    }
    lengths = {f"{model}-length-{n}" for model in ("learned", "true") for n in (1, 2, 5, 10, 20, 100)}
    counts = {f"{model}-traces-{n}" for model in ("learned", "true") for n in (1, 3, 30)}
    assert arms["side-11"] == arms["side-19"] == lengths
    assert arms["side-15"] == lengths | counts | {"learned-best-5", "learned-best-10", "learned-best-25"}
    assert {spec.seeds for spec in SPECS} == {tuple(range(20))}


def test_arms_are_those_that_the_claim_names() -> None:
    assert store(local=True).claims["trace-sweeps"].keys() == {"6-short-traces"}
    assert {"learned-length-10", "learned-length-100"} <= {spec.arm for spec in SPECS}


def test_parameters_reach_every_run() -> None:
    specs = TraceSweepsParameters(13, 3, 5, 30_000, lengths="39,4", counts="2", quantiles="0.5").specs()
    assert {(spec.env_label, spec.seeds, spec.total_steps) for spec in specs} == {("side-13", (5, 6, 7), 30_000)}
    assert [spec.arm for spec in specs if spec.page == "trace-sweeps"] == [
        "learned-length-4", "learned-traces-2", "learned-best-0.5", "true-length-4", "true-traces-2"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": 0}, "seeds is 0; it must be from 1 to 200"),
        ({"first_seed": -1}, "first_seed is -1"),
        ({"side": 12}, "side is 12; it must be an odd whole number"),
        ({"total_steps": 50_000}, "need a side"),
        ({"lengths": "0"}, "lengths has 0; it must be whole numbers from 1 to 10000"),
        ({"lengths": "5,x"}, "lengths is '5,x'; it must be numbers with commas"),
        ({"counts": "1,1001"}, "counts has 1001; it must be whole numbers from 1 to 1000"),
        ({"quantiles": "0"}, "quantiles has 0; it must be percents above 0, up to 100"),
        ({"quantiles": "5,101"}, "quantiles has 101"),
        ({"quantiles": "nan"}, "quantiles has nan"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ParameterError, ConfigError), match=sentence):
        TraceSweepsParameters(**wrong)


def test_text_becomes_typed_parameters() -> None:
    raw = {"side": "13", "seeds": "2", "counts": "1,3", "total_steps": "none"}
    typed = {"side": 13, "seeds": 2, "counts": "1,3", "total_steps": None}
    assert check_parameters(TraceSweepsParameters, raw) == typed
    with pytest.raises(ParameterError, match="there is no parameter 'length'; the nearest is 'lengths'"):
        check_parameters(TraceSweepsParameters, {"length": "3"})
