"""Steps until a coverage: seeds that never came stay in, in outer steps and in steps of all purposes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from figures import BLOCKED
from goal_figures import all_figures, goal_metrics, write_goal_page

from recall.analysis.goal_plots import ALL_STEPS, OUTER_STEPS
from recall.analysis.goal_steps import (
    arrival_dots,
    arrival_in_words,
    arrivals,
    arrivals_for_people,
    mean_arrival,
    steps_by_purpose,
)


def metrics(
    arms: tuple[str, ...] = ("baseline", "recall"), seeds: int = 3, outer_steps: int = 40, env: str = "point-mass"
) -> pd.DataFrame:
    frames = [
        goal_metrics(env, arm, seed, np.arange(outer_steps + 1)).assign(page="goal-gan", env=env, arm=arm)
        for arm in arms
        for seed in range(seeds)
    ]
    return pd.concat(frames, ignore_index=True)


def cell(times: pd.DataFrame, clock: str, threshold: float, arm: str = "baseline") -> pd.DataFrame:
    found = times[(times["clock"] == clock) & (times["threshold"] == threshold) & (times["arm"] == arm)]
    return found.sort_values("seed")


def test_an_arrival_is_the_first_of_three_measurements_in_a_row() -> None:
    table = metrics(("baseline",), seeds=1, outer_steps=6)
    table["coverage"] = [0, 0.6, 0.4, 0.5, 0.55, 0.6, 0.7]
    times = arrivals(table)
    assert cell(times, "outer_step", 0.5)["value"].tolist() == [3]
    assert cell(times, "outer_step", 0.9)["value"].tolist() == [np.inf]
    assert cell(times, "outer_step", 0.9)["budget"].tolist() == [6]


def test_steps_of_all_purposes_are_the_seeds_own() -> None:
    table = metrics(("baseline",), seeds=2)
    table.loc[table["seed"] == 1, "labels_steps"] += 1_000_000
    times = arrivals(table)
    outer = cell(times, "outer_step", 0.5)["value"].to_numpy()
    spent = 0.1 * outer + 0.01 * outer + 0.05 * outer + 0.02 * (outer + 1) + [0, 1]
    np.testing.assert_allclose(cell(times, "all_steps", 0.5)["value"], spent)


def test_who_never_came_counts_as_the_end_of_the_training() -> None:
    rows = pd.DataFrame({"value": [10.0, 20.0, np.inf], "budget": 60.0})
    found = mean_arrival(rows)
    assert found.estimate == 30
    assert arrival_in_words(rows) == f"above 30 (0 to {found.high:.3g}), 1 of 3 never"
    assert arrival_in_words(rows[:2]).startswith("15 (0 to ")
    assert arrival_in_words(rows[:1]) == "10"
    assert arrival_in_words(rows[2:]) == "never (1 of 1)"


def test_the_figure_counts_who_never_came_and_draws_the_others() -> None:
    panels = arrival_dots(arrivals(metrics(outer_steps=28)))  # 0.9 takes the baseline 43 outer steps, recall 29
    titles = [(panel.figure.axes[0].get_title("left"), panel.figure.axes[0].get_xlabel()) for panel in panels]
    assert titles == [
        (f"until the coverage is {share} %", f"{clock}steps{unit}")
        for clock, unit in (("outer ", ""), ("environment ", " of any purpose, millions"))
        for share in (50, 90)
    ]
    half, most = (panel.figure.axes[0] for panel in panels[:2])
    assert [text.get_text() for text in half.texts] == []
    assert [text.get_text() for text in most.texts] == ["3 of 3", "3 of 3"]
    ticks = [tick.get_text() for tick in half.get_xticklabels()]
    assert ticks[-1] == "never"
    assert "never" in panels[1].alt
    assert sum(len(line.get_xdata()) == 3 for line in half.lines) == 2  # the seeds of both arms


def test_numbers_for_people() -> None:
    table = arrivals_for_people(arrivals(metrics(seeds=1, outer_steps=60)), OUTER_STEPS)
    assert list(table) == ["coverage of 50 %", "coverage of 90 %"]
    assert table.loc[("point mass (N = 2)", "baseline")].tolist() == ["23", "43"]
    assert table.loc[("point mass (N = 2)", "recall traces")].tolist() == ["15", "29"]
    spent = arrivals_for_people(arrivals(metrics(seeds=1, outer_steps=60)), ALL_STEPS)
    assert spent.loc[("point mass (N = 2)", "baseline"), "coverage of 50 %"] == f"{0.18 * 23 + 0.02:.3g}"


def test_steps_are_told_by_purpose_and_add_up() -> None:
    table = steps_by_purpose(pd.concat([metrics(), metrics(env="point-u-maze")]))
    assert list(table) == ["training", "visits", "labels", "evaluation", "all"]
    assert table.loc[("point mass (N = 2)", "recall traces")].tolist() == ["4.00", "0.40", "2.00", "0.82", "7.22"]
    assert table.loc[("point mass (U-maze)", "baseline"), "labels"] == "0.00"


@pytest.mark.parametrize("seeds", [1, 3])
def test_every_figure_can_be_drawn_and_says_what_it_shows(tmp_path: Path, seeds: int) -> None:
    write_goal_page(tmp_path, seeds=seeds, outer_steps=12)
    for panels in all_figures(tmp_path):
        for panel in panels:
            assert len(panel.alt) > 60
            assert panel.alt.endswith(".")
            assert not panel.data.empty


def test_figures_need_neither_torch_nor_an_environment(tmp_path: Path, root: Path) -> None:
    write_goal_page(tmp_path, ("point-u-maze",), outer_steps=12)
    code = BLOCKED.format(module="goal_figures")
    done = [
        subprocess.run([sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True, timeout=120)
        for _ in range(2)
    ]
    assert done[0].returncode == 0, done[0].stderr
    assert done[0].stdout == done[1].stdout
    assert len(done[0].stdout.split()) > 6
