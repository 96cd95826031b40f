"""Trainings that wait in scratch space for somebody to go on with them."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recall.checkpoints import Checkpoint, scratch_folder
from recall.errors import RecordError
from recall.listing import only_match
from recall.pages import store
from recall.runs import RunSpec, numerics
from recall.specs import spec_from_json
from recall.sweep import train_missing
from recall.training import checkpoint_of
from recall.worker import forget

FOREIGN = "go on where it began, or delete the folder"
"""What to do about a training that cannot go on here."""


@dataclass(frozen=True)
class Unfinished:
    """A training that has not come to its end."""

    folder: Path
    """Its checkpoint."""
    content: dict
    """The newest state without its arrays."""

    @property
    def labels(self) -> dict[str, str]:
        """Page, arm and environment."""
        return self.content["spec"]["labels"]

    @property
    def name(self) -> str:
        """The folder that its record will have."""
        labels = self.labels
        return f"{labels['page']}/{labels['env_label']}-{labels['arm']}-{self.content['key']}"

    @property
    def seconds_ago(self) -> float:
        """Time since it was last saved; 0 where a process at work is just replacing it."""
        with suppress(FileNotFoundError, ValueError):
            return time.time() - max(file.stat().st_mtime for file in self.folder.glob("*.state"))
        return 0.0

    def spec(self) -> RunSpec:
        """What is trained.

        Raises:
            RecordError: this package, or this machine, would train something else.
        """
        try:
            spec = spec_from_json(self.content["spec"])
        except RecordError as error:
            raise RecordError(f"{self.name} cannot go on: {error}; {FOREIGN}") from error
        if checkpoint_of(spec).name != self.folder.name:
            there, here = self.content["spec"]["numerics"], numerics(spec)
            odd = [
                f"{name} {there.get(name)} there and {here[name]} here"
                for name in here
                if here[name] != there.get(name)
            ]
            raise RecordError(f"{self.name} cannot go on: {', '.join(odd) or 'its folder was renamed'}; {FOREIGN}")
        return spec


def unfinished() -> list[Unfinished]:
    """Every training in scratch space that has a state, the newest first."""
    found = []
    for folder in scratch_folder().glob("*.checkpoint"):
        content = Checkpoint(folder).glance()
        if content is not None and "spec" in content:
            found.append(Unfinished(folder, content))
    return sorted(found, key=lambda each: each.seconds_ago)


def table(waiting: Sequence[Unfinished]) -> str:
    """The list for a terminal."""
    if not waiting:
        return f"no training waits in {scratch_folder()}"
    rows = [_row(each) for each in waiting]
    return pd.DataFrame(rows).to_string(index=False)


def _row(each: Unfinished) -> dict[str, object]:
    settings = each.content["spec"]["settings"]
    return {
        "key": each.content["key"],
        **each.labels,
        "seeds": ",".join(map(str, settings["seeds"])),
        "steps": each.content["steps"],
        "of": settings["total_steps"],
        "saved": ago(each.seconds_ago),
    }


def ago(seconds: float) -> str:
    """A time that has passed, for people."""
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name} ago"
    return f"{seconds:.0f} seconds ago"


def chosen(name: str, waiting: Sequence[Unfinished]) -> Unfinished:
    """The training of a key, a part of a name, or a folder.

    Raises:
        RecordError: there is none, or there are several.
    """
    for each in waiting:
        if Path(name).resolve() == each.folder.resolve():
            return each
    folder = only_match("unfinished training", name, {each.name: each.folder for each in waiting})
    return next(each for each in waiting if each.folder == folder)


def resume(waiting: Sequence[Unfinished], workers: int | None = None) -> list[Path]:
    """Train to the end, and store among the local runs; returns the records' folders."""
    specs, local = [each.spec() for each in waiting], store(local=True)
    train_missing(specs, local, workers)
    for spec in specs:
        forget(spec)  # one whose record was stored already has no other end
    return [local.path(spec) for spec in specs]
