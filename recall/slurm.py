"""Sweeps on a cluster that SLURM schedules, each worker a job of its own."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import yaml
from distributed import Client

from recall.cluster import SETTINGS
from recall.errors import ParameterError

DEFAULTS: dict[str, Any] = {"jobs": 8, "memory": "4GB", "walltime": "04:00:00"}
"""Of a profile: jobs at once, one core each; memory of each; how long one may last."""

MARGIN = 300
"""Seconds before the end of its time at which a worker saves its run's state and hands it on."""

OTHERS = ("account", "interface", "job_directives_skip", "job_extra_directives", "job_script_prologue", "queue")
"""What else it may say; names and meanings are those of dask-jobqueue."""


def profile(file: Path) -> dict[str, Any]:
    """Settings of a SLURM cluster, from a YAML file.

    Raises:
        ParameterError: it cannot be read, or says something that is not known.
    """
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{file} is no SLURM profile that can be read ({error})") from error
    if not isinstance(given, dict):
        raise ParameterError(f"{file} holds no names with values; write for example queue: cpu")
    if unknown := [name for name in given if name not in (*DEFAULTS, *OTHERS)]:
        raise ParameterError(f"{file} has {unknown[0]!r}; known are {', '.join(sorted((*DEFAULTS, *OTHERS)))}")
    if not isinstance(given.get("jobs", 1), int) or given.get("jobs", 1) < 1:
        raise ParameterError(f"jobs of {file} is {given['jobs']!r}; it must be a whole number, 1 or more")
    return DEFAULTS | given


@contextmanager
def slurm(file: Path) -> Iterator[Client]:
    """A cluster whose workers are jobs; one that ends or is killed is submitted again while there is work.

    Raises:
        ParameterError: the profile cannot be used, dask-jobqueue is not installed, or there is no SLURM here.
    """
    settings = profile(file)
    if shutil.which("sbatch") is None:
        raise ParameterError(
            "there is no sbatch here, with which SLURM takes jobs; give the command where jobs are submitted, or leave "
            "out --slurm"
        )
    job_script(file)
    jobs = settings.pop("jobs")
    with (
        dask.config.set(SETTINGS),
        _jobqueue().SLURMCluster(**_of_a_job(settings)) as cluster,
        Client(cluster) as client,
    ):
        cluster.adapt(minimum_jobs=0, maximum_jobs=jobs)
        yield client


def job_script(file: Path) -> str:
    """What is submitted for a worker."""
    settings = profile(file)
    settings.pop("jobs")
    try:
        return _jobqueue().slurm.SLURMJob("tcp://SCHEDULER", "recall", **_of_a_job(settings)).job_script()
    except (TypeError, ValueError, AttributeError) as error:
        raise ParameterError(f"{file} makes no job ({error}); its values are those of dask-jobqueue") from error


def _of_a_job(settings: dict[str, Any]) -> dict[str, Any]:
    """One worker of one thread, with no limits but SLURM's, that hands its run on before its time is up."""
    lifetime = f"{_seconds(settings['walltime']) - MARGIN}s"
    arguments = ["--memory-limit", "0", "--lifetime", lifetime]
    return {"cores": 1, "processes": 1, "job_name": "recall", "worker_extra_args": arguments, **settings}


def _seconds(walltime: str) -> int:
    """Of HH:MM:SS, perhaps with days and a dash before.

    Raises:
        ParameterError: it is something else, or too short for anything.
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", str(walltime))
    if not found:
        raise ParameterError(f'walltime is {walltime!r}; write it in quotes as "HH:MM:SS" or "D-HH:MM:SS"')
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total <= 2 * MARGIN:
        raise ParameterError(f"walltime is {walltime}; it must be more than {2 * MARGIN // 60} minutes")
    return total


def _jobqueue() -> Any:
    try:
        import dask_jobqueue
        import dask_jobqueue.slurm
    except ImportError as error:
        raise ParameterError(
            "SLURM needs the package dask-jobqueue; install it with: pip install 'recall-traces[slurm]'"
        ) from error
    return dask_jobqueue
