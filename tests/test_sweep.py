"""Training what is missing: stored once, in parallel, whatever happens to workers, schedulers, clients and disks."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from clusters import Killer, is_trained, processes, script, specs, told, wait_until
from small_runs import small_spec, texts

from recall import cluster, sweep
from recall.analysis.records import load_record
from recall.checkpoints import Checkpoint
from recall.errors import NonFiniteError, ParameterError, RecordError, TrainingStoppedError
from recall.on_policy import OnPolicyTraining
from recall.progress import Progress, Report
from recall.runs import RunSpec
from recall.store import Store
from recall.sweep import train_missing
from recall.threads import THREADS
from recall.training import checkpoint_of, steps_of, train
from recall.worker import TOPIC


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Scratch space of its own."""
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty one."""
    return Store(tmp_path / "records", {"small": {"some-claim": "abc"}})


def assert_bytes(store: Store, spec: RunSpec) -> None:
    """The record is that of a training to which nothing happened."""
    record = load_record(store.path(spec))
    assert record.provenance["threads"] == 1
    for name, text in texts(train(spec)).items():
        assert (record.path / f"{name}.csv").read_text() == text


def waiting(scratch: Path) -> list[str]:
    """Trainings that have not ended."""
    return [path.name for path in scratch.glob("**/*.checkpoint")]


def test_where_there_are_more_cores_than_runs_each_run_has_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "cores", lambda: 5)
    with cluster.local(2) as client:
        assert set(client.run(os.getenv, THREADS).values()) == {"2"}


def test_what_is_missing_is_trained_and_what_is_stored_is_not(
    store: Store, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of its own, to the same bytes as here."""
    chosen = [small_spec(), small_spec("learned")]
    train_missing(chosen, store, workers=1, progress=False)
    for spec in chosen:
        assert_bytes(store, spec)
    assert waiting(scratch) == []
    monkeypatch.setattr(sweep, "sweep", lambda missing, *_: [pytest.fail(f"trained {missing}")])
    train_missing(chosen, store)


def test_what_others_train_with_the_same_scheduler_is_not_told_here(store: Store) -> None:
    class Crowd(Progress):
        """Somebody else's training reports whenever we look."""

        def tick(self) -> None:
            client.log_event(TOPIC, Report("other/run", 1, 0, 1.0, None)._asdict())
            super().tick()

    spec = small_spec()
    with cluster.local(1) as client, Crowd({spec.folder: steps_of(spec)}, "", shown=False) as watch:
        ended = sweep.sweep([spec], store, client, watch)
    assert [run.state for run in ended] == ["finished"]
    assert watch.steps == {spec.folder: steps_of(spec)}


def test_this_process_finds_out_how_runs_are_trained_before_its_workers_do(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it says what makes training slow, which workers leave to it."""
    asked: list[RunSpec] = []
    monkeypatch.setattr(sweep, "numerics", asked.append)
    monkeypatch.setattr(sweep, "sweep", lambda missing, *_: [])
    train_missing([small_spec(), small_spec("learned")], store, progress=False)
    assert asked == [small_spec(), small_spec("learned")]


@pytest.mark.slow
def test_what_one_run_suffers_takes_no_other_down(store: Store, scratch: Path) -> None:
    """One's process is killed, another's checkpoint cannot be written."""
    killed, homeless, other = specs(3)
    scratch.mkdir()
    checkpoint_of(homeless).touch()
    killer = swept([killed, homeless, other], store, {killed.folder: 1})
    states = {run.run: run.state for run in killer.all}
    assert states == {killed.folder: "finished", homeless.folder: "failed", other.folder: "finished"}
    [reason] = [run.reason for run in killer.all if run.state == "failed"]
    assert "could not be written" in reason
    assert killer.kills == {killed.folder: 1}
    for spec in (killed, other):
        assert_bytes(store, spec)
    assert homeless not in store
    assert waiting(scratch) == [checkpoint_of(homeless).name]


@pytest.mark.slow
def test_a_run_that_kills_its_processes_is_given_up(store: Store, scratch: Path) -> None:
    always, *others = specs(3)
    killer = swept([always, *others], store, {always.folder: 100})
    assert killer.kills == {always.folder: 3}
    [reason] = [run.reason for run in killer.all if run.state == "failed"]
    assert reason.startswith("its process was killed three times, perhaps for want of memory")
    for spec in others:
        assert_bytes(store, spec)
    assert waiting(scratch) == [checkpoint_of(always).name] * checkpoint_of(always).exists()


@pytest.mark.slow
def test_twenty_kills_change_no_byte(store: Store, scratch: Path) -> None:
    chosen = specs(20, updates=200)
    killer = swept(chosen, store, {spec.folder: 1 for spec in chosen})
    assert killer.kills.total() == 20
    assert [run.state for run in killer.all] == ["finished"] * 20
    for spec in chosen:
        assert_bytes(store, spec)
    assert waiting(scratch) == []


def swept(chosen: list[RunSpec], store: Store, kills: dict[str, int]) -> Killer:
    """A sweep on this machine in which processes are killed."""
    with cluster.local(2) as client:
        killer = Killer(client, kills)
        assert sweep.sweep(chosen, store, client, killer) == killer.all
    return killer


def test_an_error_that_nobody_foresaw_keeps_its_name() -> None:
    assert sweep._reason(KeyError("joint")) == "KeyError: 'joint'"
    assert sweep._reason(RecordError("it is damaged")) == "it is damaged"
    assert sweep._reason(NonFiniteError("loss is NaN")) == (
        "loss is NaN; the same settings stop there again, so choose others"
    )


def test_a_record_that_could_not_be_stored_is_not_trained_again(
    store: Store, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec()

    def full(*_: object) -> None:
        raise RecordError("the record could not be written")

    with monkeypatch.context() as disk:
        disk.setattr(Store, "add", full)
        with pytest.raises(TrainingStoppedError, match=f"{spec.folder} stopped: the record could not be written"):
            train_missing([spec], store, progress=False)
    assert waiting(scratch) == [checkpoint_of(spec).name]
    monkeypatch.setattr(OnPolicyTraining, "step", lambda _: pytest.fail("trained again"))
    result = train(spec, checkpoint_of(spec))
    monkeypatch.undo()
    assert texts(result) == texts(train(spec))


@pytest.mark.slow
def test_the_same_sweep_twice_at_once_trains_everything_once(tmp_path: Path, store: Store, scratch: Path) -> None:
    command = script(tmp_path, f"clusters.sweep_and_tell({str(store.root)!r}, {str(tmp_path)!r}, n=4)")
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    found = [told(tmp_path / f"{process.pid}.json") for process in both]
    assert all(state in {"finished", "skipped"} for each in found for state in each["states"].values())
    for spec in specs(4):
        trained = sum(each["trained"].get(spec.folder, 0) for each in found)
        assert trained <= steps_of(spec) * 1.01
        assert_bytes(store, spec)
    assert waiting(scratch) == []


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_client(tmp_path: Path, store: Store) -> None:
    command = script(tmp_path, f"clusters.sweep_and_die({str(store.root)!r})", everywhere="clusters.take_time()")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    workers = [int(pid) for pid in done.stdout.split()]
    assert len(workers) == 2
    gone(workers)
    chosen = specs(2)
    assert all(checkpoint_of(spec).exists() for spec in chosen)
    train_missing(chosen, store, 2, progress=False)
    for spec in chosen:
        assert_bytes(store, spec)


def gone(pids: list[int]) -> None:
    """Wait until none of these processes is left."""
    wait_until(lambda: not any(map(lives, pids)))


def lives(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# Several machines


@pytest.mark.slow
def test_workers_elsewhere_return_records_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share neither results nor scratch space: a path from here means another folder there."""
    monkeypatch.chdir(tmp_path)
    store, chosen = Store(Path("records"), {}), specs(3)
    with processes(tmp_path, 2) as (address, _), cluster.remote(address) as client:
        ended = sweep.sweep(chosen, store, client, Killer(client, {}))
    assert [run.state for run in ended] == ["finished"] * 3
    for spec in chosen:
        assert_bytes(store, spec)
    assert list(tmp_path.glob("machine-*/records")) == []
    assert waiting(tmp_path) == []


def test_what_a_shared_folder_holds_by_now_is_not_trained(tmp_path: Path, store: Store) -> None:
    """Another sweep stored it after this one had begun."""
    spec = small_spec()
    store.add(spec, store.files(spec, train(spec)))
    with processes(tmp_path, 1) as (address, _), cluster.remote(address) as client:
        killer = Killer(client, {})
        [ended] = sweep.sweep([spec], store, client, killer)
    assert (ended.state, killer.trained) == ("skipped", {})


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["scheduler", "client"])
def test_when_nobody_waits_any_more_workers_save_and_a_new_sweep_goes_on(
    victim: str, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [spec] = specs(1, updates=1500)
    command = script(tmp_path, f"clusters.sweep_at(sys.argv[1], {str(store.root)!r}, 1500)")
    with processes(tmp_path, 1) as (address, running):
        doomed = subprocess.Popen([*command, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert doomed.stdout is not None
        assert doomed.stdout.readline() == "begun\n"
        (running[0] if victim == "scheduler" else doomed).kill()
        said = doomed.communicate(timeout=60)[1]
        wait_until(lambda: not is_trained(tmp_path / "machine-0", spec))
    told = "the scheduler is gone; the same command goes on from the last checkpoints" in said
    assert told == (victim == "scheduler")
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "machine-0"))
    state = Checkpoint(checkpoint_of(spec)).glance()
    assert state is not None
    assert 0 < state["update"] < 1500
    train_missing([spec], store, 1, progress=False)
    assert_bytes(store, spec)


def test_an_address_where_nothing_answers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(ParameterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"),
        cluster.remote("tcp://127.0.0.1:1"),
    ):
        pass
