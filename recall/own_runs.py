"""Runs of your own: an environment that you name, trained with the settings of the pages *sac* and *trpo*."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from recall import sac_experiments, trpo_experiments
from recall.agents.sac import SACConfig
from recall.agents.trpo import TRPOConfig
from recall.analysis.endpoints import final
from recall.analysis.records import Record, tidy
from recall.control_parameters import MOST_EVALUATIONS
from recall.envs.gym_env import GymConfig, make
from recall.errors import ParameterError
from recall.page_parameters import MOST, check_ranges
from recall.pages import load, stocked, store
from recall.progress import nobody
from recall.runs import AgentConfig, RunSpec
from recall.stock import Stock
from recall.store import refuse_unwritable
from recall.sweep import train_missing
from recall.tensorboard import TensorBoard

PAGE = "own"
"""Where their records lie among the local ones; no page of the report."""

EVALUATIONS = 20
"""Evaluations of a run that is too short for the interval of the pages. Ours."""

AgentName = Literal["sac", "trpo"]


class Family(NamedTuple):
    """What a page knows of its agent."""

    agent: AgentConfig
    """The agent of its runs."""
    arms: Mapping[str, Any]
    """Its arms by name, of which the first two are taken here: *baseline* and *recall*."""
    specs: Callable[..., list[RunSpec]]
    """Environments, arms, seeds, agent and budget to runs."""
    budget: Callable[..., Any]
    """Steps and the interval of evaluations; without any, those of the page."""
    least: int
    """Steps below which nothing is learned."""
    reason: str
    """Why."""


SAC, TRPO = SACConfig(), TRPOConfig()
FAMILIES: dict[AgentName, Family] = {
    "sac": Family(
        SAC,
        sac_experiments.ARMS,
        sac_experiments.sac,
        sac_experiments.Budget,
        SAC.random_steps + 1,
        f"it acts at random for {SAC.random_steps} steps before it learns",
    ),
    "trpo": Family(
        TRPO,
        trpo_experiments.ARMS,
        trpo_experiments.trpo,
        trpo_experiments.Budget,
        TRPO.steps_per_update,
        f"it learns from whole rollouts of {TRPO.steps_per_update}",
    ),
}
"""By the name of the agent."""


@dataclass(frozen=True)
class OwnRuns:
    """Seeds of one agent in one environment, with recall traces or without.

    Raises:
        ParameterError: a number is outside its range.
        ConfigError: the environment cannot be made, or none of the agents can use it.
    """

    env_id: str
    """A registered id, or `module:id` where importing the module registers it."""
    agent: AgentName = "sac"
    """Soft actor-critic, or trust region policy optimisation."""
    recall: bool = False
    """Whether it learns from recall traces too."""
    steps: int | None = None
    """Environment steps of every seed; None is as many as the page of the agent has."""
    seeds: int = 1
    """How many, each a run of its own."""
    first_seed: int = 0
    """The first of them."""

    def __post_init__(self) -> None:
        check_ranges(self, {"seeds": (1, 200), "first_seed": (0, 2**31)})
        if not self.family.least <= self.total_steps <= MOST:
            raise ParameterError(
                f"steps is {self.total_steps}; {self.agent} needs {self.family.least} to {MOST}: {self.family.reason}"
            )
        make(GymConfig(self.env_id)).close()

    @property
    def family(self) -> Family:
        """What the page of the agent knows."""
        return FAMILIES[self.agent]

    @property
    def total_steps(self) -> int:
        """Environment steps of every seed."""
        return self.family.budget().total_steps if self.steps is None else self.steps

    @property
    def arm(self) -> str:
        """What the records call them."""
        return f"{self.agent}-recall" if self.recall else self.agent

    def specs(self) -> list[RunSpec]:
        """Every run."""
        family, steps = self.family, self.total_steps
        every = evaluation_interval(steps, family.agent.steps_per_update, family.budget().eval_every)
        arms = {self.arm: family.arms["recall" if self.recall else "baseline"]}
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        runs = family.specs([GymConfig(self.env_id)], arms, seeds, family.agent, family.budget(steps, every))
        return [replace(run, page=PAGE) for run in runs]


def evaluation_interval(steps: int, unit: int, usual: int) -> int:
    """Steps between two evaluations: the usual, but for so short a run less, and for one too long for a record more.

    Args:
        steps: of the run.
        unit: steps of an update.
        usual: interval of the page.
    """
    least = ceil(steps / MOST_EVALUATIONS / unit) * unit
    return max(least, min(usual, steps // EVALUATIONS))


def train_own(runs: OwnRuns, workers: int | None = None, tensorboard: Path | None = None) -> list[Record]:
    """Say what is stored and train the rest, with a progress bar; returns all records.

    Args:
        runs: which.
        workers: processes, one thread each; None is one a core.
        tensorboard: folder in which TensorBoard finds the evaluations; None writes none.

    Raises:
        ConfigError: TensorBoard's writer is not installed; nothing was trained.
        ParameterError: TensorBoard's folder lies among the records; nothing was trained.
        RecordError: a folder cannot be written; nothing was trained.
        TrainingStoppedError: runs could not go on; the others are stored.
    """
    specs, local = runs.specs(), store(local=True)
    if tensorboard and local.root.resolve() in (tensorboard.resolve(), *tensorboard.resolve().parents):
        raise ParameterError(f"--tensorboard is {tensorboard}, among the records; choose a folder outside {local.root}")
    refuse_unwritable(local.root)
    with TensorBoard(tensorboard) if tensorboard else nullcontext() as board:
        found = stocked(specs)
        print(plan(runs, found), flush=True)
        train_missing(found.lacking, local, workers, listener=board.reported if board else nobody)
        records = load(specs)
        if board:
            for record in records:
                board.complete(record)
    return records


def plan(runs: OwnRuns, found: Stock) -> str:
    """What is stored and what is to do."""
    agent = f"{runs.agent} {'with' if runs.recall else 'without'} recall traces"
    words = f"{agent} in {runs.env_id}, {runs.total_steps:,} steps of each seed"
    if not found.lacking:
        return f"{words}: already trained"
    return f"{words}: {len(found.records)} stored, {len(found.lacking)} to train"


def summary(runs: OwnRuns, records: Sequence[Record]) -> str:
    """Where the records lie, how well each ended, and what can be done with them, for a terminal."""
    table = pd.concat([final(tidy([record]), "return") for record in records])
    lines = [f"record: {record.path}" for record in records]
    lines += [f"final return of seed {row.seed}: {row.value:.6g}" for row in table.itertuples()]
    if len(records) > 1:
        lines.append(f"final return, mean of {len(records)} seeds: {table['value'].mean():.6g}")
    key, other = records[0].spec["key"], replace(runs, recall=not runs.recall)
    hints = {
        f"recall eval {key}": "its policy, tried again",
        f"recall video {key}": "a film of it",
        command(other): f"the same {'with' if other.recall else 'without'} recall traces, to compare",
    }
    return "\n".join([*lines, "", *(f"{what}   # {why}" for what, why in hints.items())])


def command(runs: OwnRuns) -> str:
    """What to type for them."""
    told = {"steps": runs.steps, "seeds": runs.seeds, "first_seed": runs.first_seed}
    options = [f"--{name.replace('_', '-')} {value}" for name, value in told.items() if value != getattr(OwnRuns, name)]
    recall = "--recall" if runs.recall else "--no-recall"
    return " ".join(["recall train", f"--env {runs.env_id}", f"--agent {runs.agent}", recall, *options])
