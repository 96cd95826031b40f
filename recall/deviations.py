"""Where the settings of the runs come from: read off the lines below the fields of the configurations."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from recall import goal_experiments, trpo_experiments
from recall.agents.actor_critic import ActorCriticConfig
from recall.agents.sac import SACConfig
from recall.agents.trpo import TRPOConfig
from recall.continuous_recaller import ContinuousRecallConfig
from recall.envs.ant_settings import AntUMazeConfig
from recall.envs.four_rooms import FourRoomsConfig
from recall.envs.gym_env import GymConfig
from recall.envs.point_mass import PointMassConfig
from recall.envs.u_maze import UMazeConfig
from recall.experiments import Arena
from recall.goal_agent import GoalAgentConfig
from recall.goal_curriculum import CurriculumConfig
from recall.goal_gan import GoalGANConfig
from recall.goal_recaller import GoalRecallConfig
from recall.recaller import RecallConfig
from recall.runs import RunSpec
from recall.sac_experiments import Budget
from recall.trust_region_recaller import TrustRegionRecallConfig


def _trpo_budget(spec: RunSpec) -> trpo_experiments.Budget:
    """In steps; specifications count updates."""
    return trpo_experiments.Budget(spec.total_steps, spec.eval_every * spec.agent.steps_per_update)


def _goal_budget(spec: RunSpec) -> goal_experiments.Budget:
    """In outer steps; specifications count the environment steps of the training."""
    return goal_experiments.Budget(spec.n_updates, spec.eval_every)


def _ant_budget(spec: RunSpec) -> goal_experiments.AntBudget:
    """The same in the ant's maze."""
    return goal_experiments.AntBudget(spec.n_updates, spec.eval_every)


def _goal_agent(spec: RunSpec) -> GoalAgentConfig | None:
    """That of Goal GAN, if it is one."""
    return spec.agent if isinstance(spec.agent, GoalAgentConfig) else None


PARTS: dict[str, tuple[type, Callable[[RunSpec], object]]] = {
    "environment": (FourRoomsConfig, lambda spec: spec.env),
    "actor-critic": (ActorCriticConfig, lambda spec: spec.agent),
    "recall": (RecallConfig, lambda spec: spec.recall),
    "run": (Arena, lambda spec: isinstance(spec.env, FourRoomsConfig) and spec),
    "sac environment": (GymConfig, lambda spec: spec.env),
    "sac": (SACConfig, lambda spec: spec.agent),
    "sac recall": (ContinuousRecallConfig, lambda spec: spec.recall),
    "sac run": (Budget, lambda spec: isinstance(spec.agent, SACConfig) and spec),
    "trpo": (TRPOConfig, lambda spec: spec.agent),
    "trpo recall": (TrustRegionRecallConfig, lambda spec: spec.recall),
    "trpo run": (trpo_experiments.Budget, lambda spec: isinstance(spec.agent, TRPOConfig) and _trpo_budget(spec)),
    "goal-gan policy": (TRPOConfig, lambda spec: (agent := _goal_agent(spec)) and agent.policy),
    "goal-gan curriculum": (CurriculumConfig, lambda spec: (agent := _goal_agent(spec)) and agent.curriculum),
    "goal-gan networks": (GoalGANConfig, lambda spec: (agent := _goal_agent(spec)) and agent.curriculum.gan),
    "goal-gan recall": (GoalRecallConfig, lambda spec: spec.recall),
    "goal-gan box": (PointMassConfig, lambda spec: spec.env),
    "goal-gan maze": (UMazeConfig, lambda spec: spec.env),
    "goal-gan run": (goal_experiments.Budget, lambda spec: _goal_agent(spec) and _goal_budget(spec)),
    "ant-maze maze": (AntUMazeConfig, lambda spec: spec.env),
    "ant-maze run": (goal_experiments.AntBudget, lambda s: isinstance(s.env, AntUMazeConfig) and _ant_budget(s)),
}
"""The configurations of a run: the class that documents them, and where a specification has their values, if it has."""

NAMES = {"label", "env", "env_id", "gan"}
"""Fields that name an environment or hold a part of its own; the others are settings."""

KINDS = {"arm": "arm", "env_label": "environment"}
"""Labels of a specification that may tell values apart, and their names."""

MANY = 4
"""With more different values than this, the arms or environments that have them are not listed."""

BY_REFERENCE = "Held et al. 2017"
"""Where the paper says only that it takes over another one's settings, whose they are."""

SOURCE = re.compile(
    rf"\b(?:not stated|the paper has|ours|usual|Sec\.|Eq\.|Fig\.|Algorithm|Table \d|{re.escape(BY_REFERENCE)})",
    re.IGNORECASE,
)
"""How a line begins to say who chose a value."""

PAPER = re.compile(r"(?<!\d, )(?<!\d\w, )\b(?:The paper has|Sec\.|Eq\.|Fig\.|Algorithm|Table)")
"""Places of the paper; those of other works follow their year."""

SILENCE = re.compile(r"\b(?:not stated|ours)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Setting:
    """A field of a configuration."""

    part: str
    """One of `PARTS`."""
    name: str
    """Name of the field."""
    line: str
    """What the line below it says."""

    @property
    def names_source(self) -> bool:
        """Whether the line says who chose the value."""
        return bool(SOURCE.search(self.line))

    @property
    def stated(self) -> str:
        """Whether the paper states the value: yes, no, in part, or by reference to another paper."""
        if not SILENCE.search(self.line):
            return "by reference" if BY_REFERENCE in self.line and not PAPER.search(self.line) else "yes"
        return "in part" if PAPER.search(self.line) else "no"


def field_lines(cls: type) -> dict[str, str]:
    """The string below each annotated field of a class and its bases, in one line; empty where there is none."""
    lines: dict[str, str] = {}
    for base in cls.__bases__:
        lines |= field_lines(base) if base is not object else {}
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            lines[node.target.id] = _string(below)
    return lines


def _string(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def settings(part: str) -> list[Setting]:
    """Every setting of a configuration, in the order in which they are written."""
    cls, _ = PARTS[part]
    lines = field_lines(cls)
    return [Setting(part, field.name, lines[field.name]) for field in fields(cls) if field.name not in NAMES]


def deviations(specs: Sequence[RunSpec], part: str) -> pd.DataFrame:
    """A row a setting of a configuration: name, value used in `specs`, line, whether the paper states it.

    Without a row where no specification has such a configuration.
    """
    found = settings(part) if of_part(part, specs) else []
    rows = [(s.name, value_used(s, specs), s.line, s.stated) for s in found]
    return pd.DataFrame(rows, columns=["setting", "value used", "meaning and source", "in the paper"])


def switches(specs: Sequence[RunSpec], part: str) -> pd.DataFrame:
    """The rows of `deviations` in which the arms differ; none if there is one arm."""
    table = deviations(specs, part)
    arms = tuple(f" in {arm}" for arm in unique(spec.arm for spec in specs))
    return table[table["value used"].map(lambda text: text.endswith(arms)).astype(bool)]


def of_part(part: str, specs: Sequence[RunSpec]) -> dict[RunSpec, object]:
    """The configurations of a kind in `specs`, by the specification that has them."""
    cls, of_spec = PARTS[part]
    found = {spec: of_spec(spec) for spec in specs}
    return {spec: config for spec, config in found.items() if isinstance(config, cls | RunSpec)}


def value_used(setting: Setting, specs: Sequence[RunSpec]) -> str:
    """The value in `specs`, or the values with the arms or environments that have them."""
    values = {spec: getattr(config, setting.name) for spec, config in of_part(setting.part, specs).items()}
    distinct = list(dict.fromkeys(values.values()))
    if len(distinct) == 1:
        return write(distinct[0])
    for label in KINDS:
        holders = {value: unique(getattr(s, label) for s in values if values[s] == value) for value in distinct}
        if sum(map(len, holders.values())) == len(unique(getattr(spec, label) for spec in values)):
            return write_groups(holders, KINDS[label])
    return f"{write(min(distinct))} to {write(max(distinct))}, by arm and environment"


def unique(names: Iterable[str]) -> list[str]:
    """The different names, in their order."""
    return list(dict.fromkeys(names))


def write_groups(holders: Mapping[Any, Sequence[str]], kind: str = "arm") -> str:
    """Values with the names that have them, which are of a kind; the majority's goes without, and so do many values."""
    if len(holders) > MANY:
        return f"{', '.join(map(write, holders))}, by {kind}"
    majority = [v for v, names in holders.items() if 2 * len(names) > sum(map(len, holders.values()))]
    others = [f"{write(v)} in {', '.join(names)}" for v, names in holders.items() if v not in majority]
    return "; ".join([*map(write, majority), *others])


def write(value: object) -> str:
    """A value for people."""
    if isinstance(value, tuple):
        return ", ".join(map(write, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
