"""What the page four-rooms costs: every arm's steps per second, phase by phase, and the time of the whole page.

Reads the timing of the stored runs. With `--quick`, trains a little of every arm instead.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from heapq import heapreplace

import pandas as pd
from windows import one_core

from recall import sweep
from recall.analysis.audit import steps_of
from recall.analysis.records import find_records
from recall.experiments import ARENAS, ARMS, four_rooms
from recall.pages import runs_folder
from recall.training import train

CORES = 2
LEARNING = ["environment", "recall", "learner"]
"""Phases that train; `evaluation` looks at what was trained."""

Run = tuple[str, str, int, pd.DataFrame]
"""Environment, arm, environment steps of all seeds, and the table of seconds."""


def stored(env: str | None) -> list[Run]:
    """The published runs."""
    records = [r for r in find_records(runs_folder() / "records", "four-rooms") if env in (None, r.labels["env_label"])]
    return [(r.labels["env_label"], r.labels["arm"], steps_of(r), r.table("timing")) for r in records]


def trained(env: str | None) -> list[Run]:
    """Every arm, for a fraction of its budget, in one environment."""
    (arena,) = [arena for arena in ARENAS if arena.label == (env or "side-11")]
    runs = []
    for spec in four_rooms([arena], ARMS, range(2)):
        short = replace(spec, total_steps=spec.total_steps // 20, eval_every=5)
        runs.append((spec.env_label, spec.arm, sweep.steps_of(short), train(short).timing))
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


def makespan(seconds: Iterable[float], cores: int) -> float:
    """When the last run ends if every free core takes the longest run left, as `recall run` does."""
    busy = [0.0] * cores
    for run in sorted(seconds, reverse=True):
        heapreplace(busy, busy[0] + run)
    return max(busy)


def report(runs: Sequence[Run], table: pd.DataFrame) -> None:
    """Print the table and last one line of JSON: rates over all runs together, and the seconds of the page."""
    print(table.round({**dict.fromkeys([*LEARNING, "all"], 0), "seconds": 2}).to_string(index=False))
    seconds = pd.concat([timing for *_, timing in runs]).groupby("phase")["seconds"].sum()
    steps = sum(steps for _, _, steps, _ in runs)
    overall = {phase: round(steps / seconds[phase]) for phase in ("environment", "learner")}
    overall["all"] = round(steps / seconds[LEARNING].sum())
    print(json.dumps(overall | {"runs": len(runs), "seconds_2_cores": round(makespan(table["seconds"], CORES), 1)}))


def main() -> None:
    """Collect and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", choices=[arena.label for arena in ARENAS], help="only this environment")
    parser.add_argument("--quick", action="store_true", help="train a little now instead of reading what is stored")
    arguments = parser.parse_args()
    one_core()
    runs = trained(arguments.env) if arguments.quick else stored(arguments.env)
    if not runs:
        raise SystemExit("there are no stored runs; train them with: recall run four-rooms --publish")
    report(runs, speeds(runs))


if __name__ == "__main__":
    main()
