"""What CONTRIBUTING says of adding something, followed to the letter."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import nbformat
import numpy as np
import pytest
from small_control import run_eagerly, sac_spec
from small_runs import small_spec

import recall.kinds
import recall.pages
from recall.analysis.records import load_record
from recall.backtracking import MODELS, ActionPredictor, BacktrackingModel, Batch, Setting
from recall.book import execute_page, execute_published, notebooks
from recall.checkpoints import Checkpoint
from recall.envs.gym_env import GymConfig
from recall.errors import RecallError
from recall.kinds import Kind
from recall.loop import Training
from recall.pages import load
from recall.recaller import RecallConfig
from recall.repetition import repeat
from recall.runs import RunSpec, write_record
from recall.training import begin, train


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


def stored_and_audited(root: Path, spec: RunSpec) -> None:
    """The record of a run says again what was trained, and training it again gives the same bytes."""
    record = load_record(write_record(root, spec, train(spec), {}))
    found = repeat(record, [], updates=10)
    assert (found.finding, found.differs) == ("equal", False)


# An environment


class Line(gym.Env):
    """To stand at 0 is best."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-2.0, 2.0, (1,))
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1)
        return np.array([self.place], np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.place = float(np.clip(self.place + 0.1 * action[0], -2, 2))
        return np.array([self.place], np.float32), -abs(self.place), False, False, {}


def test_an_environment_is_registered(tmp_path: Path) -> None:
    gym.register("recall-recipes/Line-v0", Line, max_episode_steps=20)
    spec = sac_spec("repaired", (0,), env_id="recall-recipes/Line-v0")
    stored_and_audited(tmp_path, replace(spec, env_label="line"))


# An agent


@dataclass(frozen=True)
class StillConfig:
    """An agent that is told what to do."""

    name: ClassVar[str] = "still"
    version: ClassVar[int] = 1

    action: float = 0.0

    @property
    def steps_per_update(self) -> int:
        return 20

    @property
    def numerics(self) -> dict[str, str]:
        return {"engine": "eager", "precision": "float32"}


class StillTraining(Training):
    """It plays an episode an update, and learns nothing."""

    parts = ("streams", "log")

    def step(self) -> None:
        obs = self.streams.uniform("env", 1)[:, 0]
        self.update += 1
        if self.evaluation_due:
            self.log.add("metrics", self.steps, {"return": -abs(obs + self.spec.agent.action)})


STILL = Kind(StillConfig, StillTraining, RecallConfig, (GymConfig,))


def test_an_agent_is_a_line_of_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recall.kinds.KINDS, StillConfig.name, STILL)
    spec = RunSpec("own", "still", "pendulum", GymConfig("Pendulum-v1"), StillConfig(0.5), None, (0, 1), 200, 2)
    stored_and_audited(tmp_path, spec)


def test_such_an_agent_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recall.kinds.KINDS, StillConfig.name, STILL)
    spec = RunSpec("own", "still", "pendulum", GymConfig("Pendulum-v1"), StillConfig(), None, (0, 1), 200, 1)
    half = begin(spec)
    for _ in range(5):
        half.step()
    Checkpoint(tmp_path / "half").save(half.state())
    whole, resumed = train(spec), train(spec, tmp_path / "half")
    assert whole.tables["metrics"].equals(resumed.tables["metrics"])
    assert len(whole.tables["metrics"]) == 20


# A backtracking model


class CountedActions(ActionPredictor):
    """How often each action led to a state, among the transitions it was given."""

    learns = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.counts = np.ones(shape, np.float32)

    @property
    def probs(self) -> np.ndarray:  # type: ignore[override]
        return self.counts / self.counts.sum(2, keepdims=True)

    def learn(self, batch: Batch) -> dict[str, np.ndarray]:
        runs = np.arange(len(batch.found))[:, None]
        np.add.at(self.counts, (runs, batch.next_obs, batch.action), batch.found[:, None])
        return {"action_nll": np.zeros(len(batch.found))}

    def state(self) -> dict:
        return {"counts": self.counts}

    def load_state(self, state: dict) -> None:
        self.counts = state["counts"]


def counted(of: Setting) -> BacktrackingModel:
    """The recipe's one line."""
    return BacktrackingModel(CountedActions((len(of.generators), *of.predecessor.shape)), of.exact_states())


def test_a_backtracking_model_is_a_line_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "counted", counted)
    stored_and_audited(tmp_path, small_spec("counted"))
    kind = small_spec("counted")
    found = {model: train(replace(kind, recall=replace(kind.recall, model=model))) for model in ("counted", "true")}
    assert not found["counted"].tables["metrics"].equals(found["true"].tables["metrics"])


# A page

WITHOUT_PARAMETERS = """---
kernelspec:
  name: python3
  display_name: Python 3
---

# Hello

```{code-cell}
print("hello", 6 * 7)
```
"""

WITH_PARAMETERS = """---
kernelspec:
  name: python3
  display_name: Python 3
---

# Small rooms

```{code-cell}
:tags: [parameters]

seeds: int = 2  # seeds of the arm
```

```{code-cell}
print(seeds, "seeds")
```
"""


@dataclass(frozen=True)
class SmallParameters:
    """Those of the second page."""

    page: ClassVar[str] = "small"
    shows: ClassVar[tuple[str, ...]] = ("small",)

    seeds: int = 2

    def specs(self) -> list[RunSpec]:
        return [small_spec("learned", seeds=tuple(range(self.seeds)))]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two new pages, as the recipe says."""
    (tmp_path / "book" / "notebooks").mkdir(parents=True)
    (tmp_path / "papermill_runs").mkdir()
    for name, text in {"hello": WITHOUT_PARAMETERS, "small": WITH_PARAMETERS}.items():
        (tmp_path / "book" / "notebooks" / f"{name}.md").write_text(text)
    (tmp_path / "book" / "_toc.yml").write_text(
        "root: papermill_runs/hello\nchapters:\n  - file: book/prose\n  - file: papermill_runs/small\n"
    )
    monkeypatch.setitem(recall.pages.PAGES, "small", SmallParameters)
    monkeypatch.chdir(tmp_path / "papermill_runs")
    return tmp_path


def printed(notebook: Path) -> str:
    """What a notebook's cells printed."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "".join(output.text for cell in cells for output in cell.get("outputs", []) if "text" in output)


def test_a_page_is_a_notebook_and_a_line_of_the_contents(book: Path) -> None:
    assert notebooks() == ["hello", "small"]
    assert printed(execute_published("hello")) == "hello 42\n"


def test_a_warning_is_no_part_of_a_published_page(book: Path) -> None:
    page = book / "book" / "notebooks" / "hello.md"
    kept = execute_published("hello").read_bytes()
    page.write_text(page.read_text().replace("print(", "import warnings; warnings.warn('look out'); print("))
    with pytest.raises(RecallError, match=r"(?s)hello.md failed: cell .* wrote to stderr: .*UserWarning: look out"):
        execute_published("hello")
    assert (book / "papermill_runs" / "hello.ipynb").read_bytes() == kept


def test_the_parameters_of_a_page_stand_in_pages(book: Path) -> None:
    """It is run with others, and what it lacks is trained."""
    assert printed(execute_page("small", {"seeds": "3"}, 1, None)) == "3 seeds\n"
    assert len(load(SmallParameters(3).specs())) == 1
