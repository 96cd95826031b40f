"""The pages of the book that show runs: parameters in, records out.

A page asks for the records of its specifications. What is stored is loaded; what is missing is trained and stored among
the local runs, except in a published build, where a missing record is an error.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from recall.analysis.claims import load_claims, page_hashes
from recall.analysis.records import Record, find_records
from recall.errors import RecallError, RecordError
from recall.goal_parameters import AntMazeParameters as AntMazeParameters
from recall.goal_parameters import GoalGanParameters as GoalGanParameters
from recall.page_parameters import FourRoomsParameters as FourRoomsParameters
from recall.page_parameters import PageParameters
from recall.runs import RunSpec
from recall.sac_parameters import BaselinesParameters as BaselinesParameters
from recall.sac_parameters import DeltaStateParameters as DeltaStateParameters
from recall.sac_parameters import DoseParameters as DoseParameters
from recall.sac_parameters import SacChecksParameters as SacChecksParameters
from recall.sac_parameters import SacParameters as SacParameters
from recall.stock import Stock, stock
from recall.store import Store
from recall.sweep import train_missing
from recall.trace_parameters import TraceSweepsParameters as TraceSweepsParameters
from recall.trpo_parameters import TraceLengthParameters as TraceLengthParameters
from recall.trpo_parameters import TrpoParameters as TrpoParameters

PUBLISHED_BUILD = "RECALL_PUBLISHED"
"""Environment variable: set, a missing record is an error and nothing is trained."""


PAGES: dict[str, type[PageParameters]] = {
    schema.page: schema
    for schema in (
        *(FourRoomsParameters, BaselinesParameters, SacParameters),
        *(DoseParameters, DeltaStateParameters, SacChecksParameters),
        *(TrpoParameters, TraceLengthParameters, TraceSweepsParameters),
        *(GoalGanParameters, AntMazeParameters),
    )
}
"""Pages that can be re-executed with parameters."""

PUBLISHED_POLICY_SEEDS = (0,)
"""Seeds whose policies are published, so that a checkout stays small; local runs keep all."""


def runs_folder() -> Path:
    """`papermill_runs` of the checkout one is in or the package lies in; else of the current folder."""
    for folder in (Path.cwd(), *Path.cwd().parents, Path(__file__).parents[1]):
        if (folder / "papermill_runs").is_dir():
            return folder / "papermill_runs"
    return Path.cwd() / "papermill_runs"


def claims_file() -> Path:
    """The claims of the paper, `book/claims.yml`.

    Raises:
        RecallError: the package does not lie in its checkout.
    """
    file = Path(__file__).parents[1] / "book" / "claims.yml"
    if not file.is_file():
        raise RecallError(
            f"{file} is missing: records and pages need a checkout of the project; clone it, and install it with "
            "pip install -e ."
        )
    return file


def store(local: bool) -> Store:
    """The published records, or the local ones. A record carries the rules of every page that shows it."""
    claims = load_claims(claims_file())
    rules: dict[str, dict[str, str]] = {}
    for page, schema in PAGES.items():
        for shown in schema.shows:
            rules.setdefault(shown, {}).update(page_hashes(claims, page))
    if local:
        return Store(runs_folder() / "local", rules)
    return Store(runs_folder() / "records", rules, PUBLISHED_POLICY_SEEDS)


def stocked(specs: Sequence[RunSpec], local: bool = True) -> Stock:
    """What is stored of these runs: among the published records, or in either store, the published ones first.

    Raises:
        RecordError: one is damaged or foreign, or lies where another is to be trained.
    """
    target = store(local)
    found = stock(specs, [store(local=False), target] if local else [target])
    for spec, why in found.elsewhere.items():
        if spec in target:
            raise RecordError(
                f"{target.path(spec)} may not be compared with runs of this machine ({why}); move it away, and the "
                "same command trains it again"
            )
    return found


def load(specs: Sequence[RunSpec]) -> list[Record]:
    """Records of specifications from either store.

    Raises:
        RecordError: one is missing, damaged, foreign, or may not be compared with the others.
    """
    return stocked(specs).whole()


def published(page: str, arm: str, environments: Iterable[str] | None = None) -> list[Record]:
    """The published records of an arm, in these environments or in all; none where none is stored."""
    found = find_records(runs_folder() / "records", page)
    wanted = None if environments is None else set(environments)
    return [r for r in found if r.labels["arm"] == arm and (wanted is None or r.labels["env_label"] in wanted)]


def records(parameters: PageParameters) -> list[Record]:
    """What a notebook calls: load what is stored, train what is missing, return all."""
    specs = parameters.specs()
    if PUBLISHED_BUILD not in os.environ:
        train_missing(stocked(specs).lacking, store(local=True))
    return load(specs)
