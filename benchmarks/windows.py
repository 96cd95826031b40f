"""How the benchmarks measure: contenders in turn, on one core, the median over windows of time."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

Work = Callable[[], int]
"""Does a little and says how many environment steps that were, over all seeds."""


def one_core() -> None:
    """Use one thread, and stay on one core where the system allows to say so."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def rates(contenders: Mapping[str, Work], windows: int, seconds: float) -> dict[str, float]:
    """Steps per second of each contender, the median over `windows` windows of `seconds`; they take turns.

    A first window of each warms up and does not count.
    """
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(windows + 1):
        for name, work in contenders.items():
            measured[name].append(rate(work, seconds))
    return {name: median(found[1:]) for name, found in measured.items()}


def rate(work: Work, seconds: float) -> float:
    """Steps per second over a window."""
    steps, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        steps += work()
    return steps / passed


def report(title: str, found: Mapping[str, float], ratios: Mapping[str, float]) -> None:
    """Print a table of steps per second, and last one line of JSON."""
    print(f"{title}; {platform.platform()}, torch {torch.__version__}, Python {platform.python_version()}")
    width = max(map(len, found))
    for name, steps in found.items():
        print(f"  {name:{width}}  {steps:12,.0f} steps/s")
    print(json.dumps({name: round(number, 3) for name, number in {**found, **ratios}.items()}))
