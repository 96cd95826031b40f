"""Pages of the book, executed from made-up records of their own specifications."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from control_figures import control_tables, trust_region_tables, write_reference
from figures import tables as grid_tables
from goal_figures import goal_tables
from nbformat import NotebookNode

from recall.notebooks import execute
from recall.pages import PAGES, PUBLISHED_BUILD, BaselinesParameters, TrpoParameters, store
from recall.runs import Result, RunSpec, write_record
from recall.sac_experiments import MUJOCO

pytestmark = pytest.mark.slow

MAX_NOTEBOOK_BYTES = 10**6

FIGURES = {
    "sac": 14,
    "baselines": 2,
    "dose": 4,
    "delta-state": 3,
    "sac-checks": 5,
    "trpo": 12,
    "trace-length": 6,
    "trace-sweeps": 8,
    "goal-gan": 14,
    "ant-maze": 12,
}
"""How many figures a page has where nothing is missing."""

TABLES = {"sac": control_tables, "trpo": trust_region_tables}
"""Made-up records, by the agent."""


def executed(
    root: Path, page: str, monkeypatch: pytest.MonkeyPatch, beside: Sequence[RunSpec] = (), **given: Any
) -> NotebookNode:
    """A page, from records that say of each run what it was asked for, and of those `beside`."""
    runs = root / "papermill_runs"
    (runs / "records").mkdir(parents=True)
    monkeypatch.chdir(runs)
    published = store(local=False)
    made_up_records(published.root, [*PAGES[page](**given).specs(), *beside])
    source = Path(__file__).parents[1] / "book" / "notebooks" / f"{page}.md"
    output, env = runs / f"{page}.ipynb", {PUBLISHED_BUILD: "1"}
    return execute(source, output, given, PAGES[page], progress=False, env=env, cwd=runs)


def made_up_records(root: Path, specs: Iterable[RunSpec]) -> None:
    """Store made-up runs, each with the rules that it is judged by."""
    for spec in specs:
        tables = made_up(spec)
        timing = tables.pop("timing")
        write_record(root, spec, Result(tables, timing, 1), store(local=False).claims[spec.page])


def made_up(spec: RunSpec) -> dict[str, pd.DataFrame]:
    """Tables of a run; in the four rooms an arm does as well as any other with its model."""
    if spec.agent.name == "goal-gan":
        outer_steps = np.arange(0, spec.n_updates + 1, spec.eval_every)
        return goal_tables(spec.env_label, spec.arm, spec.seeds[0], outer_steps)
    if spec.agent.name not in TABLES:
        tables = grid_tables(spec.arm.partition("-")[0], spec.env_label, len(spec.seeds))
        tables["metrics"]["return"] = 0.7 * tables["metrics"]["success"]
        tables["metrics"]["entropy"] = 1.3 - tables["metrics"]["success"]
        return tables
    updates = np.arange(spec.eval_every, spec.n_updates + 1, spec.eval_every)
    steps, tables_of = updates * spec.agent.steps_per_update, TABLES[spec.agent.name]
    return tables_of(spec.env_label, spec.arm, spec.seeds[0], steps, "Swimmer" not in spec.env_label)


def shown(notebook: NotebookNode, mime: str) -> list[str]:
    """Every output of a kind."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return ["".join(output.data[mime]) for output in outputs if mime in output.get("data", {})]


def check_figures(root: Path, notebook: NotebookNode) -> int:
    """Every figure has its data and says what it shows; returns how many there are."""
    files = re.findall(r"Data: \[[\w-]+\.csv\]\(([^)]+)\)", "\n".join(shown(notebook, "text/markdown")))
    assert all(len((root / "papermill_runs" / file).read_text().splitlines()) > 1 for file in files)
    for svg in shown(notebook, "image/svg+xml"):
        assert re.search(r"<title>[^<]{60,}\.</title>", svg)
    return len(files)


def test_a_pilot_says_that_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"env_id": "Hopper-v5,HalfCheetah-v5", "seeds": 2, "total_steps": 100_000, "arms": "all"}
    notebook = executed(tmp_path, "sac", monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == FIGURES["sac"]
    answer = shown(notebook, "text/markdown")[0]
    assert answer.startswith("**Answer.** This is a **pilot**: 2 seeds an arm in HalfCheetah-v5 and Hopper-v5; ")
    assert answer.count("**inconclusive**") == 2
    assert "–" not in answer


def test_fig_6_decides_and_fits_into_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five environments with five seeds each, for 300,000 steps."""
    given = {"env_id": ",".join(MUJOCO), "arms": "all"}
    notebook = executed(tmp_path, "sac", monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == FIGURES["sac"]
    answer = shown(notebook, "text/markdown")[0]
    assert answer.startswith("**Answer.** After 300k steps, faster on every task: **")
    assert "; mean of them " in answer
    assert "–" not in answer
    assert len(nbformat.writes(notebook)) < MAX_NOTEBOOK_BYTES


@pytest.mark.parametrize(
    ("given", "figures"),
    [
        ({"env_id": "Swimmer-v5", "seeds": 1, "total_steps": 20_000}, 13),
        ({"env_id": "Hopper-v5", "total_steps": 10_500, "eval_every": 10_500, "arms": "baseline"}, 4),
    ],
    ids=["no simulator", "no recall"],
)
def test_a_strangers_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], figures: int
) -> None:
    notebook = executed(tmp_path, "sac", monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == figures
    lacking = [text for text in shown(notebook, "text/markdown") if text.startswith("*No figure here")]
    assert len(lacking) == FIGURES["sac"] - figures
    assert "**not run**" in shown(notebook, "text/markdown")[0]


@pytest.mark.parametrize("seeds", [0, 3, 5])
def test_baselines_say_how_many_runs_they_are_held_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: int
) -> None:
    if seeds:
        folder = tmp_path / "papermill_runs" / "reference" / "stable-baselines3-sac"
        write_reference(folder, ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5"), seeds)
    notebook = executed(tmp_path, "baselines", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["baselines"] - (seeds == 0)
    text = "\n".join(shown(notebook, "text/markdown"))
    assert f"Of theirs {seeds or 'no'} seeds an environment are stored." in text
    assert ("few seeds" in "\n".join(shown(notebook, "image/svg+xml"))) == (seeds == 3)


def test_runs_on_a_processor_with_amx_stand_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "papermill_runs"
    write_reference(runs / "reference" / "stable-baselines3-sac", ("HalfCheetah-v5",), 5)
    made_up_records(runs / "amx", BaselinesParameters(env_id="HalfCheetah-v5", total_steps=100_000).specs())
    text = "\n".join(shown(executed(tmp_path, "baselines", monkeypatch), "text/markdown"))
    (said,) = re.findall("Trained on one of them for 100k steps, .*", text)
    assert said.count("HalfCheetah-v5 ") == 2
    assert "(5 records)" in text[text.index(said) :]


@pytest.mark.parametrize("seeds", [0, 2, 5])
def test_trust_regions_are_held_against_others_once_these_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: int
) -> None:
    if seeds:
        folder = tmp_path / "papermill_runs" / "reference" / "sb3-contrib-trpo"
        write_reference(folder, ("HalfCheetah-v5", "Hopper-v5"), seeds, eval_every=24 * 2048)
    notebook = executed(tmp_path, "baselines", monkeypatch, TrpoParameters(arms="baseline").specs())
    assert check_figures(tmp_path, notebook) == FIGURES["baselines"] - 1 + 2 * (seeds > 0)
    text = "\n".join(shown(notebook, "text/markdown"))
    assert ("is **not measured yet**" in text) == (seeds == 0)
    found = {0: 0, 2: 0, 5: 2}[seeds]
    assert (f"credible in **{found} of 2 environments** by the same measure" in text) == (seeds > 0)
    titles = "\n".join(re.findall(r"<title>([^<]*)", "\n".join(shown(notebook, "image/svg+xml"))))
    assert ("few seeds" in titles) == (seeds == 2)
    assert ("that of sb3-contrib" in titles) == (seeds > 0)


def test_the_dose_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "dose", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["dose"]
    answer = shown(notebook, "text/markdown")[0]
    assert answer.startswith("**Answer.** Imitation is felt from weight 0.3 on in HalfCheetah-v5 and ")


@pytest.mark.parametrize("given", [{}, {"env_id": "Swimmer-v5", "seeds": 1, "total_steps": 20_000}], ids=["", "own"])
def test_the_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    notebook = executed(tmp_path, "sac-checks", monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == FIGURES["sac-checks"]
    answer = shown(notebook, "text/markdown")[0]
    assert answer.startswith(
        "**Answer.** With the temperature fixed at 0.2, recall traces change the mean return over "
    )
    assert ("no interval" in answer) == bool(given)
    assert f"leaves out 0 in **0 of {1 if given else 2} environments**" in answer
    assert ("in Ant-v5, full observation." in answer) == (not given)


def test_changes_and_states_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "delta-state", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["delta-state"]
    assert "0 of 5 environments" in shown(notebook, "text/markdown")[0]


def test_trust_regions_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "trpo", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["trpo"]
    answer, text = shown(notebook, "text/markdown")[0], "\n".join(shown(notebook, "text/markdown"))
    assert answer.startswith("**Answer.** After 983k steps, a higher final return on every task: **")
    assert "instead of a buffer: **not run**." in answer
    assert answer.endswith(" Not trained yet: *recall traces, as written* and *model of fresh trajectories*.")
    assert "–" not in answer
    assert "Orange keeps" in text
    assert not re.search("Red follows|[Pp]urple|light blue", text)
    assert len(nbformat.writes(notebook)) < MAX_NOTEBOOK_BYTES
    reported = "".join(shown(notebook, "text/html"))
    assert all(f"{words} 5" in reported for words in ("best 2 of", "all"))


def test_all_arms_of_trust_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained later fits in; the variant's claim is judged where the variant is run."""
    notebook = executed(tmp_path, "trpo", monkeypatch, arms="all")
    assert check_figures(tmp_path, notebook) == FIGURES["trpo"]
    text = "\n".join(shown(notebook, "text/markdown"))
    assert "instead of a buffer: **not run**" not in text
    assert "Not trained yet" not in text
    assert "Red follows" in text
    assert "Purple is orange" in text
    assert "run in 2 of 4 environments" not in "\n".join(shown(notebook, "text/html"))
    assert len(nbformat.writes(notebook)) < MAX_NOTEBOOK_BYTES


def test_the_papers_own_baseline_is_shown_once_it_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = TrpoParameters("HalfCheetah-v5", 1, total_steps=10_000_000, eval_every=100_000, arms="baseline-nagabandi")
    notebook = executed(tmp_path, "trpo", monkeypatch, long.specs())
    assert check_figures(tmp_path, notebook) == FIGURES["trpo"] + 1
    answer, *rest = shown(notebook, "text/markdown")
    assert "pilot" not in answer
    assert any("settings of Nagabandi et al. in HalfCheetah-v5" in text for text in rest)


def test_lengths_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "trace-length", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["trace-length"]
    answer = shown(notebook, "text/markdown")[0]
    assert re.search(r"changes with the length by .* % in Hopper-v5 \(shown at ", answer)
    assert "Runs here: HalfCheetah-v5, Walker2d-v5 and Hopper-v5." in answer
    assert "not run" not in answer
    assert "–" not in answer


def test_sweeps_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "trace-sweeps", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["trace-sweeps"]
    answer = shown(notebook, "text/markdown")[0]
    assert answer.startswith("**Answer.** Traces of 10 steps serve better than those of 100: **inconclusive**, by ")
    assert "side 11 from " in answer
    assert "–" not in answer
    numbers = "".join(shown(notebook, "text/html"))
    assert all(f"learned model, {name}<" in numbers for name in ("length 100", "N = 3", "best 25 %"))


def test_a_strangers_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single number of traces and a single quantile leave nothing to compare."""
    given = {"side": 13, "seeds": 2, "lengths": "5,50", "counts": "10", "quantiles": "100"}
    notebook = executed(tmp_path, "trace-sweeps", monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == FIGURES["trace-sweeps"] - 3
    text = "\n".join(shown(notebook, "text/markdown"))
    assert text.count("*No figure here") == 3
    assert "**not run**" in text
    assert "side 13 from " in text


@pytest.mark.parametrize(
    ("page", "given", "figures"),
    [
        ("trpo", {"env_id": "Swimmer-v5", "seeds": 1, "total_steps": 20_000}, 11),
        ("trpo", {"env_id": "Hopper-v5", "seeds": 1, "total_steps": 20_000, "arms": "baseline"}, 3),
        ("trpo", {"env_id": "Hopper-v5", "seeds": 1, "total_steps": 200_000, "arms": "baseline-nagabandi"}, 4),
        ("trace-length", {"env_id": "Swimmer-v5", "seeds": 1, "total_steps": 20_000, "lengths": "3"}, 4),
    ],
)
def test_a_strangers_trust_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, given: dict[str, Any], figures: int
) -> None:
    notebook = executed(tmp_path, page, monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == figures
    lacking = [text for text in shown(notebook, "text/markdown") if text.startswith("*No figure here")]
    of_one_arm = given.get("arms") == "baseline-nagabandi"  # its figure is on no other page
    assert len(lacking) == FIGURES[page] + of_one_arm - figures


def test_generated_goals_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "goal-gan", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["goal-gan"]
    answer = shown(notebook, "text/markdown")[0]
    assert answer.startswith("**Answer.** After 100 outer steps, sooner in the maze and in the point mass of two ")
    assert "point mass (U-maze) +" in answer
    assert "–" not in answer
    html = "".join(shown(notebook, "text/html"))
    assert "by reference" in html
    assert "coverage of 90 %" in html
    assert len(nbformat.writes(notebook)) < MAX_NOTEBOOK_BYTES


def test_the_ant_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "ant-maze", monkeypatch)
    assert check_figures(tmp_path, notebook) == FIGURES["ant-maze"]
    said = shown(notebook, "text/markdown")
    assert said[0].startswith("**Answer.** This is a **pilot**: 3 seeds an arm in ant (U-maze); a verdict needs 5")
    assert "After 60 outer steps, where the paper has up to 155 with recall traces and 275" in said[0]
    assert not any("–" in text for text in said[:2])
    assert any("an ant that stands still covers 12 % of the maze" in text for text in said)
    assert "56 outer steps" in "".join(shown(notebook, "text/html"))
    assert len(nbformat.writes(notebook)) < MAX_NOTEBOOK_BYTES


def test_a_strangers_ant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = executed(tmp_path, "ant-maze", monkeypatch, seeds=1, outer_steps=2, arms="baseline")
    lacking = [text for text in shown(notebook, "text/markdown") if text.startswith("*No figure here")]
    assert check_figures(tmp_path, notebook) == 4
    assert len(lacking) == FIGURES["ant-maze"] - 4
    assert "**not run**" in shown(notebook, "text/markdown")[0]


@pytest.mark.parametrize(
    ("given", "figures"),
    [
        ({"dimension": 4, "seeds": 2, "outer_steps": 8, "eval_every": 2}, 14),
        ({"env_id": "recall/PointMassUMaze-v0", "seeds": 1, "outer_steps": 3, "arms": "baseline"}, 5),
    ],
    ids=["four dimensions", "no recall"],
)
def test_a_strangers_goals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], figures: int
) -> None:
    notebook = executed(tmp_path, "goal-gan", monkeypatch, **given)
    assert check_figures(tmp_path, notebook) == figures
    lacking = [text for text in shown(notebook, "text/markdown") if text.startswith("*No figure here")]
    assert len(lacking) == FIGURES["goal-gan"] - figures
    assert "**not run**" in shown(notebook, "text/markdown")[0]
