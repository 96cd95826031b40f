"""What the page four-rooms costs: every arm's steps per second, phase by phase, and the time of the whole page.

Reads the timing of the stored runs. With `--quick`, trains a little of every arm instead.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from windows import keep, machine, one_core, options

from recall.analysis.audit import steps_of
from recall.analysis.performance import CORES, makespan
from recall.analysis.records import Record, find_records
from recall.experiments import ARENAS, ARMS, four_rooms
from recall.pages import runs_folder
from recall.training import steps_of as steps_to_train
from recall.training import train

LEARNING = ["environment", "recall", "learner"]
"""Phases that train; `evaluation` looks at what was trained."""

Run = tuple[str, str, int, pd.DataFrame]
"""Environment, arm, environment steps of all seeds, and the table of seconds."""


def published(env: str | None) -> list[Record]:
    """The stored records."""
    return [r for r in find_records(runs_folder() / "records", "four-rooms") if env in (None, r.labels["env_label"])]


def stored(records: Iterable[Record]) -> list[Run]:
    """The runs of records."""
    return [(r.labels["env_label"], r.labels["arm"], steps_of(r), r.table("timing")) for r in records]


def made_on(records: Sequence[Record]) -> dict[str, Any]:
    """Where, when and with what the runs of records were timed, in the form of `machine`."""
    made = [record.provenance for record in records]
    return {
        "processor": " and ".join(sorted({each["processor"] for each in made})),
        "threads": max(each["threads"] for each in made),
        "date": max(each["date"] for each in made),
        "versions": max(made, key=lambda each: each["date"])["versions"],
        "commit": " and ".join(sorted({each["commit"] for each in made})),
        "dirty": any(each["dirty"] for each in made),
    }


def trained(env: str | None) -> list[Run]:
    """Every arm, for a fraction of its budget, in one environment."""
    (arena,) = [arena for arena in ARENAS if arena.label == (env or "side-11")]
    runs = []
    for spec in four_rooms([arena], ARMS, range(2)):
        short = replace(spec, total_steps=spec.total_steps // 20, eval_every=5)
        runs.append((spec.env_label, spec.arm, steps_to_train(short), train(short).timing))
    return runs


def speeds(runs: Iterable[Run]) -> pd.DataFrame:
    """A row a run: steps of all seeds per second of each phase and of them all, and the seconds it took."""
    rows = []
    for env, arm, steps, timing in runs:
        seconds = timing.groupby("phase")["seconds"].sum()
        spent = seconds.reindex(LEARNING, fill_value=0.0)
        fast = {phase: steps / spent[phase] if spent[phase] else float("nan") for phase in LEARNING}
        rows.append({"env": env, "arm": arm, **fast, "all": steps / spent.sum(), "seconds": seconds.sum()})
    return pd.DataFrame(rows)


def report(runs: Sequence[Run], table: pd.DataFrame) -> dict[str, float]:
    """Print the table and last one line of JSON: rates over all runs together, and the seconds of the page."""
    print(table.round({**dict.fromkeys([*LEARNING, "all"], 0), "seconds": 2}).to_string(index=False))
    seconds = pd.concat([timing for *_, timing in runs]).groupby("phase")["seconds"].sum()
    steps = sum(steps for _, _, steps, _ in runs)
    overall = {phase: round(steps / seconds[phase]) for phase in ("environment", "learner")}
    overall["all"] = round(steps / seconds[LEARNING].sum())
    line = overall | {"runs": len(runs), f"seconds_{CORES}_cores": round(makespan(table["seconds"], CORES), 1)}
    print(json.dumps(line))
    return line


def main() -> None:
    """Collect and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", choices=[arena.label for arena in ARENAS], help="only this environment")
    parser.add_argument("--quick", action="store_true", help="train a little now instead of reading what is stored")
    arguments = options(parser)
    one_core()
    records = [] if arguments.quick else published(arguments.env)
    if not records and not arguments.quick:
        raise SystemExit("there are no stored runs; train them with: recall run four-rooms --publish")
    runs = trained(arguments.env) if arguments.quick else stored(records)
    made = machine() if arguments.quick else made_on(records)
    keep(arguments, "training of every arm, steps of all seeds", report(runs, speeds(runs)), made)


if __name__ == "__main__":
    main()
