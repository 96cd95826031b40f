"""What a person sees of a sweep: a bar for all and for each run at work, and the same as lines in a file."""

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

import pandas as pd
from tqdm import tqdm

from recall.errors import RecordError
from recall.progress import Ended, Progress, Report

LINE_SECONDS = 30.0
"""Between two lines about the same run, and between two about all."""

MOST_BARS = 8
"""Runs that have a bar of their own; a large cluster trains more than a screen can show."""


class SweepLog:
    """Follows a sweep, which goes on where the file cannot be written any more."""

    def __init__(self, totals: Mapping[str, int], file: Path, shown: bool = True) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self.file = file.open("a", encoding="utf-8")
        except OSError as error:
            raise RecordError(f"the log {file} cannot be written ({error.strerror}); choose another") from error
        self.totals, self.shown = totals, shown
        self.progress = Progress(totals, f"{len(totals)} runs", shown)
        self.bars: dict[str, tqdm] = {}
        self.said: dict[str, float] = {}
        self.begun = time.monotonic()
        self.all: list[Ended] = []
        self.taken: dict[str, Report] = {}
        self.failed = False
        """Whether a line could not be written."""

    def reported(self, report: Report) -> None:
        """Show how far a training is."""
        self.taken[report.run] = report
        self.progress.reported(report)
        self._draw(report)
        if self._time_to_say(report.run):
            self._say(f"{report.run}: {in_words(report, self.totals[report.run])}")

    def ended(self, run: Ended) -> None:
        """Show how a training ended."""
        self.all.append(run)
        self.progress.ended(run)
        if bar := self.bars.pop(run.run, None):
            bar.close()
        self._say(f"{run.run}: {run.state}{f': {run.reason}' if run.reason else ''}")

    def tick(self) -> None:
        """Let the clock go on."""
        self.progress.tick()
        if self._time_to_say("all"):
            done, total = sum(self.progress.steps.values()), self.progress.total
            self._say(f"all: {len(self.all)} of {len(self.totals)} runs, {done:,} of {total:,} steps")

    def table(self) -> str:
        """How every run ended, for a terminal."""
        rows = [(run.state, run.run, self._minutes(run.run), run.reason) for run in self.all]
        frame = pd.DataFrame(rows, columns=["state", "run", "minutes", "why"]).sort_values(["state", "run"])
        return frame.to_string(index=False)

    def _minutes(self, run: str) -> str:
        return f"{self.taken[run].seconds / 60:.1f}" if run in self.taken else "–"

    def _draw(self, report: Report) -> None:
        if report.run not in self.bars:
            if len(self.bars) >= MOST_BARS:
                return
            how = {"unit": "step", "unit_scale": True, "leave": False, "disable": not self.shown}
            self.bars[report.run] = tqdm(total=self.totals[report.run], desc=f"  {report.run}", **how)
        bar = self.bars[report.run]
        if report.value is not None:
            bar.set_postfix_str(f"return {report.value:.4g}", refresh=False)
        bar.initial, bar.n = report.earlier, report.steps
        bar.refresh()

    def _time_to_say(self, what: str) -> bool:
        now = time.monotonic()
        if now - self.said.get(what, self.begun - LINE_SECONDS) < LINE_SECONDS:
            return False
        self.said[what] = now
        return True

    def _say(self, words: str) -> None:
        try:
            print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {words}", file=self.file, flush=True)
        except OSError as error:
            if not self.failed:
                tqdm.write(f"recall: the log lacks lines ({error.strerror}); the sweep goes on", file=sys.stderr)
            self.failed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for bar in self.bars.values():
            bar.close()
        self.progress.bar.close()
        with suppress(OSError):  # the disk is full, which was said
            self.file.close()


def in_words(report: Report, total: int) -> str:
    """450,000 of 1,000,000 steps, return 2310, 3,400 steps/s, 3 min left."""
    words = [f"{report.steps:,} of {total:,} steps"]
    if report.value is not None:
        words.append(f"return {report.value:.4g}")
    rate = (report.steps - report.earlier) / report.seconds if report.seconds else 0
    if rate:
        words += [f"{rate:,.0f} steps/s", f"{(total - report.steps) / rate / 60:.1f} min left"]
    return ", ".join(words)
