"""The command line, `recall`."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbits
from shutil import get_terminal_size
from typing import Annotated, Literal

import tyro

from recall.errors import ParameterError, RecallError


@dataclass(frozen=True)
class Run:
    """Train what a page needs and lacks, then execute the page's notebook with your parameters."""

    page: tyro.conf.Positional[str]
    """Name of the page, for example four-rooms or sac."""
    p: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["-p"], metavar="NAME=VALUE"), tyro.conf.UseAppendAction] = ()
    """A parameter of the page; may be repeated. Leave all out for the published page."""
    workers: int | None = None
    """Processes that train, one thread each; None is one a core."""
    output: Path | None = None
    """Where the executed notebook goes; None puts it under papermill_runs/local."""
    publish: bool = False
    """Store records and notebook among the published ones (for the maintainers; takes no parameters)."""

    def __call__(self) -> None:
        """Train, execute, tell."""
        from recall.book import execute_page, publish_page

        at_least_one(workers=self.workers)
        if self.publish and (self.p or self.output):
            raise ParameterError("--publish takes neither parameters nor --output; leave them out")
        output = (
            publish_page(self.page, self.workers)
            if self.publish
            else execute_page(self.page, pairs(self.p), self.workers, self.output)
        )
        print(f"executed notebook: {output}")


@dataclass(frozen=True)
class Sweep:
    """Train all that pages lack, on this machine or on a Dask cluster, and say beforehand what it will cost."""

    pages: tyro.conf.Positional[tuple[str, ...]]
    """Names of pages, for example sac trpo."""
    profile: Literal["published", "quick"] = "published"
    """Published: every run as the book shows it; quick: two seeds of each arm."""
    workers: int | None = None
    """Processes that train on this machine, one thread each; None is one a core."""
    scheduler: str | None = None
    """Address of a Dask scheduler, for example tcp://10.0.0.1:8786; None trains on this machine."""
    slurm: Path | None = None
    """File with the settings of a SLURM cluster, as the page on sweeps describes it."""
    publish: bool = False
    """Store records among the published ones (for the maintainers) instead of your own."""
    log: Path | None = None
    """File that is told how it goes; None makes one in papermill_runs/local."""
    dry_run: bool = False
    """Say what it will cost, and train nothing."""

    def __call__(self) -> None:
        """Plan, train, tell."""
        from recall import cluster
        from recall.page_sweep import planned
        from recall.slurm import job_script, profile, slurm
        from recall.sweep import prepare

        at_least_one(workers=self.workers)
        if sum(given is not None for given in (self.workers, self.scheduler, self.slurm)) > 1:
            raise ParameterError("--workers, --scheduler and --slurm name different places to train; give one of them")
        sweep = planned(self.pages, self.profile, self.publish)
        count = profile(self.slurm)["jobs"] if self.slurm else self.workers or cluster.cores()
        print(sweep.plan(count), flush=True)
        if self.dry_run and self.slurm:
            print(f"\nsubmitted for each of {count} workers:\n\n{job_script(self.slurm)}")
        if self.dry_run or not sweep.stock.lacking:
            return
        if self.scheduler:
            place = cluster.remote(self.scheduler)
        elif self.slurm:
            place = slurm(self.slurm)
        else:
            prepare(sweep.stock.lacking)
            place = cluster.local(min(count, len(sweep.stock.lacking)))
        sweep.train(place, self.log)


@dataclass(frozen=True)
class Doctor:
    """Tell whether an environment of your own is usable, and what to change."""

    env: str
    """A Gymnasium id, for example Pendulum-v1, or MODULE:ID for a module of yours in the current folder."""

    def __call__(self) -> None:
        """Examine and tell; a problem fails the command."""
        from recall.doctor.examination import examine
        from recall.doctor.finding import refuse_problems, table

        found = examine(self.env)
        print(table(found, get_terminal_size((120, 24)).columns))
        refuse_problems(found)
        print(f"next: recall train --env {self.env} --recall")


@dataclass(frozen=True)
class Train:
    """Train an agent in an environment of your own, with recall traces or without."""

    env: str
    """A Gymnasium id, for example Pendulum-v1, or MODULE:ID for a module of yours in the current folder."""
    agent: Literal["sac", "trpo"] = "sac"
    """Soft actor-critic or trust region policy optimisation, with the settings of the report's pages."""
    recall: bool = False
    """Learn from recall traces too."""
    steps: int | None = None
    """Environment steps of every seed; None is 300,000 of sac and 1,000,000 of trpo."""
    seeds: int = 1
    """How many seeds, each a run of its own."""
    first_seed: int = 0
    """The first of them."""
    workers: int | None = None
    """Processes that train, one thread each; None is one a core."""
    tensorboard: Annotated[tuple[Path, ...] | None, tyro.conf.arg(metavar="[FOLDER]")] = None
    """Show the evaluations in TensorBoard too; without a folder, in papermill_runs/tensorboard."""

    def __call__(self) -> None:
        """Check, train, tell."""
        from recall.own_runs import OwnRuns, summary, train_own

        at_least_one(workers=self.workers)
        runs = OwnRuns(self.env, self.agent, self.recall, self.steps, self.seeds, self.first_seed)
        print(summary(runs, train_own(runs, self.workers, self._board())))

    def _board(self) -> Path | None:
        from recall.pages import runs_folder

        if self.tensorboard is None:
            return None
        if len(self.tensorboard) > 1:
            raise ParameterError(f"--tensorboard has {len(self.tensorboard)} folders; give one, or none")
        return self.tensorboard[0] if self.tensorboard else runs_folder() / "tensorboard"


@dataclass(frozen=True)
class Records:
    """List the stored records."""

    json: bool = False
    """Print JSON instead of a table."""
    local: bool = False
    """List your own runs instead of the published ones."""

    def __call__(self) -> None:
        """Read, check and list."""
        from recall.listing import rows, table

        listed = rows(self.local)
        print(json.dumps(listed, indent=1) if self.json else table(listed))


@dataclass(frozen=True)
class Resume:
    """Go on with trainings that were stopped, and store their records among your own runs."""

    run: tyro.conf.Positional[str | None] = None
    """Key of a training, a part of its name, or its folder in scratch space. Leave it out for a list."""
    all: bool = False
    """Go on with every one."""
    workers: int | None = None
    """Processes that train, one thread each; None is one a core."""

    def __call__(self) -> None:
        """List, or train to the end."""
        from recall.unfinished import chosen, resume, table, unfinished

        at_least_one(workers=self.workers)
        if self.all and self.run is not None:
            raise ParameterError("--all goes on with every training; leave its name out, or --all")
        waiting = unfinished()
        if self.run is None and not self.all:
            print(table(waiting))
            return
        for folder in resume(waiting if self.run is None else [chosen(self.run, waiting)], self.workers):
            print(f"record: {folder}")


@dataclass(frozen=True)
class Eval:
    """Run the stored policy of a record in a fresh environment; one of Goal GAN towards every goal."""

    run: tyro.conf.Positional[str]
    """A record's folder, its name, its key, or a part of them that no other has."""
    episodes: int | None = None
    """Episodes of the mean action, of Goal GAN towards each goal; None is as many as the last evaluation had."""
    seed: int | None = None
    """Seed of the first reset, of Goal GAN of the noise; None begins as the training's last evaluation did."""

    def __call__(self) -> None:
        """Load, run, compare."""
        from recall.goal_agent import GoalAgentConfig
        from recall.goal_policies import coverage_summary
        from recall.listing import find_run
        from recall.policies import evaluate_policy, load_policy, summary

        at_least_one(episodes=self.episodes)
        at_least_zero(seed=self.seed)
        policy = load_policy(find_run(self.run))
        if isinstance(policy.spec.agent, GoalAgentConfig):
            print(coverage_summary(policy, self.episodes, self.seed))
        else:
            print(summary(policy, evaluate_policy(policy, self.episodes, self.seed)))


@dataclass(frozen=True)
class Video:
    """Film the stored policy of a record."""

    run: tyro.conf.Positional[str]
    """A record's folder, its name, its key, or a part of them that no other has."""
    output: Path | None = None
    """An .mp4 or .gif file; None names it after the record."""
    episodes: int = 1
    """Episodes, one after the other."""
    steps: int | None = None
    """Steps after which an episode is cut short; None films it to its end."""

    def __call__(self) -> None:
        """Load, run, draw."""
        from recall.listing import find_run
        from recall.policies import load_policy
        from recall.rendering import film

        at_least_one(episodes=self.episodes, steps=self.steps)
        print(f"film: {film(load_policy(find_run(self.run)), self.output, self.episodes, self.steps)}")


@dataclass(frozen=True)
class Audit:
    """Train some stored runs again, drawn by chance, and compare them with their records."""

    runs: int = 3
    """How many."""
    updates: int = 2000
    """Updates after the first that only gather data; a run that took less than a minute is trained to its end."""
    seed: int | None = None
    """Chance; None takes another one every time and prints it."""
    local: bool = False
    """Audit your own runs instead of the published ones."""
    ledger: Path | None = None
    """Table to add what was found to; the report shows papermill_runs/audits.csv."""

    def __call__(self) -> None:
        """Draw, train, compare; a run that is another one now fails the command."""
        from recall.analysis.records import find_records
        from recall.audit import audit, drawn, ledger_of, refuse_differences, row, table, write_down
        from recall.pages import store
        from recall.store import refuse_unwritable

        at_least_one(runs=self.runs, updates=self.updates)
        at_least_zero(seed=self.seed)
        if self.ledger is not None:
            ledger_of(self.ledger)
            refuse_unwritable(self.ledger.parent)
        seed = randbits(32) if self.seed is None else self.seed
        records = find_records(store(self.local).root)
        chosen = drawn(records, self.runs, seed)
        print(f"auditing {len(chosen)} of {len(records)} records, drawn with --seed {seed}")
        found = []
        for each in audit(chosen, records, self.updates):
            print(f"{each.record.path.name}: {each.finding}", file=sys.stderr)
            if self.ledger is not None:
                write_down([each], seed, self.ledger)
            found.append(each)
        print(table([row(each) for each in found]))
        refuse_differences(found)


@dataclass(frozen=True)
class Tune:
    """Run the tuning grid of the page four-rooms."""

    output: Path = field(default_factory=lambda: Path("papermill_runs/tuning/four-rooms.csv"))
    """Table to write."""

    def __call__(self) -> None:
        """Train the grid and print each arm's best."""
        from recall.tuning import best, tune

        for arm, settings in best(tune(self.output)).items():
            print(arm, settings)


@dataclass(frozen=True)
class Book:
    """Execute the published pages from the stored records and build the book."""

    def __call__(self) -> None:
        """Execute, build, compare."""
        from recall.book import build

        build()


COMMANDS: dict[str, Callable[..., Callable[[], None]]] = {
    "doctor": Doctor,
    "train": Train,
    "resume": Resume,
    "eval": Eval,
    "video": Video,
    "records": Records,
    "run": Run,
    "sweep": Sweep,
    "audit": Audit,
    "tune": Tune,
    "book": Book,
}
"""By name, in the order of the help: for an environment of one's own, for the report's pages, for maintainers."""

DESCRIPTION = """Recall traces: train with them, and repeat the experiments of the reproduction.

Your own environment, step by step:
  recall doctor --env Pendulum-v1              is it usable?
  recall train --env Pendulum-v1 --recall      train an agent; resume goes on if that is stopped
  recall eval KEY, recall video KEY            try what was learned, film it

The experiments of the paper:
  recall records                               what is stored
  recall run four-rooms -p side=11 -p seeds=3  a page of the report with your parameters; sweep trains many

For maintainers: audit, tune, book. Each command has a --help of its own."""


def at_least_one(**numbers: int | None) -> None:
    """Refuse a number below 1."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ParameterError(f"{name} is {value}; it must be 1 or more")


def at_least_zero(**numbers: int | None) -> None:
    """Refuse a number below 0."""
    for name, value in numbers.items():
        if value is not None and value < 0:
            raise ParameterError(f"{name} is {value}; it must be 0 or more")


def pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE arguments by name."""
    values: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {argument} is not NAME=VALUE; write for example -p side=13")
        if name in values:
            raise ParameterError(f"-p {name} is given twice, {values[name]} and {value}; give it once")
        values[name] = value
    return values


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # an environment may be a module of this folder; worker processes take the path over
    command = tyro.extras.subcommand_cli_from_dict(COMMANDS, args=arguments, prog="recall", description=DESCRIPTION)
    try:
        command()
    except RecallError as error:
        print(f"recall: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("recall: stopped; what was finished is stored, and the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
