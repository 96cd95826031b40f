"""All that pages of the book lack, as one sweep: planned, followed, and told of at the end."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from distributed import Client

from recall.analysis.records import find_records
from recall.book import parameters_of
from recall.errors import ParameterError, TrainingStoppedError
from recall.forecast import forecast, in_words
from recall.pages import runs_folder, stocked, store
from recall.runs import RunSpec
from recall.stock import Stock, together
from recall.store import Store
from recall.sweep import sweep
from recall.sweep_log import SweepLog
from recall.training import steps_of

PROFILES: dict[str, dict[str, object]] = {"published": {}, "quick": {"seeds": 2}}
"""Parameters that each profile gives to all pages."""


def specs_of(pages: Sequence[str], profile: str) -> list[list[RunSpec]]:
    """The runs of each page.

    Raises:
        ParameterError: there is no such page.
    """
    if not pages:
        raise ParameterError("no page was named; name one or more, for example: recall sweep sac trpo")
    schemas = [parameters_of(page) for page in pages]
    return [schema(**PROFILES[profile]).specs() for schema in schemas]


@dataclass(frozen=True)
class PageSweep:
    """What is to be trained, and where its records go."""

    store: Store
    """The published records, or one's own."""
    stock: Stock
    """What is stored of them; the others are trained."""

    def plan(self, workers: int) -> str:
        """What is there, what is to do and what it will cost, for a terminal."""
        records = [record for local in (False, True) for record in find_records(store(local).root)]
        table = forecast(self.stock.lacking, records)
        lines = [in_words(table, len(self.stock.records), workers)]
        if len(table):
            lines.insert(0, table.round(2).to_string(index=False, na_rep="?"))
        if self.stock.elsewhere:
            lines.append(self.stock.in_words())
        return "\n".join(lines)

    def train(self, place: AbstractContextManager[Client], log: Path | None) -> None:
        """Train what is lacking, and print how each run ended.

        Args:
            place: the cluster.
            log: file that is told how it goes; None makes one among the local runs.

        Raises:
            TrainingStoppedError: runs failed; the others are stored.
        """
        file = log or runs_folder() / "local" / f"sweep-{datetime.now():%Y%m%d-%H%M%S}.log"
        with SweepLog({spec.folder: steps_of(spec) for spec in self.stock.lacking}, file) as watch:
            print(f"log: {file}", flush=True)
            with place as client:
                ended = sweep(self.stock.lacking, self.store, client, watch)
        print(watch.table())
        if failed := [run for run in ended if run.state == "failed"]:
            raise TrainingStoppedError(f"{len(failed)} of {len(ended)} runs failed; why is written in the table")


def planned(pages: Sequence[str], profile: str, publish: bool) -> PageSweep:
    """The sweep of pages with a profile.

    Raises:
        ParameterError: there is no such page.
        RecordError: a stored record is damaged, or lies where another is to be trained.
    """
    stock = together([stocked(specs, local=not publish) for specs in specs_of(pages, profile)])
    return PageSweep(store(local=not publish), stock)
