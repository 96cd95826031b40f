"""How fast: what the benchmarks kept of their last full runs, and where the seconds of the stored runs went."""

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from recall.analysis.records import Record, tidy
from recall.analysis.style import ARMS, arm_style, environment_name
from recall.errors import RecordError

CORES = 2
"""Cores for which the time of the whole page is told."""

PHASES = {"environment": "env.", "recall": "recall", "learner": "learner", "evaluation": "eval."}
"""What training spends its seconds on, in the order in which it comes to them, and the headings of narrow columns."""

OTHERS = ("ratio_", "runs", "seconds_")
"""How names begin that a benchmark's last line gives to something else than steps per second."""

VARIED = {
    "runs": "seeds updated together",
    "observation": "environment",
    "buffer": "transitions in the buffer",
}
"""What the benchmark of scaling varies, and headings for it."""

SHOWN = 7
"""Digits of a commit that are shown."""


@dataclass(frozen=True)
class Benchmark:
    """A script that measures, and what its last full run on each kind of processor found."""

    script: Path
    """The script; its results lie beside it, in `results`."""

    @property
    def name(self) -> str:
        """Name of the script."""
        return self.script.stem

    @property
    def about(self) -> str:
        """What it measures: the first line of its docstring."""
        return (ast.get_docstring(ast.parse(self.script.read_text(encoding="utf-8"))) or "").partition("\n")[0]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What was kept, the newest first: `measured`, `command`, `line`, `machine` of each processor.

        Raises:
            RecordError: a file is damaged.
        """
        found = [self._read(file) for file in (self.script.parent / "results").glob(f"{self.name}@*.json")]
        return sorted(found, key=lambda result: result["machine"]["date"], reverse=True)

    def _read(self, file: Path) -> dict[str, Any]:
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RecordError(f"{file} is not JSON ({error}); restore it or repeat: {self.command}") from None

    @property
    def command(self) -> str:
        """What to type to measure and keep the result, with the usual options."""
        return f"python benchmarks/{self.name}.py --save"


def benchmarks(folder: Path) -> list[Benchmark]:
    """Every script of a folder that measures speed, by name: those that take turns as `windows` has it."""
    return [
        Benchmark(path) for path in sorted(folder.glob("*.py")) if "from windows" in path.read_text(encoding="utf-8")
    ]


def where_trained(results: Sequence[dict[str, Any]], records: Sequence[Record]) -> dict[str, Any]:
    """Of results, the newest first, the one of the processor that trained the records, else the newest."""
    processors = {record.numerics["processor"] for record in records}
    return next((each for each in results if each["machine"]["processor"] in processors), results[0])


def ratio(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def shown(name: str, result: dict[str, Any]) -> pd.DataFrame:
    """What a benchmark kept, in words, as `cards.grouped` takes it.

    Args:
        name: of the benchmark.
        result: what it kept.
    """
    line = result["line"]
    if "bytes" in line:
        return growth(line)
    groups = line if all(isinstance(part, dict) for part in line.values()) else {name: line}
    return pd.concat([rates(group, part) for group, part in groups.items()]).fillna("–")


def rates(group: str, line: dict[str, float]) -> pd.DataFrame:
    """Steps per second of each contender, and how many times a peer's, under the name of a group.

    A peer is a contender with whom the line compares.
    """
    found = pd.Series({each: value for each, value in line.items() if not each.startswith(OTHERS)}, dtype=float)
    columns = {"steps/s": found.map("{:,.0f}".format)}
    for peer in (each for each in found.index if f"ratio_{each}" in line):
        columns[f"times {peer}"] = (found / found[peer]).map(ratio)
    places = [(group, each.replace("_", " ")) for each in found.index]
    return pd.DataFrame(columns).set_axis(pd.MultiIndex.from_tuples(places, names=["benchmark", "contender"]))


def growth(line: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Milliseconds of an update by what varies, how many times the first's, and the bytes of a stored transition."""
    rows = {}
    for what, heading in VARIED.items():
        first = next(iter(line[what].values()))
        for name, value in line[what].items():
            size = line["bytes"][name] if what == "observation" else None
            numbers = [f"{value:.3g}", ratio(value / first), "–" if size is None else f"{size:,.0f}"]
            rows[heading, f"{int(name):,}" if name.isdecimal() else name] = numbers
    columns = ["ms an update", "times the first", "bytes a transition"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).set_axis(
        pd.MultiIndex.from_tuples(rows, names=["varied", "size"])
    )


def time_in_words(line: dict[str, float]) -> dict[str, str]:
    """Of what a benchmark of a whole training kept: seconds of a million steps, and shares, for a sentence.

    Args:
        line: with `physics` (steps/s of the simulator alone) and the `seconds_` of stepping and of learning.
    """
    parts = {"physics": 1e6 / line["physics"], "learner": line["seconds_learner"]}
    parts["rest"] = line["seconds_environment"] - parts["physics"]
    whole = sum(parts.values())
    shares = {name: f"{seconds:.1f} ({100 * seconds / whole:.0f} %)" for name, seconds in parts.items()}
    return shares | {"whole": f"{whole:.1f}"}


def stored_time_in_words(records: Sequence[Record]) -> str:
    """Median seconds of records for stepping and learning, to stand beside a benchmark's; a dash for none."""
    tables = [record.table("timing").set_index("phase")["seconds"] for record in records]
    spent = [seconds["environment"].sum() + seconds["learner"].sum() for seconds in tables]
    return f"{median(spent):.0f}" if spent else "–"


def made(result: dict[str, Any]) -> str:
    """Of a benchmark's result: what was measured, when, on what and with what."""
    machine = result["machine"]
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] != 1)}"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    commits = " and ".join(commit[:SHOWN] for commit in machine["commit"].split(" and "))
    code = f"commit {commits or 'unknown'}" + " with changes" * machine["dirty"]
    return (
        f"Measured: {result['measured']}; {machine['date'][:10]}, {machine['processor']}, {threads}, {code}; {versions}"
    )


def seconds(records: Iterable[Record]) -> pd.DataFrame:
    """Seconds of one core by phase: a row an environment and arm, indexed by both, in the order of the figures."""
    table = tidy(records, "timing").pivot_table("seconds", ["env", "arm"], "phase", "sum").reindex(columns=list(PHASES))
    places = [(env, arm) for env in table.index.unique("env") for arm in ARMS if (env, arm) in table.index]
    return table.loc[places].fillna(0.0)


def seconds_for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `seconds` with names, rounded numbers and their sum, as `cards.grouped` takes it."""
    places = [(environment_name(env), arm_style(arm).label) for env, arm in table.index]
    shown = (
        table.rename(columns=PHASES).assign(all=table.sum(axis=1)).map(lambda value: f"{value:.1f}" if value else "–")
    )
    return shown.set_axis(pd.MultiIndex.from_tuples(places, names=["environment", "arm"]))


def totals(table: pd.DataFrame) -> dict[str, str]:
    """Of a table of `seconds`: the time of them all, on one core and on `CORES`, and each phase's share, in words."""
    spent = table.sum(axis=1)
    shares = {f"share_{phase}": f"{100 * share:.0f} %" for phase, share in (table.sum() / spent.sum()).items()}
    return shares | {
        "groups": f"{len(table)}",
        "core_minutes": f"{spent.sum() / 60:.1f}",
        "cores": f"{CORES}",
        "minutes": f"{makespan(spent, CORES) / 60:.1f}",
    }


def makespan(seconds: Sequence[float] | pd.Series, cores: int) -> float:
    """When the last run ends if every free core takes the longest run left, as `recall run` does."""
    busy = [0.0] * cores
    for run in sorted(seconds, reverse=True):
        heapreplace(busy, busy[0] + run)
    return max(busy)
