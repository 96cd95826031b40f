"""What the pages trpo and trace-length may be re-executed with."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from recall.agents.trpo import TRPOConfig
from recall.control_parameters import (
    MOST_EVALUATIONS,
    MOST_LENGTH,
    check_counts,
    check_runs,
    environments,
    with_recall,
)
from recall.envs.gym_env import GymConfig
from recall.errors import ParameterError
from recall.page_parameters import check_ranges, chosen_arms, whole_numbers
from recall.runs import RunSpec
from recall.trpo_experiments import (
    ARMS,
    LITERAL,
    MUJOCO,
    SHORT_SWEEP,
    SWEEP,
    VARIANTS,
    Budget,
    trace_length,
    trpo,
)
from recall.trust_region_recaller import TrustRegionRecallConfig

AGENT = TRPOConfig()
"""The agent of all runs."""

CLOSE = ("HalfCheetah-v5", "Hopper-v5")
"""Environments that are looked at more closely: with the variant and with all lengths."""

DESCRIBED = ("Ant-v5",)
"""Environments that no claim about lengths names: three seeds, which describe and do not decide."""

TRAINED = "baseline,recall"
"""Arms whose runs are published; the others of all are not trained yet."""

SWEPT = ("HalfCheetah-v5", "Walker2d-v5", "Hopper-v5")
"""Environments whose lengths are published; the fourth, Ant-v5, is not trained yet."""

UNSTABLE = "recall-trajectories"
"""The variant that the paper calls unstable (Sec. 11.1)."""


@dataclass(frozen=True)
class TrustRegionParameters:
    """What both pages share."""

    published: ClassVar[tuple[str, ...]] = MUJOCO

    env_id: str | None = None
    """Gymnasium environments with commas between them; both observation and action must be vectors of real numbers.
    None: HalfCheetah-v5, Walker2d-v5, Hopper-v5 and Ant-v5."""
    seeds: int | None = None
    """Seeds of every arm, 1 to 200, each a run of its own. None: 5; fewer where the page says so."""
    first_seed: int = 0
    """The first of them, 0 to 2147483648."""
    total_steps: int = Budget.total_steps
    """Environment steps of every seed, 2048 or more: only whole rollouts of 2048 are trained on."""
    eval_every: int = Budget.eval_every
    """Steps between two evaluations, 2048 or more, in whole rollouts; there is one at the end in any case, and at most
    200 fit a record."""
    full_observation: bool = False
    """Whether Ant-v5 and Humanoid-v5 show all that Gymnasium gives. False: positions and velocities alone."""

    def __post_init__(self) -> None:
        least = AGENT.steps_per_update
        check_counts(self, least, least)
        check_runs(self)
        most = max(ceil(spec.n_updates / spec.eval_every) for spec in self.specs())
        if most > MOST_EVALUATIONS:
            raise ParameterError(
                f"total_steps is {self.total_steps} and eval_every {self.eval_every}, which gives {most} evaluations; "
                f"at most {MOST_EVALUATIONS} fit a record, so make eval_every larger"
            )

    @property
    def envs(self) -> tuple[GymConfig, ...]:
        """The environments."""
        return environments(self.env_id, self.published, self.full_observation)

    @property
    def budget(self) -> Budget:
        """How long a run is; it is evaluated once at least."""
        return Budget(self.total_steps, min(self.eval_every, self.total_steps))

    def seeds_or(self, published: int) -> range:
        """The seeds, where the page has so many if it is not told otherwise."""
        return range(self.first_seed, self.first_seed + (self.seeds or published))

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        raise NotImplementedError


@dataclass(frozen=True)
class TrpoParameters(TrustRegionParameters):
    """What the page trpo may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "trpo"
    shows: ClassVar[tuple[str, ...]] = ("trpo",)

    arms: str = TRAINED
    """Names of arms with commas between them, or all: baseline, recall, as-written, and in Hopper-v5 and HalfCheetah-v5
    recall-trajectories. Two more go by their names alone: recall-reward-to-go, and baseline-nagabandi, with rollouts of
    50000 steps."""
    weight: float | None = None
    """Factor on the imitation step of every recall arm, 0 or more. Where the bound shortens the step in any case, a
    larger one changes nothing. None: each arm's own."""
    length: int | None = None
    """Steps of a trace, 1 to 10000. None: 10 for Hopper-v5, 50 for Ant-v5, else 20."""

    def __post_init__(self) -> None:
        check_ranges(self, {"length": (1, MOST_LENGTH)})
        super().__post_init__()

    def arms_in(self, env: GymConfig) -> Mapping[str, TrustRegionRecallConfig | None]:
        """The arms of an environment by name."""
        known = {**ARMS, **VARIANTS, LITERAL: None}
        if self.arms != "all":
            return {name: known[name] for name in chosen_arms(self.arms, known)}
        return ARMS | ({UNSTABLE: known[UNSTABLE]} if env.env_id in CLOSE else {})

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        specs = [
            spec for env in self.envs for spec in trpo([env], self.arms_in(env), self.seeds_or(5), AGENT, self.budget)
        ]
        return with_recall(specs, weight=self.weight, length=self.length)


@dataclass(frozen=True)
class TraceLengthParameters(TrustRegionParameters):
    """What the page trace-length may be re-executed with; as they stand, they give the published page."""

    page: ClassVar[str] = "trace-length"
    shows: ClassVar[tuple[str, ...]] = ("trace-length",)
    published: ClassVar[tuple[str, ...]] = SWEPT

    env_id: str | None = None
    """Gymnasium environments with commas between them; both observation and action must be vectors of real numbers.
    None: HalfCheetah-v5, Walker2d-v5 and Hopper-v5."""
    seeds: int | None = None
    """Seeds of every arm, 1 to 200, each a run of its own. None: 3 in Ant-v5, else 5."""
    lengths: str | None = None
    """Steps of a trace, 1 to 10000 each, with commas between them. None: 1, 5, 10, 20, 50 and 100 in HalfCheetah-v5
    and Hopper-v5, else 10, 20 and 50."""

    def lengths_in(self, env: GymConfig) -> tuple[int, ...]:
        """The lengths in an environment, the shortest first."""
        if self.lengths is not None:
            return whole_numbers("lengths", self.lengths, MOST_LENGTH)
        return SWEEP if env.env_id in CLOSE else SHORT_SWEEP

    def specs(self) -> list[RunSpec]:
        """Every run of the page."""
        return [
            spec
            for env in self.envs
            for spec in trace_length(
                [env], self.lengths_in(env), self.seeds_or(3 if env.env_id in DESCRIBED else 5), AGENT, self.budget
            )
        ]
