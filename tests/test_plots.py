"""Figures: rebuilt from records alone, reproducible, readable without colour or eyes, with every failure drawn."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from figures import BLOCKED, ENVIRONMENTS, SIDE, cells, every_figure, metrics, traces, tuning, write_page
from matplotlib.colors import to_rgb

from recall.analysis import grid_plots, plots
from recall.analysis.control_plots import CONTROL
from recall.analysis.endpoints import steps_to_threshold
from recall.analysis.interval_plots import improvements, speedups, tuning_grid
from recall.analysis.panels import Panel, in_words, listed
from recall.analysis.stats import iqm
from recall.analysis.style import CONTROL_ARMS, GRID_ARMS, VARIANT_ARMS, ArmStyle, arm_style
from recall.analysis.summary import traced_in_words
from recall.analysis.svg import smaller
from recall.experiments import ARMS as ARMS_OF_THE_PAGE
from recall.on_policy import SNAPSHOTS
from recall.sac_experiments import ARMS as ARMS_OF_SAC
from recall.trpo_experiments import ARMS as ARMS_OF_TRPO
from recall.trpo_experiments import LITERAL, VARIANTS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of every arm."""
    root = tmp_path_factory.mktemp("records")
    write_page(root)
    return root


@pytest.fixture(scope="module")
def figures(store: Path) -> dict[str, list[Panel]]:
    """Every figure."""
    return every_figure(store)


@pytest.fixture(scope="module")
def drawings(figures: dict[str, list[Panel]]) -> list[str]:
    """Every figure as SVG."""
    return [panel.svg() for panels in figures.values() for panel in panels]


def words_of(svg: str) -> list[str]:
    """The texts that stand in a drawing."""
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def frame(values: dict[str, list[list[float]]], column: str = "success") -> pd.DataFrame:
    """A tidy table with a curve a seed, by arm."""
    rows = [
        ("side-7", arm, seed, 1000.0 * (place + 1), value)
        for arm, seeds in values.items()
        for seed, curve in enumerate(seeds)
        for place, value in enumerate(curve)
    ]
    return pd.DataFrame(rows, columns=["env", "arm", "seed", "step", column])


def test_figures_need_only_records_and_are_the_same_bytes(root: Path, store: Path, drawings: list[str]) -> None:
    """Drawn again by another process, with other hashes, without torch, MuJoCo and Gymnasium."""
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", BLOCKED.format(module="figures"), str(store)]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [hashlib.sha256(svg.encode()).hexdigest() for svg in drawings]


def test_every_figure_has_a_panel_for_each_environment(figures: dict[str, list[Panel]]) -> None:
    over_environments = {"success", "path length", "states visited", "distance", "trace return"}
    over_environments |= {"steps to 90 %", "first reward", "improvement"}
    counts = {name: len(panels) for name, panels in figures.items()}
    assert {name: counts.pop(name) for name in over_environments} == dict.fromkeys(over_environments, len(ENVIRONMENTS))
    assert counts == {"speed-up": 2, "traces": 4, "occupancy": 2, "costs": 2, "tuning": 1}


def test_text_stays_text_in_fonts_that_a_reader_has(drawings: list[str]) -> None:
    for svg in drawings:
        assert len(words_of(svg)) > 2
        assert re.search(r"font-family: ?'DejaVu Sans', 'Verdana', 'Arial', sans-serif", svg)
        assert "DejaVuSans-" not in svg  # a glyph drawn as a path


def test_every_figure_says_what_it_shows(figures: dict[str, list[Panel]], drawings: list[str]) -> None:
    texts = [panel.alt for panels in figures.values() for panel in panels]
    assert [ElementTree.fromstring(svg).findtext(f"{SVG}title") for svg in drawings] == texts
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert len(text) > 60
        assert text.endswith(".")
        assert re.search(r"\d", text)
        assert "nan" not in text


def test_every_figure_has_its_data(figures: dict[str, list[Panel]]) -> None:
    for panels in figures.values():
        assert len(pd.concat([panel.data for panel in panels])) > 0


def test_failures_stay_in_and_are_counted(figures: dict[str, list[Panel]]) -> None:
    easy, _, hard = figures["steps to 90 %"]
    assert "2 of 6 never" in words_of(hard.svg())
    assert "2 of 6 never" in hard.alt
    assert not any("never" in word for word in words_of(easy.svg()))
    for line in hard.figure.axes[0].lines:
        assert line.get_ydata()[0] == 1
        assert line.get_ydata()[-1] == pytest.approx(2 / 6)


@pytest.mark.parametrize("arms", [("baseline",), ("learned",), ("untrained-network", "known-goal")])
def test_missing_arms_leave_figures_out(tmp_path: Path, arms: tuple[str, ...]) -> None:
    write_page(tmp_path, arms)
    found = every_figure(tmp_path)
    assert found["traces"] == found["improvement"] == found["speed-up"] == []
    assert bool(found["success"]) == bool(set(arms) & set(plots.MAIN))
    for panels in found.values():
        assert all(panel.svg() for panel in panels)


def test_one_seed_is_enough_for_curves(tmp_path: Path) -> None:
    write_page(tmp_path, ("baseline", "learned"), seeds=1)
    found = every_figure(tmp_path)
    assert found["speed-up"] == []
    assert len(found["success"]) == len(found["improvement"]) == len(ENVIRONMENTS)
    for panels in found.values():
        assert all(panel.svg() for panel in panels)


def test_a_curve_is_the_interquartile_mean_of_the_seeds() -> None:
    values = np.random.default_rng(0).random((8, 5))
    curve = plots.Curve(frame({"learned": values.tolist()}), plots.SUCCESS, plots.STEPS)
    np.testing.assert_allclose(curve.iqm, iqm(values))
    np.testing.assert_allclose(curve.x, [1, 2, 3, 4, 5])
    assert (curve.low <= curve.iqm).all()
    assert (curve.iqm <= curve.high).all()
    assert curve.at(2.5) == curve.iqm[1]
    assert np.isnan(curve.at(0.5))


def test_the_words_compare_arms_where_the_shortest_ends() -> None:
    both = frame({"baseline": [[1.0, 2.0, 3.0, 4.0]] * 3, "learned": [[0.5, 0.7]] * 3})
    (panel,) = plots.curves(both)
    assert panel.alt.endswith("where it ends 2 (baseline) and 0.7 (learned model).")


def test_where_most_seeds_have_no_value_there_is_no_line() -> None:
    nan = float("nan")
    seeds = [[nan, nan, 1], [nan, 2, 3], [nan, nan, 5], [nan, 4, 7]]
    curve = plots.Curve(frame({"learned": seeds}), plots.SUCCESS, plots.STEPS)
    assert curve.x.tolist() == [2, 3]
    assert curve.iqm.tolist() == [3, 4]


def test_panels_share_their_range(figures: dict[str, list[Panel]]) -> None:
    for name in ("success", "path length", "states visited", "distance", "trace return"):
        assert len({panel.figure.axes[0].get_ylim() for panel in figures[name]}) == 1


def test_all_seeds_are_drawn() -> None:
    (panel,) = plots.curves(frame({"learned": [[1, 2], [3, 4], [5, 6]]}))
    faint = panel.figure.axes[0].lines[0].get_xydata()
    assert faint[~np.isnan(faint).any(1)].tolist() == [[1, 1], [2, 2], [1, 3], [2, 4], [1, 5], [2, 6]]


def test_speedup_and_its_growth() -> None:
    """Half the steps in the small grid, a quarter in the large one: the speed-up doubles."""
    rows = [
        (env, arm, seed, (10_000 if arm == "baseline" else 10_000 / faster) * (1 + seed / 1000), 50_000)
        for env, faster in (("side-7", 2), ("side-9", 4), ("side-9-hard", 100))
        for arm in ("baseline", "learned")
        for seed in range(10)
    ]
    times = pd.DataFrame(rows, columns=["env", "arm", "seed", "value", "budget"])
    speed, growth = speedups(times)
    assert speed.data["estimate"].round(6).tolist() == [2, 4]
    assert growth.data["estimate"].item() == pytest.approx(2)
    assert "2.0 at side 7 and 4.0 at side 9" in speed.alt


def test_one_size_has_no_growth() -> None:
    of_one = steps_to_threshold(
        pd.concat([metrics(arm, "side-7").assign(page="p", env="side-7", arm=arm) for arm in plots.MAIN])
    )
    assert len(speedups(of_one)) == 1


def test_probability_of_improvement_points_the_right_way() -> None:
    scores = pd.DataFrame(
        {"env": "side-7", "arm": ["baseline"] * 5 + ["true"] * 5, "value": [*range(5), *range(10, 15)]}
    )
    (panel,) = improvements(scores, "mean success")
    assert panel.data["estimate"].tolist() == [1]
    assert "one half for true model." in panel.alt


def test_the_best_setting_is_named() -> None:
    (panel,) = tuning_grid(tuning())
    assert words_of(panel.svg()).count("weight 0.3, length 2 sides") == 2
    assert "4 settings an arm" in panel.alt


def test_walls_are_the_cells_that_a_table_lacks() -> None:
    grid = grid_plots.as_map(cells().assign(value=1.0), "value")
    assert grid.shape == (SIDE, SIDE)
    assert np.argwhere(~np.isnan(grid)).tolist() == cells().to_numpy().tolist()
    assert grid_plots.goal_of(grid) == (5, 5)


def test_traces_lead_to_the_goal_in_the_direction_of_time() -> None:
    early = traces().query("snapshot == 'early'").sample(frac=1, random_state=0)
    steps = grid_plots.steps_of(early, (5, 5)).set_index(["row", "col"])
    assert steps[["to_row", "to_col"]].loc[(5, 4)].tolist() == [5, 5]
    assert steps[["to_row", "to_col"]].loc[(4, 2)].tolist() == [5, 2]
    assert steps["share"].loc[[(5, 4), (5, 2)]].tolist() == [1, 0.5]


def test_a_step_that_stays_is_no_step() -> None:
    still = pd.DataFrame({"trace": 0, "position": [0, 1, 2], "row": [5, 5, 4], "col": [4, 4, 4]})
    steps = grid_plots.steps_of(still, (5, 5))
    assert sorted(zip(steps["row"], steps["to_row"], strict=True)) == [(4, 5), (5, 5)]


def test_moments_are_those_of_the_training() -> None:
    shares = {moment: f"{share:.0%}".replace("%", " %") for moment, share in SNAPSHOTS.items()}
    named = {moment: f"{moment}, {share} of training" for moment, share in shares.items()}
    assert named == grid_plots.MOMENTS


def test_before_the_first_reward_there_is_nothing_to_recall() -> None:
    values = cells().assign(env="side-7", arm="learned", snapshot="early", value=0.5)
    nothing = traces().assign(env="side-7", arm="learned")[:0]
    (panel,) = grid_plots.trace_pictures(nothing, values, "side-7", ("learned",))
    assert "nothing to recall" in words_of(panel.svg())


def test_traces_are_compared_within_the_steps_that_all_have() -> None:
    """Those of the untrained model end after two steps."""
    arms = {"learned": traces().query("trace == 0"), "untrained": traces().query("trace == 3")}
    table = pd.concat([rows.assign(env="side-7", arm=arm) for arm, rows in arms.items()])
    assert traced_in_words(table, "side-7") == (
        "Midway, traces have 4 steps (learned model) and 2 steps (untrained model); "
        "within the first 2 steps back they pass 2 and 2 cells."
    )
    assert traced_in_words(table[table["arm"] == "learned"], "side-7") == ""


def test_every_arm_of_the_page_has_its_look() -> None:
    assert set(ARMS_OF_THE_PAGE) == set(GRID_ARMS)
    assert set(ARMS_OF_SAC) == set(CONTROL_ARMS) - {"stable-baselines3"}
    assert {*ARMS_OF_TRPO, *VARIANTS, LITERAL} == {*CONTROL, *VARIANT_ARMS}
    for arms in (GRID_ARMS, CONTROL_ARMS, CONTROL_ARMS | VARIANT_ARMS):
        for aspect in ("label", "color", "marker"):
            assert len({getattr(style, aspect) for style in arms.values()}) == len(arms)
    assert CONTROL_ARMS["recall"].color == GRID_ARMS["learned"].color
    assert arm_style("learned/policy").label != arm_style("learned/traces").label


def grey(rgb: np.ndarray) -> np.ndarray:
    """How light a colour is on paper."""
    return rgb @ (0.2126, 0.7152, 0.0722)


def deuteranope(rgb: np.ndarray) -> np.ndarray:
    """What is left of a colour without its green receptor (Machado et al. 2009, full severity)."""
    return rgb @ np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]).T


@pytest.mark.parametrize("seen", [grey, deuteranope])
@pytest.mark.parametrize(
    "arms", [GRID_ARMS, CONTROL_ARMS, CONTROL_ARMS | VARIANT_ARMS], ids=["grid", "control", "trpo"]
)
def test_arms_differ_without_full_colour(seen: Callable[[np.ndarray], np.ndarray], arms: dict[str, ArmStyle]) -> None:
    """Two arms of a page with the same line style are told apart by what is left of their colours."""
    for one, style in arms.items():
        for other in list(arms)[list(arms).index(one) + 1 :]:
            if style.line == arms[other].line:
                difference = seen(np.array(to_rgb(style.color))) - seen(np.array(to_rgb(arms[other].color)))
                assert np.abs(difference).max() > 0.15, (one, other)


def absolute(path: str) -> list[tuple[float, float]]:
    """Corners of a path of M, L, m, l and z."""
    here, corners = np.zeros(2), []
    for letter, rest in re.findall(r"([MLmlz])([^MLmlz]*)", path):
        if letter != "z":
            place = np.array(re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest), float)
            here = here + place if letter.islower() else place
            corners.append(tuple(here))
    return corners


def test_a_smaller_drawing_is_the_same_drawing() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(0, 3, (60, 2)), axis=0)
    data = " \n".join(f"{'M' if i in (0, 30) else 'L'} {x:f} {y:f}" for i, (x, y) in enumerate(walk))
    text = "<text style=\"font-size: 8px; font-family: 'DejaVu Sans'; fill: #222\">a  b</text>"
    path = f'<path d="{data} z" clip-path="url(#c)" style="stroke-width: 1.7; stroke-dasharray: 5,1.5"/>'
    svg = f"<svg><defs><style>*{{x: y}}</style></defs>\n<!-- no -->{path}{text}</svg>"
    small = smaller(svg)
    assert len(small) < 0.7 * len(svg)
    assert ">a  b</text>" in small
    assert "text{font-family: 'DejaVu Sans'}" in small
    (drawn,) = re.findall(r' d="([^"]*)"', small)
    np.testing.assert_allclose(np.array(absolute(drawn)) / 10, walk, atol=0.051)
    assert drawn.endswith("z")
    assert '<g clip-path="url(#c)"><path transform="scale(0.1)" d="' in small
    assert 'style="stroke-width:17;stroke-dasharray:50,15"' in small


def test_a_short_path_is_rounded_where_it_is() -> None:
    assert smaller('<path d="M 1.23456 2 L 30.5 4 z" style="stroke-width: 1.7"/>') == (
        '<path d="M 1.235 2 L 30.5 4 z" style="stroke-width:1.7"/>'
    )


def test_numbers_in_words() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert in_words({"a": 0.25, "b": np.nan, "c": 12.345}) == "12.3 (c) and 0.25 (a)"
    assert in_words({"a": np.nan}) == "nothing is known"
