"""What the parameters of all pages on Gymnasium environments have in common: environments, and what is refused."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from recall.envs.gym_env import REDUCED, GymConfig, make
from recall.page_parameters import MOST, check_ranges, listed
from recall.runs import RunSpec

MOST_EVALUATIONS = 200
"""Rows a seed that a record may have."""

MOST_LENGTH = 10_000
"""Steps that a trace may have."""


class ControlParameters(Protocol):
    """Parameters of a page on Gymnasium environments."""

    @property
    def env_id(self) -> str | None:
        """Names with commas between them; None stands for the published ones."""

    @property
    def envs(self) -> tuple[GymConfig, ...]:
        """The environments."""

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""


def environments(env_id: str | None, published: tuple[str, ...], full_observation: bool) -> tuple[GymConfig, ...]:
    """The environments. Where nothing is left out, the full observation is the only one."""
    names = published if env_id is None else listed(env_id)
    return tuple(GymConfig(name, full_observation and name in REDUCED) for name in dict.fromkeys(names))


def check_counts(parameters: object, least_steps: int, least_between: int) -> None:
    """Refuse seeds and budgets out of range; the least are those of total_steps and eval_every."""
    ranges = {"total_steps": (least_steps, MOST), "eval_every": (least_between, MOST)}
    check_ranges(parameters, {"seeds": (1, 200), "first_seed": (0, 2**31)} | ranges)


def check_runs(parameters: ControlParameters) -> None:
    """Refuse what no run can be made of, and environments of one's own that Gymnasium cannot make."""
    parameters.specs()
    if parameters.env_id is not None:
        for env in parameters.envs:
            make(env).close()


def with_recall(specs: Iterable[RunSpec], **settings: object) -> list[RunSpec]:
    """The same with other settings of recall, where there is recall; what is None stays."""
    given = {name: value for name, value in settings.items() if value is not None}
    return [replace(spec, recall=spec.recall and replace(spec.recall, **given)) for spec in specs]
