"""Figures of the pages sac and baselines: from records alone, for a stranger's runs too, saying what they show."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from control_figures import (
    ARMS,
    ENVIRONMENTS,
    baseline_figures,
    control_recall,
    every_figure,
    write_control_page,
    write_reference,
)
from figures import BLOCKED

from recall.analysis.control_plots import (
    EPISODE_RETURN,
    KL,
    LARGEST,
    RATIO,
    REACH,
    along_traces,
    axis_limits,
    likelihoods,
    over_training,
)
from recall.analysis.costs import OF_TRUST_REGIONS, control_cost_curves, control_costs, costs, overheads_in_words
from recall.analysis.endpoints import auc
from recall.analysis.gain_plots import (
    MOST,
    chance_dots,
    credibility_dots,
    gain_dots,
    known_part,
    recall_shares,
    time_shares,
)
from recall.analysis.gains import gains
from recall.analysis.panels import Panel, behind
from recall.analysis.records import find_records
from recall.analysis.reference import COMPARED, compare_with_reference
from recall.analysis.stats import Interval, iqm
from recall.analysis.together import aggregate

PER_ENVIRONMENT = {
    *("returns", "reach", "distance to data", "advantage", "ratio", "cosine", "KL", "entropy"),
    "temperature",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of every arm, two seeds in three environments."""
    root = tmp_path_factory.mktemp("runs")
    write_control_page(root / "records")
    write_reference(root / "reference")
    return root


@pytest.fixture(scope="module")
def figures(store: Path) -> dict[str, list[Panel]]:
    """Every figure of both pages."""
    return every_figure(store / "records") | baseline_figures(store / "records", store / "reference")


@pytest.fixture(scope="module")
def drawings(figures: dict[str, list[Panel]]) -> list[str]:
    """Every figure as SVG."""
    return [panel.svg() for panels in figures.values() for panel in panels]


def returns(curves: dict[tuple[str, str], list[list[float]]]) -> pd.DataFrame:
    """A tidy table with a curve a seed, by environment and arm."""
    rows = [
        ("sac", env, arm, seed, 5000 * (place + 1), value)
        for (env, arm), seeds in curves.items()
        for seed, curve in enumerate(seeds)
        for place, value in enumerate(curve)
    ]
    return pd.DataFrame(rows, columns=["page", "env", "arm", "seed", "step", "return"])


def test_figures_need_only_records_and_are_the_same_bytes(root: Path, store: Path, drawings: list[str]) -> None:
    """Drawn again by another process, with other hashes, without torch, MuJoCo and Gymnasium."""
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    folders = str(store / "records"), str(store / "reference")
    command = [sys.executable, "-c", BLOCKED.format(module="control_figures"), *folders]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [hashlib.sha256(svg.encode()).hexdigest() for svg in drawings]


def test_every_figure_has_its_panels(figures: dict[str, list[Panel]]) -> None:
    counts = {name: len(panels) for name, panels in figures.items()}
    assert {name: counts.pop(name) for name in PER_ENVIRONMENT} == dict.fromkeys(PER_ENVIRONMENT, len(ENVIRONMENTS))
    assert counts.pop("likelihood") == 2 * len(ENVIRONMENTS)
    assert counts.pop("ours and theirs") == len(ENVIRONMENTS)
    assert counts == {"together": 1, "gains": 2, "costs": 2, "improvement": 1, "share of time": 1, "credibility": 1}


def test_every_figure_has_its_data(figures: dict[str, list[Panel]]) -> None:
    for panels in figures.values():
        assert len(behind(panels)) > 0


def test_every_figure_says_what_it_shows(figures: dict[str, list[Panel]], drawings: list[str]) -> None:
    for panel, svg in zip([panel for panels in figures.values() for panel in panels], drawings, strict=True):
        assert len(panel.alt) > 60
        assert panel.alt.endswith(".")
        assert re.search(r"\d", panel.alt)
        assert "nan" not in panel.alt
        assert "DejaVuSans-" not in svg  # a glyph drawn as a path


@pytest.mark.parametrize(
    "given",
    [
        {"environments": ("Swimmer-v5",), "seeds": 1, "evaluations": 1, "simulator": False},
        {"environments": ("Swimmer-v5",), "seeds": 1, "evaluations": 3},
        {"environments": ("Swimmer-v5",), "arms": ("baseline",), "evaluations": 4},
        {"environments": ("Swimmer-v5", "Hopper-v5"), "arms": ("recall",), "seeds": 1, "evaluations": 5},
    ],
    ids=["one evaluation", "one seed", "no recall", "no baseline"],
)
def test_a_strangers_runs_can_be_drawn(tmp_path: Path, given: dict[str, Any]) -> None:
    write_control_page(tmp_path, **given)
    found = every_figure(tmp_path)
    for panels in found.values():
        assert all(panel.svg() and "nan" not in panel.alt for panel in panels)
    environments, arms = given["environments"], given.get("arms", ARMS)
    assert len(found["returns"]) == len(environments)
    assert bool(found["gains"]) == bool(found["improvement"]) == (len(arms) == 3)
    assert bool(found["share of time"]) == (arms != ("baseline",))
    assert bool(found["reach"]) == (given.get("simulator", True) and arms != ("baseline",))
    assert found["together"] == []


def test_without_a_reference_ours_is_drawn_alone(tmp_path: Path) -> None:
    write_control_page(tmp_path, arms=("baseline",))
    found = baseline_figures(tmp_path, tmp_path / "nothing")
    assert len(found["ours and theirs"]) == len(ENVIRONMENTS)
    assert found["credibility"] == []


def test_environments_have_ranges_of_their_own_that_hold_all_seeds(figures: dict[str, list[Panel]]) -> None:
    limits = [panel.figure.axes[0].get_ylim() for panel in figures["returns"]]
    assert len(set(limits)) == len(ENVIRONMENTS)
    for panel, (low, high) in zip(figures["returns"], limits, strict=True):
        assert low < panel.data["return"].min() < 0
        assert high > panel.data["return"].max()


@pytest.mark.parametrize(
    ("values", "y", "limits"),
    [
        ([1.0, 5.0], EPISODE_RETURN, (0, 5.2)),
        ([-5.0, 5.0], EPISODE_RETURN, (-5.4, 5.4)),
        ([0.0, 0.0], EPISODE_RETURN, (0, 1)),
        ([0.03, 0.3], RATIO, (0.005, 0.5)),
        ([1e-12, 1e-3], RATIO, (5e-13, 0.02)),
    ],
)
def test_an_axis_holds_its_values_and_its_guide(values: list[float], y: Any, limits: tuple[float, float]) -> None:
    assert axis_limits(pd.Series(values), y) == pytest.approx(limits)


def test_a_logarithmic_axis_of_many_decades_has_few_ticks() -> None:
    table = returns({("e", "recall"): [[1e-7, 1e-2]]}).rename(columns={"return": "gradient_ratio"})
    (panel,) = over_training(table, RATIO, ("recall",))
    axes = panel.figure.axes[0]
    assert axes.get_yticks().tolist() == [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01"]


def test_an_axis_is_labelled_wherever_it_goes() -> None:
    table = returns({("e", "recall"): [[1e-4, 1e19], [1e-3, 1e18]]})
    (panel,) = over_training(table.rename(columns={"return": "imitation_kl"}), KL, ("recall",))
    axes = panel.figure.axes[0]
    assert axes.get_ylim() == (5e-5, 2e19)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["10⁻⁴", "1", "10⁴", "10⁸", "10¹²", "10¹⁶"]


def test_what_overflows_is_drawn_as_the_largest_number() -> None:
    table = returns({("e", "recall"): [[1e-4, np.inf], [1e-3, np.inf]]}).rename(columns={"return": "imitation_kl"})
    (panel,) = over_training(table, KL, ("recall",))
    assert f"at its end {LARGEST:.3g} (recall traces)" in panel.alt
    assert LARGEST < panel.figure.axes[0].get_ylim()[1] < np.inf


def test_zero_has_no_place_on_a_logarithmic_axis() -> None:
    table = returns({("e", "recall"): [[0.0, 0.0]]}).rename(columns={"return": "gradient_ratio"})
    assert over_training(table, RATIO, ("recall",)) == []


def test_together_is_the_mean_of_the_middle_of_all_seeds_and_environments() -> None:
    curves = {
        ("a", "baseline"): [[10.0, 20.0], [10.0, 20.0]],
        ("b", "baseline"): [[2.0, 4.0], [2.0, 4.0]],
        ("a", "recall"): [[10.0, 30.0], [10.0, 15.0]],
        ("b", "recall"): [[2.0, 6.0], [2.0, 3.0]],
        ("c", "baseline"): [[-1.0, -1.0], [-1.0, -1.0]],
        ("c", "recall"): [[9.0, 9.0], [9.0, 9.0]],
    }
    (panel,) = aggregate(returns(curves))
    found = panel.data[panel.data["arm"] == "recall"]
    scores = np.array([[10, 30], [10, 15]]) / 15, np.array([[2, 6], [2, 3]]) / 3
    np.testing.assert_allclose(found["iqm"], iqm(np.concatenate(scores)))
    assert (found["low"] <= found["iqm"]).all()
    assert panel.figure.axes[0].get_title(loc="left") == "2 environments together"
    (titled,) = aggregate(returns(curves), title="SAC")
    assert titled.figure.axes[0].get_title(loc="left") == "SAC, 2 environments together"


def test_an_arm_that_was_not_run_everywhere_drives_no_environment_out() -> None:
    curves = {(env, arm): [[1.0, 2.0], [1.0, 2.0]] for env in "abc" for arm in ("baseline", "recall")}
    (panel,) = aggregate(returns(curves | {("a", "as-written"): [[0.0, 0.0], [0.0, 0.0]]}))
    assert panel.figure.axes[0].get_title(loc="left") == "3 environments together"
    assert set(panel.data["arm"]) == {"baseline", "recall"}


def test_an_arm_is_drawn_over_what_it_spent(tmp_path: Path) -> None:
    """Of 340 seconds for environment and learner 20 are gone before the first update; recall has 25.5 more."""
    write_control_page(tmp_path, ("Hopper-v5", "Ant-v5"), ("baseline", "recall"), seeds=2, evaluations=4)
    table = control_costs(find_records(tmp_path))
    together = control_cost_curves(table)
    assert {panel.figure.axes[0].get_title(loc="left") for panel in together} == {"2 environments together"}
    places = [[line.get_xdata().tolist() for line in panel.figure.axes[0].lines[1:]] for panel in together]
    assert places[0] == [[5, 10], [5.25, 10.5]]
    np.testing.assert_allclose(places[1], [[180 / 340, 1], [192.75 / 340, 365.5 / 340]])
    assert len(behind(together)) == 2 * 2 * 2 * 2
    (in_time,) = control_cost_curves(table, currencies=OF_TRUST_REGIONS)
    assert "units of the same" in in_time.figure.axes[0].get_xlabel()
    alone = control_cost_curves(table[table["env"] == "Ant-v5"])
    assert [panel.figure.axes[0].get_title(loc="left") for panel in alone] == ["Ant-v5", "Ant-v5"]


def test_a_busy_machine_costs_an_arm_nothing(tmp_path: Path) -> None:
    write_control_page(tmp_path, ("Hopper-v5",), ("baseline", "recall"), seeds=1, evaluations=4)
    records = find_records(tmp_path)
    assert overheads_in_words(control_costs(records), ARMS[1:]) == "recall traces +5 % gradient steps and +7 % time"
    for file in tmp_path.glob("baselines/*/timing.csv"):
        pd.read_csv(file).assign(seconds=lambda table: 3 * table["seconds"]).to_csv(file, index=False)
    assert "+7 % time" in overheads_in_words(control_costs(records), ARMS[1:])
    assert overheads_in_words(control_costs(records), ARMS[1:], spent=["time"]) == "recall traces +7 % time"
    alone = control_costs(record for record in records if record.labels["arm"] == "recall")
    assert overheads_in_words(alone, ARMS[1:]) == "–"


def test_chances_are_drawn_beside_a_draw() -> None:
    curves = {(env, arm): [[v], [v + 1]] for env in "ab" for arm, v in (("baseline", 0.0), ("recall", 5.0))}
    (panel,) = chance_dots(auc(returns(curves), "return"), "mean return")
    assert "recall traces in a 1.00 (" in panel.alt
    assert "recall traces in mean of them 1.00 (" in panel.alt
    axes = panel.figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "mean of them"]
    assert [0.5, 0.5] in [list(line.get_xdata()) for line in axes.lines]


def test_a_trace_is_drawn_from_its_first_step_to_its_last() -> None:
    steps = 5000 * np.arange(1, 21)
    table = control_recall("recall", 0, steps).assign(env="Hopper-v5", arm="recall")
    (panel,) = along_traces(table, REACH, ("recall",))
    assert "0.3 at the first step back, 0.7 at the last (18 steps). Real transitions: 2e-07." in panel.alt
    words = [text.get_text() for text in panel.figure.axes[0].texts]
    assert words == ["▾ real transitions: 2e-07"]
    (near,) = along_traces(table.assign(reach_real=0.2), REACH, ("recall",))
    assert list(near.figure.axes[0].texts) == []
    assert any(line.get_label() == "real transitions" for line in near.figure.axes[0].lines)


def test_a_model_is_held_against_what_it_never_saw() -> None:
    steps = 5000 * np.arange(1, 21)
    table = control_recall("recall", 0, steps).assign(env="Hopper-v5", arm="recall")
    (panel,) = likelihoods(table)
    assert set(panel.data["arm"]) == {"recall/training", "recall/held-out"}
    lacking = likelihoods(table.drop(columns=["held_out_action_nll", "held_out_state_nll"]))
    assert {arm for panel in lacking for arm in panel.data["arm"]} == {"recall/training"}


def test_the_share_of_time_leaves_evaluation_out() -> None:
    rows = [
        (phase, seconds)
        for phase, seconds in zip(("environment", "recall", "learner", "evaluation"), (2, 1, 7, 90), strict=True)
    ]
    timing = pd.DataFrame(2 * rows, columns=["phase", "seconds"]).assign(env="e", arm="recall", page="sac")
    assert time_shares(timing)["share"].tolist() == [0.1, 0.1]
    (panel,) = recall_shares(timing)
    assert f"beside a line at {100 * MOST:.0f} %: recall traces in e 10.0 %." in panel.alt
    (without,) = recall_shares(timing, most=None)
    assert without.alt == "Share of the training's time that recall took: recall traces in e 10.0 %."
    assert len(panel.figure.axes[0].lines) == len(without.figure.axes[0].lines) + 1


def test_what_is_spent_before_the_first_update_is_spent_on_the_environment(tmp_path: Path) -> None:
    write_control_page(tmp_path, ("Hopper-v5",), ("baseline", "recall"), seeds=2, evaluations=4)
    table = costs(find_records(tmp_path), "return").set_index(["arm", "seed"])
    assert table.loc[("baseline", 0), "policy_updates"].tolist() == [0, 0, 5000, 10_000]
    assert table.loc[("recall", 1), "model_gradient_steps"].tolist() == [0, 0, 250, 500]
    assert table.loc[("recall", 1), "gradient_steps"].tolist() == [0, 0, 5250, 10_500]
    assert table.loc[("baseline", 0), "seconds"].tolist() == [10, 20, 180, 340]
    np.testing.assert_allclose(table.loc[("recall", 0), "seconds"], [10, 20, 192.75, 365.5])  # the mean of its seeds


def test_one_seed_is_a_dot_without_an_interval() -> None:
    whole = Interval(0.1, -np.inf, np.inf)
    assert known_part(whole) == Interval(0.1, 0.1, 0.1)
    assert known_part(Interval(0.1, 0.0, np.inf)).high == np.inf
    table = gains(returns({("e", "baseline"): [[1.0, 2.0]], ("e", "recall"): [[2.0, 4.0]]}), ("recall",))
    assert all("+100 % (no interval)" in panel.alt for panel in gain_dots(table))


def test_credibility_has_its_line() -> None:
    curves = {("e", "baseline"): [[0.0, value] for value in (9.0, 10.0, 11.0, 10.0, 10.0)]}
    ours = returns(curves)
    (panel,) = credibility_dots(compare_with_reference(ours, ours.assign(arm="stable-baselines3")))
    assert -0.15 in [line.get_xdata()[0] for line in panel.figure.axes[0].lines]
    assert "beside a line at −15 %: e 0 % " in panel.alt
    assert credibility_dots(pd.DataFrame(columns=COMPARED)) == []
