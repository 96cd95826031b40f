"""The pages of the book that show runs: parameters in, records out.

A page asks for the records of its specifications. What is stored is loaded; what is missing is trained and stored among
the local runs, except in a published build, where a missing record is an error.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from recall.analysis.claims import load_claims, page_hashes
from recall.analysis.records import Record, load_record
from recall.envs.four_rooms import FourRoomsConfig, Start
from recall.errors import ParameterError, RecordError
from recall.experiments import ARENAS, ARMS, Arena, Arm, four_rooms
from recall.runs import RunSpec
from recall.sweep import Store, train_missing

PUBLISHED_BUILD = "RECALL_PUBLISHED"
"""Environment variable: set, a missing record is an error and nothing is trained."""


@dataclass(frozen=True)
class FourRoomsParameters:
    """What the page four-rooms may be re-executed with; as they stand, they give the published page."""

    side: int | None = None
    """Side of the grid, outer wall included, odd, 7 to 101. None: the published 11, 15, 19 and the hard regime."""
    seeds: int = 20
    """Seeds of every arm, 1 to 200."""
    first_seed: int = 0
    """The first of them, 0 to 2147483648."""
    total_steps: int | None = None
    """Environment steps of every seed, 20000 or more. None: 60k, 120k and 240k at side 11, 15, 19, and between."""
    horizon: int | None = None
    """Steps until an episode is truncated, 1 or more. None: side squared."""
    start: Start = "corner"
    """Where episodes start: corner or uniform."""
    slip: float = 0.0
    """Probability that a random action is executed, 0 to below 1. The exact models assume 0."""
    arms: str = "all"
    """Names of arms with commas between them, or all."""
    weight: float | None = None
    """Imitation weight of every recall arm, 0 or more. None: each arm's tuned one."""
    length: int | None = None
    """Steps of a trace, 1 or more. None: each arm's tuned number of sides."""

    def __post_init__(self) -> None:
        ranges = {
            "seeds": (1, 200),
            "first_seed": (0, 2**31),
            "total_steps": (20_000, 10**9),
            "length": (1, 10_000),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ParameterError(f"{name} is {value}; it must be from {low} to {high}")
        unknown = set(self.arm_names) - set(ARMS)
        if unknown:
            raise ParameterError(f"arms has {', '.join(sorted(unknown))}; known are all, {', '.join(ARMS)}")
        if self.side is None and self.custom_environment:
            raise ParameterError("horizon, start, slip and total_steps need a side; add for example side=11")
        self.specs()

    @property
    def arm_names(self) -> tuple[str, ...]:
        """The chosen arms."""
        return tuple(ARMS) if self.arms == "all" else tuple(self.arms.replace(" ", "").split(","))

    @property
    def custom_environment(self) -> bool:
        """Whether a parameter of the environment was changed."""
        names = ("horizon", "start", "slip", "total_steps")
        return any(getattr(self, field.name) != field.default for field in fields(self) if field.name in names)

    @property
    def arenas(self) -> tuple[Arena, ...]:
        """The environments."""
        if self.side is None:
            return ARENAS
        env = FourRoomsConfig(self.side, self.start, self.slip, self.horizon)
        published = {arena.env: arena for arena in ARENAS}
        arena = published.get(env, Arena(f"side-{self.side}", env, default_budget(self.side)))
        return (replace(arena, total_steps=self.total_steps or arena.total_steps),)

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        arms = {name: self._arm(ARMS[name]) for name in self.arm_names}
        specs = four_rooms(self.arenas, arms, range(self.first_seed, self.first_seed + self.seeds))
        if self.length is None:
            return specs
        return [replace(s, recall=s.recall and replace(s.recall, length=self.length)) for s in specs]

    def _arm(self, arm: Arm) -> Arm:
        if self.weight is None or arm.recall is None:
            return arm
        return replace(arm, recall=replace(arm.recall, weight=self.weight))


def default_budget(side: int) -> int:
    """Environment steps for a side that has no published budget: through the published ones, as side to the 2.5."""
    return round(240 * (side / 19) ** 2.5) * 1000


PAGES: dict[str, type[FourRoomsParameters]] = {"four-rooms": FourRoomsParameters}
"""Pages that can be re-executed with parameters."""


def runs_folder() -> Path:
    """`papermill_runs` of the checkout one is in or the package lies in; else of the current folder."""
    for folder in (Path.cwd(), *Path.cwd().parents, Path(__file__).parents[1]):
        if (folder / "papermill_runs").is_dir():
            return folder / "papermill_runs"
    return Path.cwd() / "papermill_runs"


def claims_file() -> Path:
    """The claims of the paper, `book/claims.yml`."""
    return Path(__file__).parents[1] / "book" / "claims.yml"


def store(local: bool) -> Store:
    """The published records, or the local ones."""
    claims = load_claims(claims_file())
    root = runs_folder() / ("local" if local else "records")
    return Store(root, {page: page_hashes(claims, page) for page in PAGES})


def missing(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Specifications that neither store holds."""
    return [spec for spec in specs if spec not in store(local=False) and spec not in store(local=True)]


def load(specs: Iterable[RunSpec]) -> list[Record]:
    """Records of specifications from either store.

    Raises:
        RecordError: one is missing, damaged or foreign.
    """
    stores = store(local=False), store(local=True)
    records = []
    for spec in specs:
        found = [each.path(spec) for each in stores if spec in each]
        if not found:
            raise RecordError(f"there is no record of {spec.folder}; train it with: recall run {spec.page}")
        records.append(load_record(found[0]))
    return records


def records(parameters: FourRoomsParameters) -> list[Record]:
    """What a notebook calls: load what is stored, train what is missing, return all."""
    specs = parameters.specs()
    if PUBLISHED_BUILD not in os.environ:
        train_missing(missing(specs), store(local=True))
    return load(specs)
