"""Unfinished trainings: listed, gone on with to the same bytes, and refused where they would end otherwise."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_control import sac_spec
from small_runs import small_spec, texts

from recall.agents.actor_critic import ActorCriticConfig
from recall.agents.sac import SACConfig
from recall.analysis.records import load_record
from recall.checkpoints import Checkpoint
from recall.cli import main
from recall.errors import RecordError
from recall.on_policy import OnPolicyTraining
from recall.pages import store
from recall.runs import RunSpec, write_record
from recall.training import checkpoint_of, train
from recall.unfinished import Unfinished, ago, chosen, unfinished
from recall.worker import alone

SPEC, OTHER = small_spec("learned"), small_spec(seeds=(5,))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, with a scratch space of its own."""
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path


def begun(spec: RunSpec, updates: int = 7, seconds_ago: int = 0) -> Path:
    """The checkpoint of a training that was stopped."""
    training = OnPolicyTraining(spec)
    for _ in range(updates):
        training.step()
    Checkpoint(checkpoint_of(spec)).save(training.state())
    for file in checkpoint_of(spec).glob("*.state"):
        saved = file.stat().st_mtime - seconds_ago
        os.utime(file, (saved, saved))
    return checkpoint_of(spec)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error of the command."""
    status = main(["resume", *arguments])
    return status, *capsys.readouterr()


def test_nothing_to_go_on_with_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == (0, f"no training waits in {folder / 'scratch'}\n", "")
    status, _, error = told(capsys, "abc")
    assert (status, error) == (1, "recall: there is no unfinished training 'abc', and no other either\n")


def test_the_list_says_how_far_each_is(capsys: pytest.CaptureFixture[str]) -> None:
    begun(SPEC, 7, seconds_ago=600)
    begun(OTHER, 29)
    status, output, error = told(capsys)
    assert (status, error) == (0, "")
    head, newest, oldest = (line.split() for line in output.splitlines())
    assert head == ["key", "page", "arm", "env_label", "seeds", "steps", "of", "saved"]
    assert newest[:7] == [OTHER.key, "small", "baseline", "side-7", "5", str(29 * 64), str(30 * 64)]
    assert oldest == [SPEC.key, "small", "learned", "side-7", "0,1", str(7 * 64), str(30 * 64), "10", "minutes", "ago"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds ago"),
        (119, "119 seconds ago"),
        (130, "2 minutes ago"),
        (7200, "2 hours ago"),
        (2e5, "2 days ago"),
    ],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_what_is_no_checkpoint_is_not_listed(folder: Path) -> None:
    begun(SPEC)
    (folder / "scratch" / "empty.checkpoint").mkdir()
    Checkpoint(folder / "scratch" / "foreign.checkpoint").save({"update": 3})
    (checkpoint_of(SPEC) / "00000002.state").write_bytes(b"half written")
    (only,) = unfinished()
    assert only.content["update"] == 7
    assert only.spec() == SPEC


def test_a_training_is_chosen_by_key_name_or_folder(folder: Path) -> None:
    begun(SPEC)
    begun(OTHER)
    waiting = unfinished()
    for name in (SPEC.key, SPEC.folder, "learned", str(checkpoint_of(SPEC))):
        assert chosen(name, waiting).spec() == SPEC
    with pytest.raises(RecordError, match=r"2 unfinished trainings have 'side-7' in their names; choose one: "):
        chosen("side-7", waiting)
    with pytest.raises(RecordError, match=rf"no unfinished training 'learnt'; the nearest are {SPEC.folder}, "):
        chosen("learnt", waiting)


def test_all_and_a_name_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, error = told(capsys, "abc", "--all")
    assert (status, error) == (1, "recall: --all goes on with every training; leave its name out, or --all\n")


def test_all_go_on_to_the_same_bytes_and_are_stored(capsys: pytest.CaptureFixture[str]) -> None:
    for spec in (SPEC, OTHER):
        begun(spec)
    status, output, _ = told(capsys, "--all", "--workers", "1")
    assert status == 0
    folders = {store(local=True).path(spec): spec for spec in (SPEC, OTHER)}
    assert {Path(line.removeprefix("record: ")) for line in output.splitlines()} == folders.keys()
    for path, spec in folders.items():
        metrics = load_record(path).path / "metrics.csv"
        assert metrics.read_text() == texts(train(spec))["metrics"]
    assert unfinished() == []


def test_a_checkpoint_that_another_process_trains_from_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """Its record is among one's own, and somebody trains the published one."""
    write_record(store(local=True).root, SPEC, train(SPEC), {})
    checkpoint = begun(SPEC)
    with alone(SPEC, lambda: None):
        assert told(capsys, SPEC.key)[0] == 0
        assert list(checkpoint.glob("*.state"))
    assert told(capsys, SPEC.key)[0] == 0
    assert not checkpoint.exists()


def test_a_checkpoint_that_vanishes_while_it_is_listed_is_no_error(folder: Path) -> None:
    gone = Unfinished(folder / "gone.checkpoint", {})
    assert gone.seconds_ago == 0


def test_other_numerics_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    begun(SPEC)
    with monkeypatch.context() as patch:
        patch.setattr(ActorCriticConfig, "numerics", {"engine": "abacus", "precision": "float32"})
        status, _, error = told(capsys, SPEC.key)
    assert status == 1
    assert error.startswith(f"recall: {SPEC.folder} cannot go on: engine eager there and abacus here; go on where")
    checkpoint_of(SPEC).rename(checkpoint_of(SPEC).with_name("renamed.checkpoint"))
    assert "its folder was renamed; go on where it began, or delete the folder" in told(capsys, SPEC.key)[2]


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    begun(SPEC)
    name = SPEC.folder
    monkeypatch.setattr(ActorCriticConfig, "version", 99)
    status, _, error = told(capsys, name)
    assert status == 1
    assert f"{name} cannot go on: this version of the package would train something else" in error


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import recall.engine, recall.training
recall.engine.engine = lambda: "eager"
recall.training.CHECKPOINT_SECONDS = 0.3
from recall.training import checkpoint_of
from test_unfinished import SAC

def kill(training):
    if training.update >= 300 and checkpoint_of(SAC).exists():
        os.kill(os.getpid(), signal.SIGKILL)

recall.training.train(SAC, checkpoint_of(SAC), kill)
"""

AGENT = SACConfig(batch_size=32, hidden=(16, 16), random_steps=100, precision="float32")
SAC = sac_spec("repaired", steps=400, env_id="Pendulum-v1", agent=AGENT, eval_every=200)


def test_a_killed_soft_actor_critic_goes_on_to_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eagerly, which suits such small networks: the process that goes on finds no compiler."""
    monkeypatch.setattr("recall.engine.engine", lambda: "eager")
    monkeypatch.setenv("CXX", "none")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "cache"))
    code = KILLED.format(tests=str(Path(__file__).parent))
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == -signal.SIGKILL
    (waiting,) = unfinished()
    assert 0 < waiting.content["steps"] < 400
    status, output, error = told(capsys, SAC.key)
    assert status == 0, error
    resumed = load_record(Path(output.strip().removeprefix("record: ")))
    assert resumed.path == store(local=True).path(SAC)
    undisturbed = write_record(folder / "undisturbed", SAC, train(SAC), {})
    hashed = resumed.provenance["sha256"]
    assert hashed.keys() == {"spec.json", "metrics.csv", "recall.csv", "policy.safetensors"}
    for name in hashed:
        assert (resumed.path / name).read_bytes() == (undisturbed / name).read_bytes()
    assert resumed.provenance["versions"].keys() == {"recall", "torch", "numpy", "pandas", "gymnasium"}
