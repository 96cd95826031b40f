"""What the pages of soft actor-critic may be re-executed with."""

from dataclasses import dataclass, replace
from typing import ClassVar

from recall.agents.sac import SACConfig
from recall.continuous_recaller import ContinuousRecallConfig
from recall.control_parameters import (
    MOST_EVALUATIONS,
    MOST_LENGTH,
    check_counts,
    check_runs,
    environments,
    with_recall,
)
from recall.engine import Precision
from recall.envs.gym_env import GymConfig
from recall.errors import ParameterError
from recall.page_parameters import check_ranges, chosen_arms, numbers
from recall.runs import RunSpec
from recall.sac_experiments import (
    ARMS,
    CHECKED,
    DOSED,
    MUJOCO,
    TEMPERATURE,
    TRAINED,
    WEIGHTS,
    Budget,
    delta_state,
    dose,
    sac,
    sac_checks,
)

TRAINED_ARMS = "baseline,recall"
"""Arms whose runs are published; the other one is not trained yet."""


@dataclass(frozen=True)
class BaselinesParameters:
    """What the page baselines may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "baselines"
    shows: ClassVar[tuple[str, ...]] = ("baselines",)
    published: ClassVar[tuple[str, ...]] = TRAINED

    env_id: str | None = None
    """Gymnasium environments with commas between them; both observation and action must be vectors of real numbers.
    None: HalfCheetah-v5, Hopper-v5 and Walker2d-v5."""
    seeds: int = 5
    """Seeds of every arm, 1 to 200, each a run of its own."""
    first_seed: int = 0
    """The first of them, 0 to 2147483648."""
    total_steps: int = Budget.total_steps
    """Environment steps of every seed, 100 or more, and more than random_steps."""
    eval_every: int = Budget.eval_every
    """Steps between two evaluations, 50 or more; at most 200 evaluations fit a record."""
    random_steps: int = SACConfig.random_steps
    """Steps of uniform actions before the first update, 0 or more."""
    temperature: float | None = None
    """Fixed temperature above 0, the inverse of the reward scale of the paper's time. None: automatic."""
    precision: Precision = SACConfig.precision
    """Of matrix products: bfloat16 or float32, which is many times faster where the processor has no bfloat16."""
    full_observation: bool = False
    """Whether Ant-v5 and Humanoid-v5 show all that Gymnasium gives. False: positions and velocities alone."""

    def __post_init__(self) -> None:
        check_counts(self, 100, 50)
        if self.total_steps <= self.random_steps:
            raise ParameterError(
                f"total_steps is {self.total_steps} and random_steps {self.random_steps}, so nothing would be learned; "
                "make total_steps larger or random_steps smaller"
            )
        if not self.eval_every <= self.total_steps <= self.eval_every * MOST_EVALUATIONS:
            raise ParameterError(
                f"total_steps is {self.total_steps} and eval_every {self.eval_every}; "
                f"that must be from 1 to {MOST_EVALUATIONS} evaluations"
            )
        check_runs(self)

    @property
    def envs(self) -> tuple[GymConfig, ...]:
        """The environments."""
        return environments(self.env_id, self.published, self.full_observation)

    @property
    def arms_used(self) -> dict[str, ContinuousRecallConfig | None]:
        """The arms by name."""
        return {"baseline": None}

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        return sac(self.envs, self.arms_used, *self._how)

    @property
    def _how(self) -> tuple[range, SACConfig, Budget]:
        """Seeds, agent and budget of every arm."""
        agent = SACConfig(temperature=self.temperature, precision=self.precision, random_steps=self.random_steps)
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return seeds, agent, Budget(self.total_steps, self.eval_every)


@dataclass(frozen=True)
class SacParameters(BaselinesParameters):
    """What the page sac may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "sac"
    shows: ClassVar[tuple[str, ...]] = ("sac", "baselines")

    arms: str = TRAINED_ARMS
    """Names of arms with commas between them, or all: baseline, recall, as-written."""
    weight: float | None = None
    """Imitation weight of every recall arm, 0 or more. None: each arm's own."""
    length: int | None = None
    """Steps of a trace, 1 to 10000. None: 50 for Ant-v5 and Humanoid-v5, else 20."""

    def __post_init__(self) -> None:
        check_ranges(self, {"length": (1, MOST_LENGTH)})
        super().__post_init__()

    @property
    def arms_used(self) -> dict[str, ContinuousRecallConfig | None]:
        """The arms by name, with the weight of these parameters."""
        arms = {name: ARMS[name] for name in chosen_arms(self.arms, ARMS)}
        if self.weight is None:
            return arms
        return {name: recall and replace(recall, weight=self.weight) for name, recall in arms.items()}

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        return with_recall(super().specs(), length=self.length)


@dataclass(frozen=True)
class DoseParameters(BaselinesParameters):
    """What the page dose may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "dose"
    shows: ClassVar[tuple[str, ...]] = ("dose",)
    published: ClassVar[tuple[str, ...]] = DOSED

    env_id: str | None = None
    """Gymnasium environments with commas between them; both observation and action must be vectors of real numbers.
    None: Hopper-v5 and HalfCheetah-v5."""
    total_steps: int = 100_000
    """Environment steps of every seed, 100 or more, and more than random_steps."""
    weights: str = ",".join(f"{weight:g}" for weight in WEIGHTS)
    """Imitation weights with commas between them, 0 or more each."""

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        return dose(self.envs, numbers("weights", self.weights), *self._how)


@dataclass(frozen=True)
class DeltaStateParameters(BaselinesParameters):
    """What the page delta-state may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "delta-state"
    shows: ClassVar[tuple[str, ...]] = ("delta-state",)
    published: ClassVar[tuple[str, ...]] = MUJOCO

    env_id: str | None = None
    """Gymnasium environments with commas between them; both observation and action must be vectors of real numbers.
    None: HalfCheetah-v5, Hopper-v5, Walker2d-v5, Ant-v5 and Humanoid-v5."""
    seeds: int = 3
    """Seeds of every arm, 1 to 200, each a run of its own."""
    total_steps: int = 30_000
    """Environment steps of every seed, 100 or more, and more than random_steps."""
    eval_every: int = 2_500
    """Steps between two evaluations, 50 or more; at most 200 evaluations fit a record."""

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        return delta_state(self.envs, *self._how)


@dataclass(frozen=True)
class SacChecksParameters(BaselinesParameters):
    """What the page sac-checks may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "sac-checks"
    shows: ClassVar[tuple[str, ...]] = ("sac-checks", "sac", "baselines")
    published: ClassVar[tuple[str, ...]] = CHECKED

    env_id: str | None = None
    """Gymnasium environments with commas between them; both observation and action must be vectors of real numbers.
    None: HalfCheetah-v5 and Ant-v5."""
    temperature: float = TEMPERATURE
    """The fixed temperature that is held against the automatic one, above 0."""
    full_observation: bool = True
    """Whether Ant-v5 and Humanoid-v5 are run a second time, with all that Gymnasium gives to observe."""

    @property
    def envs(self) -> tuple[GymConfig, ...]:
        """The environments, with positions and velocities alone."""
        return environments(self.env_id, self.published, full_observation=False)

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        seeds, agent, budget = self._how
        automatic = replace(agent, temperature=None)
        return sac_checks(self.envs, seeds, automatic, budget, self.temperature, self.full_observation)
