"""Stored policies: kept whole, run again as the training ran them, and found by their names."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from small_control import run_eagerly, sac_spec
from small_runs import small_spec

from recall.agents.actor import act
from recall.analysis.records import load_record
from recall.cli import main
from recall.errors import RecordError
from recall.evaluation import evaluation_seeds
from recall.identity import file_sha256
from recall.loop import Training
from recall.pages import store
from recall.policies import Policy, comparison, evaluate_policy, load_policy, mean_and_interval
from recall.runs import POLICY, Result, write_record
from recall.training import begin, train

SPEC = sac_spec(seeds=(3, 4), steps=200, eval_every=60)
LAST = evaluation_seeds(3, 5)
"""Seeds of the evaluation after the last step: the fourth, after 60, 120 and 180 steps."""


@pytest.fixture(scope="module")
def training() -> Iterator[Training]:
    """A training that came to its end."""
    with pytest.MonkeyPatch.context() as patch:
        run_eagerly(patch)
        training = begin(SPEC)
        while training.update < SPEC.n_updates:
            training.step()
        yield training


@pytest.fixture(scope="module")
def result(training: Training) -> Result:
    """What it gave."""
    return training.result()


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, in which one is."""
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("recall.engine.engine", lambda: "eager")
    return tmp_path


@pytest.fixture
def record(result: Result) -> Path:
    """Its record among the local ones."""
    return write_record(store(local=True).root, SPEC, result, {})


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error of the command."""
    status = main(["eval", *arguments])
    return status, *capsys.readouterr()


# Stored


def test_a_record_keeps_the_actors_with_a_checksum(record: Path, training: Training) -> None:
    layers = load_file(record / POLICY)
    actor = training.agent.learner.actor  # type: ignore[attr-defined]
    assert sorted(layers) == [f"actor.{index}" for index in range(len(actor))]
    for index, layer in enumerate(actor):
        assert np.array_equal(layers[f"actor.{index}"], layer.numpy())
    assert load_record(record).provenance["sha256"][POLICY] == file_sha256(record / POLICY)


def test_the_same_layers_are_the_same_bytes(record: Path, result: Result, tmp_path: Path) -> None:
    backwards = dict(reversed(list(result.policy.items())))
    again = write_record(tmp_path, SPEC, replace(result, policy=backwards), {})
    assert (again / POLICY).read_bytes() == (record / POLICY).read_bytes()


def test_a_damaged_policy_is_refused(record: Path) -> None:
    content = bytearray((record / POLICY).read_bytes())
    content[-1] ^= 1
    (record / POLICY).write_bytes(content)
    with pytest.raises(RecordError, match=rf"{POLICY} is not as written"):
        load_record(record)


def test_provenance_and_numerics_name_mujoco(record: Path) -> None:
    found = load_record(record)
    assert found.provenance["versions"]["mujoco"] == found.numerics["mujoco"]


def test_other_layers_are_no_policy(record: Path) -> None:
    provenance = json.loads((record / "provenance.json").read_text())
    (record / POLICY).write_bytes(b"not a tensor")
    provenance["sha256"][POLICY] = file_sha256(record / POLICY)
    (record / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(RecordError, match="holds no policy that this version"):
        load_policy(load_record(record))


# Run again


@pytest.fixture
def policy(record: Path) -> Policy:
    """The stored policy."""
    return load_policy(load_record(record))


def test_a_stored_policy_acts_as_the_agent_did(policy: Policy, training: Training) -> None:
    obs = np.random.default_rng(0).normal(size=(2, 7, 4)).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=(2, 7, 1)).astype(np.float32)
    for given in (0.0, noise):
        assert np.array_equal(act(policy.layers, obs, given), training.agent.act(obs, given))  # type: ignore[attr-defined]
    for run in (0, 1):
        alone = training.agent.act(obs[run : run + 1, :1], runs=slice(run, run + 1))  # type: ignore[attr-defined]
        assert np.array_equal(policy.action(run, obs[run, 0]), alone[0, 0])


def test_with_its_own_seeds_the_mean_is_the_last_row_of_the_metrics(policy: Policy, result: Result) -> None:
    assert policy.last_seeds == LAST
    means = evaluate_policy(policy).groupby("seed")["return"].mean()
    last = result.tables["metrics"].groupby("seed")["return"].last()
    assert means.to_dict() == last.to_dict()


def test_episodes_and_seeds_are_as_asked(policy: Policy) -> None:
    table = evaluate_policy(policy, 3, seed=17)
    assert table["seed"].tolist() == [3] * 3 + [4] * 3
    assert table["reset_seed"].tolist() == [17, 18, 19] * 2
    assert table["return"].nunique() > 1
    assert (table["length"] >= table["return"]).all()  # a step of this environment is worth at most 1
    assert table.equals(evaluate_policy(policy, 3, seed=17))


def test_the_interval_is_students() -> None:
    text = mean_and_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    half = 2.776445 * np.sqrt(2.5 / 5)  # t with 4 degrees of freedom
    assert text == f"3, 95 % interval {3 - half:.6g} to {3 + half:.6g} (5 episodes)"
    assert mean_and_interval(np.array([7.0, 7.0])) == "7, 95 % interval 7 to 7 (2 episodes)"
    assert mean_and_interval(np.array([7.0])) == "7 (1 episode)"


def test_another_mean_names_what_differs(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = policy.record.table("metrics").query("seed == 3")["return"].iloc[-1]
    equal = f"equal to the last row of metrics.csv, {stored:.6g}, in the same 5 episodes"
    assert comparison(policy, 3, stored, 5) == equal
    assert comparison(policy, 3, 1e6, 5) == f"1e+06 where the last row of metrics.csv has {stored:.6g}"
    monkeypatch.setattr("recall.runs.processor_family", lambda: "abacus")
    assert comparison(policy, 3, 1e6, 5).endswith("; the numerics differ: processor")


# The command


def test_the_command_shows_episodes_mean_and_check(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output, error = told(capsys, record.name)
    assert (status, error) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"{record.name}, page small: the mean action after 200 steps. The observation of Inv")
    assert lines[1].split() == ["seed", "reset_seed", "return", "length"]
    assert [line.split()[:2] for line in lines[2:12]] == [[str(s), str(reset)] for s in (3, 4) for reset in LAST]
    for seed, mean, check in ((3, *lines[12:14]), (4, *lines[14:16])):
        assert mean.startswith(f"seed {seed}: mean return ")
        assert check.startswith(f"seed {seed}: equal to the last row of metrics.csv, ")


def test_more_episodes_contain_the_check_and_others_do_not(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "equal to the last row" in told(capsys, record.name, "--episodes", "6")[1]
    assert "last row" not in told(capsys, record.name, "--episodes", "5", "--seed", "1")[1]
    assert "last row" not in told(capsys, record.name, "--episodes", "4")[1]


def test_wrong_requests_are_refused(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rooms = small_spec(updates=3)
    write_record(store(local=True).root, rooms, train(rooms), {})
    cases = {
        ("InvertedPendulum", "--episodes", "0"): "episodes is 0; it must be 1 or more",
        (rooms.key,): "keeps no policy (published records keep that of seed 0, those of the four rooms none); choose",
        ("side-8",): f"there is no run 'side-8'; the nearest are {rooms.folder}",
        ("small",): "2 runs have 'small' in their names; choose one: small/InvertedPendulum-v5-baseline-",
    }
    for arguments, sentence in cases.items():
        status, output, error = told(capsys, *arguments)
        assert (status, output, error.count("\n")) == (1, "", 1)
        assert sentence in error
    assert told(capsys, record.name)[0] == 0
