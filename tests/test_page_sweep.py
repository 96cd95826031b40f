"""What a sweep will cost, what a person sees of it, and where it may be trained."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_runs import small_spec

from recall import cli, page_sweep, sweep_log
from recall.analysis.records import find_records
from recall.errors import ParameterError, RecordError
from recall.forecast import forecast, in_words
from recall.page_sweep import PageSweep, planned, specs_of
from recall.pages import PAGES
from recall.progress import Ended, Report
from recall.slurm import job_script, profile, slurm
from recall.store import Store
from recall.sweep_log import SweepLog
from recall.training import steps_of, train


def stored(store: Store, *seeds: int, seconds: float = 36.0) -> None:
    """Records of the small run, which took so long each."""
    for seed in seeds:
        spec = small_spec(seeds=(seed,), updates=3)
        result = train(spec)
        timing = result.timing.assign(seconds=seconds / len(result.timing))
        store.add(spec, store.files(spec, replace(result, timing=timing)))


# What it will cost


def test_costs_are_those_of_the_runs_most_like_it(tmp_path: Path) -> None:
    store = Store(tmp_path, {})
    stored(store, 0, 1)
    records = find_records(tmp_path)
    again = [small_spec(seeds=(seed,), updates=30) for seed in (2, 3, 4)]
    row = forecast(again, records).iloc[0]
    assert (row["runs"], row["steps"]) == (3, 3 * 30 * 64)
    assert row["core-hours"] == pytest.approx(3 * 10 * 36 / 3600)
    sizes = [sum(file.stat().st_size for file in record.path.iterdir()) for record in records]
    assert row["MB"] == pytest.approx(3 * sum(sizes) / 2 / 1e6)


def test_an_arm_takes_the_time_of_arms_of_its_kind(tmp_path: Path) -> None:
    """With recall as others with recall, where there are any; an agent that nobody trained has no costs."""
    store = Store(tmp_path, {})
    stored(store, 0)
    recalling = small_spec("learned", updates=3)
    assert forecast([recalling], find_records(tmp_path)).iloc[0]["core-hours"] == pytest.approx(2 * 36 / 3600)
    result = train(recalling)
    store.add(recalling, store.files(recalling, replace(result, timing=result.timing.assign(seconds=7200.0))))
    hours = 7200 * len(result.timing) / 3600
    assert forecast([recalling], find_records(tmp_path)).iloc[0]["core-hours"] == pytest.approx(hours)
    unknown = forecast([small_spec()], [])
    assert unknown["core-hours"].isna().all()
    assert "nobody knows for how long" in in_words(unknown, 0, 2)


def test_a_plan_in_words() -> None:
    table = pd.DataFrame({"runs": [3, 2], "steps": [2_000_000, 1_000_000], "core-hours": [1.0, 3.0], "MB": [4.0, 1.5]})
    assert in_words(table, 7, 2) == (
        "12 runs: 7 stored, 5 to train (3.0 million environment steps), about 4.0 core-hours, 2.0 hours on 2 cores, "
        "and 6 MB"
    )
    assert in_words(table.iloc[:0], 7, 2) == "7 runs: 7 stored, 0 to train (0.0 million environment steps)"


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_both_profiles(page: str) -> None:
    [quick], [published] = (specs_of([page], name) for name in ("quick", "published"))
    assert len({spec.key for spec in published}) == len(published)
    assert {seed for spec in quick for seed in spec.seeds} == {0, 1}


def test_runs_that_pages_share_are_trained_once(checkout: Path) -> None:
    lacking = planned(["small", "small"], "published", publish=False).stock.lacking
    assert len(lacking) == len(set(lacking)) == 2


def test_a_page_that_is_none_is_refused() -> None:
    with pytest.raises(ParameterError, match="there is no page 'sak' to run; choose from"):
        specs_of(["sak"], "published")
    with pytest.raises(ParameterError, match="no page was named"):
        specs_of([], "published")


# What a person sees


def test_a_log_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run, all together, and every end; no control characters; bars on the screen."""
    monkeypatch.setattr(sweep_log, "LINE_SECONDS", 0.0)
    with SweepLog({"page/a": 1000, "page/b": 1000}, tmp_path / "new" / "sweep.log") as log:
        log.reported(Report("page/a", 600, 200, 4.0, None))
        log.reported(Report("page/b", 500, 0, 10.0, -12.345))
        log.tick()
        log.ended(Ended("page/a", "finished"))
        log.ended(Ended("page/b", "failed", "it broke"))
        table = log.table().splitlines()
    text = (tmp_path / "new" / "sweep.log").read_text()
    assert re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", text, flags=re.M).splitlines() == [
        "page/a: 600 of 1,000 steps, 100 steps/s, 0.1 min left",
        "page/b: 500 of 1,000 steps, return -12.35, 50 steps/s, 0.2 min left",
        "all: 0 of 2 runs, 1,100 of 2,000 steps",
        "page/a: finished",
        "page/b: failed: it broke",
    ]
    assert all(character == "\n" or character.isprintable() for character in text)
    assert [line.split() for line in table[1:]] == [
        ["failed", "page/b", "0.2", "it", "broke"],
        ["finished", "page/a", "0.1"],
    ]
    shown = capsys.readouterr().err
    assert "2 runs:" in shown
    assert "page/b:" in shown
    assert "return -12.35" in shown


def test_lines_about_a_run_are_some_time_apart(tmp_path: Path) -> None:
    with SweepLog({"a": 1000}, tmp_path / "log", shown=False) as log:
        for steps in range(100):
            log.reported(Report("a", steps, 0, 1.0, None))
    assert len((tmp_path / "log").read_text().splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_full_disk_costs_lines_of_the_log_and_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    with SweepLog({"page/a": 1000, "page/b": 1000}, Path("/dev/full"), shown=False) as log:
        log.ended(Ended("page/a", "finished"))
        log.ended(Ended("page/b", "finished"))
    assert log.table().count("finished") == 2
    assert capsys.readouterr().err == "recall: the log lacks lines (No space left on device); the sweep goes on\n"


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be written"):
        SweepLog({}, tmp_path / "file" / "log")


# Where it is trained


def test_the_job_of_a_slurm_worker(tmp_path: Path) -> None:
    """One core, one thread, and a worker that leaves five minutes before SLURM would end it."""
    file = tmp_path / "cluster.yml"
    settings = {"queue": "cpu", "account": "lab", "jobs": 3, "walltime": "1-02:00:00", "memory": "6GB"}
    file.write_text(yaml.safe_dump(settings | {"job_script_prologue": ["module load python/3.11"]}))
    lines = job_script(file).splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert {"-p cpu", "-A lab", "-n 1", "--cpus-per-task=1", "--mem=6G", "-t 1-02:00:00"} <= asked
    assert "module load python/3.11" in lines
    [command] = [line for line in lines if "dask_worker" in line]
    assert "--nthreads 1 " in command
    assert command.endswith(f"--memory-limit 0 --lifetime {26 * 3600 - 300}s")
    script = tmp_path / "job.sh"
    script.write_text("\n".join(lines))
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("walltime: 04:00", "walltime is .*; write it in quotes"),
        ('walltime: "00:08:00"', "it must be more than 10 minutes"),
        ("partition: cpu", "has 'partition'; known are account, interface"),
        ("jobs: many", "jobs of .* is 'many'; it must be a whole number"),
        ("- cpu", "holds no names with values"),
        ("a: [", "is no SLURM profile that can be read"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "cluster.yml"
    file.write_text(text)
    with pytest.raises(ParameterError, match=sentence):
        job_script(file)
    with pytest.raises(ParameterError, match="is no SLURM profile that can be read"):
        profile(tmp_path / "none.yml")


def test_where_there_is_no_slurm_no_job_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cluster.yaml").write_text("queue: cpu\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParameterError, match="there is no sbatch here"), slurm(tmp_path / "cluster.yaml"):
        pytest.fail("a cluster was started")


def test_without_dask_jobqueue_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    file = tmp_path / "cluster.yml"
    file.touch()
    with pytest.raises(ParameterError, match=r"pip install 'recall-traces\[slurm\]'"):
        job_script(file)


# The command


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with results of its own, and one page of two small runs."""
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    runs = [small_spec(seeds=(seed,)) for seed in (0, 1)]
    monkeypatch.setattr(page_sweep, "specs_of", lambda pages, chosen: [runs for _ in pages])
    return tmp_path


def test_the_command_plans_trains_and_tells(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "small", "--dry-run"]) == 0
    assert "2 runs: 0 stored, 2 to train" in capsys.readouterr().out
    assert list((checkout / "papermill_runs").iterdir()) == []
    assert cli.main(["sweep", "small", "--workers", "2", "--log", "told.log"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("finished") == 2
    assert (checkout / "told.log").read_text().count(": finished\n") == 2
    assert len(find_records(checkout / "papermill_runs" / "local")) == 2
    assert cli.main(["sweep", "small"]) == 0
    assert "2 runs: 2 stored, 0 to train" in capsys.readouterr().out


def test_a_sweep_that_fails_says_so(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "scratch").write_text("no folder")
    assert cli.main(["sweep", "small", "--workers", "1"]) == 1
    told = capsys.readouterr()
    assert "2 of 2 runs failed; why is written in the table" in told.err
    assert told.out.count("set RECALL_SCRATCH to another folder") == 2


def test_one_place_at_a_time(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sweep", "small", "--workers", "1", "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "name different places to train; give one of them" in capsys.readouterr().err


def test_what_is_published_must_lie_there(checkout: Path) -> None:
    """A run of one's own is enough for oneself, not for the report."""
    [[first, _]] = page_sweep.specs_of(["small"], "published")
    stored_locally = planned(["small"], "published", publish=False).store
    stored_locally.add(first, stored_locally.files(first, train(first)))
    assert len(planned(["small"], "published", publish=False).stock.lacking) == 1
    published = planned(["small"], "published", publish=True)
    assert isinstance(published, PageSweep)
    assert len(published.stock.lacking) == 2
    assert published.store.root.name == "records"
    assert sum(map(steps_of, published.stock.lacking)) == 2 * 30 * 64
