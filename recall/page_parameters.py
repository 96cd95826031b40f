"""What the pages of the book may be re-executed with: checked parameters, and the runs that they mean."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol

from recall.envs.four_rooms import FourRoomsConfig, Start
from recall.errors import ParameterError
from recall.experiments import ARENAS, ARMS, Arena, Arm, four_rooms
from recall.runs import RunSpec

MOST = 10**9
"""The largest number of steps."""


class PageParameters(Protocol):
    """A frozen dataclass whose fields all have defaults, with a line below each; they give the published page."""

    page: ClassVar[str]
    """Name of the page."""
    shows: ClassVar[tuple[str, ...]]
    """Pages whose records it shows; an arm that several pages need belongs to one of them."""

    def __init__(self, **values: Any) -> None: ...

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""


def check_ranges(parameters: object, ranges: Mapping[str, tuple[int, int]]) -> None:
    """Refuse a number outside its range; None is inside."""
    for name, (low, high) in ranges.items():
        value = getattr(parameters, name)
        if value is not None and not low <= value <= high:
            raise ParameterError(f"{name} is {value}; it must be from {low} to {high}")


def listed(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(text.replace(" ", "").split(","))


def numbers(name: str, text: str, example: str = "0.01,0.1") -> tuple[float, ...]:
    """Different numbers with commas between them, the smallest first; `name` is the parameter's."""
    try:
        return tuple(sorted({float(each) for each in listed(text)}))
    except ValueError:
        raise ParameterError(
            f"{name} is {text!r}; it must be numbers with commas between them, like {example}"
        ) from None


def whole_numbers(name: str, text: str, most: int) -> tuple[int, ...]:
    """Different whole numbers from 1 to `most` with commas between them, the smallest first."""
    found = numbers(name, text, "5,20")
    if wrong := [value for value in found if value % 1 or not 1 <= value <= most]:
        raise ParameterError(f"{name} has {wrong[0]:g}; it must be whole numbers from 1 to {most}")
    return tuple(map(int, found))


def chosen_arms(arms: str, known: Iterable[str]) -> tuple[str, ...]:
    """The arms that a text names, or all."""
    known = tuple(known)
    names = known if arms == "all" else listed(arms)
    if "all" in names:
        raise ParameterError(f"arms is {arms}; all stands alone")
    if not all(names):
        raise ParameterError(f"arms is {arms!r}, which lacks a name; known are all, {', '.join(known)}")
    if unknown := set(names) - set(known):
        raise ParameterError(f"arms has {', '.join(sorted(unknown))}; known are all, {', '.join(known)}")
    return names


@dataclass(frozen=True)
class FourRoomsParameters:
    """What the page four-rooms may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "four-rooms"
    shows: ClassVar[tuple[str, ...]] = ("four-rooms",)

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
        check_ranges(
            self,
            {"seeds": (1, 200), "first_seed": (0, 2**31), "total_steps": (20_000, MOST), "length": (1, 10_000)},
        )
        chosen_arms(self.arms, ARMS)
        if self.side is None and self.custom_environment:
            raise ParameterError("horizon, start, slip and total_steps need a side; add for example side=11")
        self.specs()

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
        arms = {name: self._arm(ARMS[name]) for name in chosen_arms(self.arms, ARMS)}
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
