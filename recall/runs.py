"""Run specifications, and the records that keep what their training gave.

A record is a folder: `spec.json` (what determines the numbers), tables as CSV, perhaps a learned `policy.safetensors`,
`provenance.json` (where, when, and the rest's checksums) and `timing.csv`. It appears whole or not at all.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from safetensors.numpy import save

from recall import __version__
from recall.errors import ConfigError
from recall.identity import FORMAT, settings_key
from recall.storage import sync_folder, write_atomic

MAX_SEED = 2**32 - 1

POLICY = "policy.safetensors"
"""File of a record that holds the learned policies."""


class Config(Protocol):
    """Settings of one part of a run: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    """What makes it a dataclass."""
    version: ClassVar[int]
    """Raised by every change of the part that moves numbers."""


class EnvConfig(Config, Protocol):
    """Settings of an environment."""

    @property
    def env_id(self) -> str:
        """Its Gymnasium id."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages that decide its last digits."""


class AgentConfig(Config, Protocol):
    """Settings of an agent."""

    name: ClassVar[str]
    """What specifications call it."""

    @property
    def steps_per_update(self) -> int:
        """Environment steps of a seed between two updates."""

    @property
    def numerics(self) -> dict[str, str]:
        """Engine and precision."""


class RecallerConfig(Config, Protocol):
    """Settings of a recaller."""

    @property
    def numerics(self) -> dict[str, str]:
        """What it adds to the agent's engine and precision; nothing where the agent's say it all."""


@dataclass(frozen=True)
class RunSpec:
    """Everything that determines the numbers of a group of seeds trained together, and the labels it is shown under."""

    page: str
    """Page of the book the run belongs to."""
    arm: str
    """Name of the arm on that page."""
    env_label: str
    """Short name of the environment on that page."""
    env: EnvConfig
    """Arguments of the environment."""
    agent: AgentConfig
    """Settings of the agent."""
    recall: RecallerConfig | None
    """Settings of the recaller; None trains the agent alone."""
    seeds: tuple[int, ...]
    """Seeds trained together."""
    total_steps: int
    """Environment steps of each seed."""
    eval_every: int
    """Updates between two evaluations."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or not all(0 <= s <= MAX_SEED for s in self.seeds):
            raise ConfigError(
                f"seeds are {self.seeds}; they must be one or more different numbers from 0 to {MAX_SEED}"
            )
        if self.n_updates < self.eval_every or self.eval_every < 1:
            raise ConfigError(
                f"total_steps {self.total_steps} gives {self.n_updates} updates and eval_every is {self.eval_every}; "
                "there must be at least one evaluation"
            )

    @property
    def n_updates(self) -> int:
        """Updates of the agent: only whole rollouts are trained on."""
        return self.total_steps // self.agent.steps_per_update

    @property
    def settings(self) -> dict:
        """What determines the numbers, as JSON types; labels and machine left out."""
        parts = {"env": self.env, "agent": self.agent, "recall": self.recall}
        settings = {
            "env_id": self.env.env_id,
            "env": asdict(self.env),
            "agent": self.agent.name,
            "agent_config": asdict(self.agent),
            "recall": None if self.recall is None else asdict(self.recall),
            "seeds": self.seeds,
            "total_steps": self.total_steps,
            "eval_every": self.eval_every,
            "versions": {name: part.version for name, part in parts.items() if part is not None},
        }
        return json.loads(json.dumps(settings))

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that stand for the settings."""
        return settings_key(self.settings)

    @property
    def folder(self) -> str:
        """Name of the record's folder, relative to the store."""
        return f"{self.page}/{self.env_label}-{self.arm}-{self.key}"


def numerics(spec: RunSpec) -> dict:
    """What besides the settings decides the last digits: records of different numerics are never compared."""
    libraries = ("torch", "numpy", *spec.env.libraries)
    return {
        **spec.agent.numerics,
        **(spec.recall.numerics if spec.recall else {}),
        "group": len(spec.seeds),
        **{name: version(name).partition("+")[0] for name in libraries},
        "processor": processor_family(),
    }


def processor_family() -> str:
    """Vendor, family and model of the processor where the system tells, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    parts = [facts.get(name, "") for name in ("vendor_id", "cpu family", "model")]
    return "-".join(filter(None, parts)) or platform.machine()


@dataclass(frozen=True)
class Result:
    """What a training returned: deterministic tables by name, and a table of seconds."""

    tables: dict[str, pd.DataFrame]
    timing: pd.DataFrame
    threads: int
    """Threads of the process that trained."""
    policy: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Layers of the policies at the end by name, (runs, ...) each; empty where none is kept."""


def write_record(root: Path, spec: RunSpec, result: Result, claims: Mapping[str, str]) -> Path:
    """Store a finished training under `root`, whole or not at all; returns the record's folder.

    Args:
        root: the store.
        spec: what was trained.
        result: what came of it.
        claims: hash of the rule of every claim the page judges, as they stand now.
    """
    return write_files(root / spec.folder, record_files(spec, result, claims))


def record_files(spec: RunSpec, result: Result, claims: Mapping[str, str]) -> dict[str, bytes]:
    """The files of a record by name. Call it where the training was: they tell of that machine."""
    files = {"spec.json": to_json(spec_json(spec))}
    files |= {f"{name}.csv": csv(table).encode() for name, table in result.tables.items()}
    if result.policy:
        files[POLICY] = save(dict(result.policy))
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    told = provenance(spec, result) | {"sha256": checksums, "claims": dict(claims)}
    return files | {"timing.csv": csv(result.timing).encode(), "provenance.json": to_json(told)}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Put files into a folder of their own, all or none, safely on disk; they replace what was there before.

    A power cut while they do may leave both beside that folder, the old one under a name that ends in `.partial`.
    """
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, content in files.items():
            write_atomic(partial / name, content)
        replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def csv(table: pd.DataFrame) -> str:
    """A table as records hold it: six significant digits."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def spec_json(spec: RunSpec) -> dict:
    """Contents of spec.json."""
    labels = {"page": spec.page, "arm": spec.arm, "env_label": spec.env_label}
    return {
        "format": FORMAT,
        "key": spec.key,
        "labels": labels,
        "settings": spec.settings,
        "numerics": numerics(spec),
    }


def provenance(spec: RunSpec, result: Result) -> dict:
    """Where, when and with what a record was made."""
    libraries = {name: version(name) for name in ("torch", "numpy", "pandas", "gymnasium", *spec.env.libraries)}
    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no", "--", ".")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor_family(),
        "threads": result.threads,
        "platform": platform.platform(),
        "python": sys.version.partition(" ")[0],
        "versions": {"recall": __version__, **libraries},
        "wall_clock_s": round(float(result.timing["seconds"].sum()), 3),
    }


def git(*arguments: str) -> str:
    """Output of a git command in the package's checkout; empty outside one."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def to_json(content: dict) -> bytes:
    """Readable JSON with sorted keys."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def replace_folder(new: Path, folder: Path) -> None:
    """Put `new` where `folder` is or was; a failure leaves what was there."""
    old = folder.with_name(f"{folder.name}.{time.time_ns()}.partial")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    try:
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(old, ignore_errors=True)
