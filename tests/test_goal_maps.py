"""Maps of success: a panel a task, arms at equal numbers of outer steps, and the coverage that they stand for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from goal_figures import SPEED, goal_maps, places, write_goal_page
from matplotlib.colors import to_rgb

from recall.analysis.goal_maps import REACHED, coverage_maps, on_lattice
from recall.analysis.records import find_records, tidy


def table(env: str, arms: tuple[str, ...] = tuple(SPEED), seeds: int = 2, outer_steps: int = 60) -> pd.DataFrame:
    frames = [
        goal_maps(env, arm, seed, np.arange(outer_steps + 1)).assign(page="goal-gan", env=env, arm=arm)
        for arm in arms
        for seed in range(seeds)
    ]
    return pd.concat(frames, ignore_index=True)


def labels(panel_axes: list) -> list[str]:
    return [ax.get_xlabel() for ax in panel_axes]


def test_a_row_is_an_arm_and_a_column_a_snapshot(tmp_path: Path) -> None:
    write_goal_page(tmp_path)
    panels = coverage_maps(tidy(find_records(tmp_path), "coverage"))
    assert [panel.figure.get_suptitle() for panel in panels] == [
        "point mass (N = 2)",
        "point mass (N = 3): first two coordinates",
        "point mass (U-maze)",
    ]
    *maps, _ = panels[0].figure.axes
    assert len(maps) == 3 * 4
    assert [label.split("\n")[0] for label in labels(maps)] == 3 * ["before", "after 5", "after 30", "after 60"]
    assert [ax.texts[0].get_text() for ax in maps[::4]] == ["baseline", "recall traces", "recall traces, as written"]


def test_a_long_name_leaves_the_maps_evenly_spaced() -> None:
    (panel,) = coverage_maps(table("point-u-maze"))
    panel.svg()
    places = [ax.get_position().x0 for ax in panel.figure.axes[8:12]]
    assert np.diff(places, 2) == pytest.approx(0, abs=1e-3)


def test_the_number_below_a_map_is_the_mean_of_its_colours() -> None:
    coverage = table("point-mass")
    (panel,) = coverage_maps(coverage)
    keys = ["arm", "outer_step"]
    expected = coverage.groupby(keys)["success"].mean()
    shown = [label.split("\n")[1] for label in labels(panel.figure.axes[:-1])]
    assert shown == [f"{100 * expected[arm, step]:.0f} %" for arm in SPEED for step in (0, 5, 30, 60)]


def test_a_dot_has_the_shade_of_its_success() -> None:
    coverage = table("point-mass", ("baseline",), seeds=1)
    (panel,) = coverage_maps(coverage)
    first = coverage[coverage["outer_step"] == 5].set_index(["x", "y"])["success"]
    drawn = {}
    for patch in panel.figure.axes[1].patches:
        for x, y in patch.get_path().vertices:
            drawn[x, y] = patch.get_edgecolor()
    assert drawn == {place: REACHED(share) for place, share in first.items()}
    assert panel.svg().count("l0 0") > 2 * len(places("point-mass"))  # they were not simplified away


def test_on_a_lattice_success_is_a_cell_and_what_is_no_goal_a_wall() -> None:
    (panel,) = coverage_maps(table("point-u-maze", ("baseline",), seeds=1))
    (image,) = panel.figure.axes[2].images
    cells = image.get_array()
    assert np.ma.getmaskarray(cells).tolist() == [[False] * 3, [False, True, False], [False] * 3]
    assert tuple(image.get_extent()) == (-0.5, 2.5, -0.5, 2.5)
    assert cells[0, 0] == 1  # the start, below on the left
    assert cells[2, 2] == 0


def test_red_is_reached_blue_is_not_and_grey_tells_them_apart() -> None:
    never, always = (np.array(to_rgb(REACHED(share))) for share in (0.0, 1.0))
    assert never[2] == max(never)
    assert always[0] == max(always)
    light = [np.dot(to_rgb(REACHED(share)), (0.299, 0.587, 0.114)) for share in np.linspace(0, 1, 9)]
    assert (np.diff(light) < 0).all()
    assert light[0] - light[-1] > 0.3


def test_arms_are_shown_after_equal_numbers_of_outer_steps_alone() -> None:
    short = table("point-mass", ("recall",), outer_steps=20)
    (panel,) = coverage_maps(pd.concat([table("point-mass", ("baseline",)), short]))
    assert [label.split("\n")[0] for label in labels(panel.figure.axes[:-1])] == 2 * ["before", "after 5"]
    assert "baseline 6 % before and 16 % after 5; recall traces" in panel.alt
    assert set(panel.data["outer_step"]) == {0, 5}


def test_places_of_a_box_are_no_lattice() -> None:
    assert on_lattice(table("point-u-maze"))
    assert not on_lattice(table("point-mass"))
