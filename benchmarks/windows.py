"""How the benchmarks measure: contenders in turn, on one core, the median over windows of time."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from recall.runs import git, processor_family
from recall.storage import write_atomic

RESULTS = Path(__file__).parent / "results"
"""What the page *performance* of the book shows."""

VERSIONS = {"torch": "torch", "numpy": "numpy", "gymnasium": "gymnasium", "stable_baselines3": "stable-baselines3"}
"""Packages whose versions are kept with a result, where they are installed: by the name that is imported."""

Work = Callable[[], int]
"""Does a little and says how many environment steps that were, over all seeds."""

Measure = Callable[[float], float]
"""Works for a window of so many seconds and says what it found, such as steps per second."""


def options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The parser's options and `--save`, as they were typed."""
    parser.add_argument(
        "--save",
        nargs="?",
        const=RESULTS,
        type=Path,
        metavar="FOLDER",
        help="also write the last line and the machine to a file in FOLDER, or in benchmarks/results",
    )
    typed = parser.parse_args()
    if typed.quick and typed.save == RESULTS:
        parser.error(
            "--quick measures too little for benchmarks/results; leave it out, or name a folder: --save FOLDER"
        )
    return typed


def one_core() -> None:
    """Use one thread, and stay on one core where the system allows to say so."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def rates(contenders: Mapping[str, Work], windows: int, seconds: float) -> dict[str, float]:
    """Steps per second of each contender, the median over `windows` windows of `seconds`; they take turns."""
    return in_turn({name: partial(rate, work) for name, work in contenders.items()}, windows, seconds)


def in_turn(measures: Mapping[str, Measure], windows: int, seconds: float) -> dict[str, float]:
    """The median over `windows` windows of `seconds` of what each measures; they take turns.

    A first window of each warms up and does not count.
    """
    measured: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(windows + 1):
        for name, measure in measures.items():
            measured[name].append(measure(seconds))
    return {name: median(found[1:]) for name, found in measured.items()}


def rate(work: Work, seconds: float) -> float:
    """Steps per second over a window."""
    steps, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        steps += work()
    return steps / passed


def report(title: str, found: Mapping[str, float], ratios: Mapping[str, float]) -> dict[str, float]:
    """Print a table of steps per second, and last one line of JSON; returns what that line says."""
    line = tabulate(title, found, ratios)
    print(json.dumps(line))
    return line


def tabulate(title: str, found: Mapping[str, float], ratios: Mapping[str, float]) -> dict[str, float]:
    """Print a table of steps per second; returns its numbers and the ratios, rounded."""
    print(f"{title}; {platform.platform()}, torch {torch.__version__}, Python {platform.python_version()}")
    width = max(map(len, found))
    for name, steps in found.items():
        print(f"  {name:{width}}  {steps:12,.0f} steps/s")
    return {name: round(number, 3) for name, number in {**found, **ratios}.items()}


def keep(typed: argparse.Namespace, measured: str, line: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    """Write the result to a file named after the script and the processor, if `--save` was typed.

    Args:
        typed: the options.
        measured: what was measured, in words.
        line: what the last line says.
        made: where, when and with what it was measured, as `machine` tells.
    """
    if typed.save is None:
        return
    name = Path(sys.argv[0]).stem
    chosen = ["--env", typed.env] if vars(typed).get("env") else []
    command = " ".join(["python", f"benchmarks/{name}.py", *chosen, *["--quick"] * typed.quick])
    content = {"measured": measured, "command": command, "line": dict(line), "machine": dict(made)}
    write_atomic(typed.save / f"{name}@{made['processor']}.json", (json.dumps(content, indent=1) + "\n").encode())


def machine(versions: Mapping[str, str] = VERSIONS) -> dict[str, Any]:
    """Where, when and with what this process measures."""
    installed = packages_distributions()
    return {
        "processor": processor_family(),
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for module, name in versions.items() if module in installed},
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no", "--", ".")),
    }
