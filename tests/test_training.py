"""The training loop: what it collects and records, and that a stop at any moment changes nothing."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_runs import csv, small_spec, texts

import recall.training
from recall.checkpoints import Checkpoint, State
from recall.envs.exact import evaluate
from recall.envs.four_rooms import FourRooms, FourRoomsConfig, FourRoomsEnv
from recall.errors import CheckpointError, TrainingStoppedError
from recall.exploration import Exploration
from recall.loop import Training
from recall.on_policy import SNAPSHOTS, OnPolicyTraining, collect
from recall.training import train

KINDS = (None, "true", "learned", "learned-both")


def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save a checkpoint after every update."""
    monkeypatch.setattr(recall.training, "CHECKPOINT_SECONDS", -1)


def kept(folder: Path) -> State:
    """The state that a checkpoint has, the newest of which is whole."""
    state = Checkpoint(folder).load(pytest.fail)
    assert state is not None
    return state


# Collecting


@pytest.mark.parametrize("start", ["corner", "uniform"])
def test_a_rollout_is_what_gymnasiums_environment_does(start: str) -> None:
    """Each environment's transitions, episode by episode; the state at an episode's end is the true one."""
    config = FourRoomsConfig(side=7, start=start, horizon=40)  # type: ignore[arg-type]
    training = OnPolicyTraining(small_spec(env=config))
    rollout = collect(training.env, training.agent, training.streams, 200)
    assert rollout.terminated.sum() > 3
    assert rollout.truncated.sum() > 3
    for run, env in np.ndindex(rollout.obs.shape[1:]):
        one = FourRoomsEnv(**vars(config))
        done = True
        for t in range(200):
            at = (t, run, env)
            if done:
                one.reset(seed=0)
                assert start == "uniform" or one._obs == rollout.obs[at]
                one._obs = rollout.obs[at]
            next_obs, reward, terminated, truncated, _ = one.step(rollout.action[at])
            found = [x[at] for x in (rollout.next_obs, rollout.reward, rollout.terminated, rollout.truncated)]
            assert found == [next_obs, reward, terminated, truncated]
            done = terminated or truncated


def test_the_terminal_state_is_stored_and_not_the_next_start() -> None:
    training = OnPolicyTraining(small_spec())
    rollout = collect(training.env, training.agent, training.streams, 300)
    goal, done = training.grid.goal, rollout.terminated | rollout.truncated
    assert (rollout.next_obs[rollout.terminated] == goal).all()
    assert (rollout.reward == (rollout.next_obs == goal)).all()
    assert np.array_equal(rollout.obs[1:][~done[:-1]], rollout.next_obs[:-1][~done[:-1]])
    assert (rollout.obs[1:][done[:-1]] == training.grid.start).all()
    assert not (rollout.obs == goal).any()


def test_exploration_counts_as_one_would_by_hand() -> None:
    training = OnPolicyTraining(small_spec(seeds=(0, 1, 2)))
    rollouts = [collect(training.env, training.agent, training.streams, 16) for _ in range(12)]
    exploration = Exploration(3, training.grid)
    for rollout in rollouts:
        exploration.observe(rollout)
    for run in range(3):
        before: list[int] = []
        after: list[int] = []
        first = np.nan
        for i, rollout in enumerate(rollouts):
            (before if np.isnan(first) else after).extend(rollout.next_obs[:, run].ravel().tolist())
            hits = np.flatnonzero((rollout.reward[:, run] > 0).any(1))
            if np.isnan(first) and len(hits):
                first = i * 64 + (hits[0] + 1) * 4
        metrics = {name: values[run] for name, values in exploration.metrics().items()}
        assert metrics["first_reward_step"] == first
        assert metrics["states_before_reward"] == len(set(before))
        assert metrics["states_visited"] == len({*before, *after})
        counts = [np.bincount(phase, minlength=training.grid.n_states) for phase in (before, after)]
        assert np.array_equal(exploration.visits[:, run], counts)
    table = exploration.table()
    assert table.groupby("phase")["visits"].sum().to_dict() == pytest.approx({"before": 1, "after": 1})
    assert len(table) == 2 * training.grid.n_states


def test_where_no_run_was_rewarded_nothing_is_after() -> None:
    exploration = Exploration(2, FourRooms(FourRoomsConfig(side=7)))
    assert not exploration.table()["visits"].any()
    assert np.isnan(exploration.metrics()["first_reward_step"]).all()


# Recording


def test_tables_of_a_training() -> None:
    tables = train(small_spec("learned", seeds=(4, 2), updates=20, eval_every=3)).tables
    assert set(tables) == {"metrics", "recall", "occupancy", "traces", "values"}
    updates = [3, 6, 9, 12, 15, 18, 20]  # every third, and the last
    for name in ("metrics", "recall"):
        assert tables[name]["seed"].tolist() == [2] * 7 + [4] * 7
        assert tables[name]["step"].tolist() == [64 * update for update in updates] * 2
    assert tables["recall"]["model_gradient_steps"].tolist() == [2 * update for update in updates] * 2
    assert list(tables["metrics"]) == [
        "seed", "step", "success", "path_length", "return", "value_loss", "entropy",
        "states_visited", "states_before_reward", "first_reward_step",
    ]  # fmt: skip


def test_the_last_evaluation_is_of_the_last_policy() -> None:
    training = OnPolicyTraining(small_spec(seeds=(5, 0), updates=9))
    for _ in range(9):
        training.step()
    expected = evaluate(training.agent.probs.astype(float), training.grid, 100, 0.99)
    metrics = training.result().tables["metrics"]
    for run, seed in enumerate((5, 0)):
        last = metrics[metrics["seed"] == seed].iloc[-1]
        for name, values in expected.items():
            assert last[name] == pytest.approx(values[run])


def test_traces_and_values_are_kept_of_the_first_seed_three_times() -> None:
    spec = small_spec("true", updates=40)
    training = OnPolicyTraining(spec)
    kept = {round(share * 40): name for name, share in SNAPSHOTS.items()}
    assert list(kept.values()) == ["early", "midway", "late"]
    values = {}
    for update in range(1, 41):
        training.step()
        if update in kept:
            values[kept[update]] = training.agent.state_values[0].copy()
    tables, grid = training.result().tables, training.grid
    for name, expected in values.items():
        rows = tables["values"][tables["values"]["snapshot"] == name]
        assert np.array_equal(rows[["row", "col"]], grid.cells)
        assert np.array_equal(rows["value"], expected)
    assert set(tables["traces"]["snapshot"]) == set(values)
    for _, trace in tables["traces"].groupby(["snapshot", "trace"]):
        states = grid.index[trace["row"], trace["col"]]
        assert trace["position"].tolist() == list(range(14))
        assert np.array_equal(grid.next_state[states, trace["action"]], [grid.goal, *states[:-1]])


def test_a_replayed_trace_of_the_true_model_reaches_the_goal() -> None:
    """Its length is the trace's, so the return is the discount to the power of one less."""
    rows = train(small_spec("true")).tables["recall"].dropna()
    assert len(rows) > 10
    assert rows["trace_return"].to_numpy() == pytest.approx(0.99**13)
    assert (rows["model_tv"] == 0).all()
    assert rows["policy_return"].between(0, 1).all()


def test_the_seconds_are_counted_by_phase() -> None:
    timing = train(small_spec("true")).timing.set_index("phase")["seconds"]
    assert set(timing.index) == {"environment", "recall", "learner", "evaluation"}
    assert (timing > 0).all()


# The same numbers, another time


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_specification_gives_the_same_bytes(kind: str | None) -> None:
    assert texts(train(small_spec(kind))) == texts(train(small_spec(kind)))


def test_another_seed_gives_other_numbers() -> None:
    first, second = (train(small_spec(seeds=(seed,))).tables["metrics"] for seed in (0, 1))
    assert csv(first.drop(columns="seed")) != csv(second.drop(columns="seed"))


# Stopping and going on


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_from_a_checkpoint_changes_nothing(kind: str | None, tmp_path: Path) -> None:
    """At two random updates, after the first, and before the last."""
    spec, file = small_spec(kind), tmp_path / "checkpoint"
    expected = texts(train(spec))
    middle = np.random.default_rng(len(kind or "")).choice(np.arange(2, 29), 2, replace=False)
    for update in (1, *sorted(middle), 29):
        stopped, goes_on = OnPolicyTraining(spec), OnPolicyTraining(spec)
        while stopped.update < update:
            stopped.step()
        Checkpoint(file).save(stopped.state())
        goes_on.load_state(kept(file))
        while goes_on.update < spec.n_updates:
            goes_on.step()
        assert texts(goes_on.result()) == expected


def test_a_checkpoint_before_any_reward_goes_on_too(tmp_path: Path) -> None:
    """Then the early snapshot has no trace: a table without rows."""
    env = FourRoomsConfig(side=19)
    spec, file = small_spec("true", env=env, updates=12), tmp_path / "checkpoint"
    stopped, goes_on = OnPolicyTraining(spec), OnPolicyTraining(spec)
    for _ in range(6):
        stopped.step()
    assert stopped.log.tables()["traces"].empty
    Checkpoint(file).save(stopped.state())
    goes_on.load_state(kept(file))
    for training in (stopped, goes_on):
        while training.update < 12:
            training.step()
    assert texts(goes_on.result()) == texts(stopped.result())


@pytest.mark.parametrize("error", [TrainingStoppedError, MemoryError])
def test_a_stopped_training_goes_on_with_the_same_call(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_wait(monkeypatch)
    spec, file = small_spec("learned"), tmp_path / "folder" / "checkpoint"
    expected, seen = texts(train(spec)), []

    def stop(training: Training) -> None:
        seen.append(training.update)
        if training.update == 17:
            raise error

    with pytest.raises(error):
        train(spec, file, stop)
    assert seen == list(range(1, 18))
    seen.clear()
    result = train(spec, file, lambda training: seen.append(training.update))
    assert seen == list(range(18, 31))
    assert texts(result) == expected
    assert list(file.parent.iterdir()) == [file]  # until the caller has stored the result


def test_an_interruption_saves_what_was_done(tmp_path: Path) -> None:
    """However long ago the last checkpoint was; a failure saves nothing, for what failed may be in it."""

    def stop(training: Training) -> None:
        raise error

    for error, updates in ((TrainingStoppedError(), [1]), (MemoryError(), [])):
        file = tmp_path / type(error).__name__
        with pytest.raises(type(error)):
            train(small_spec(), file, stop)
        assert [kept(file)["update"] for _ in range(1) if file.exists()] == updates


@pytest.mark.parametrize("damage", [b"", b"recall-checkpoint-2 0\n", b"what is this?"])
def test_a_damaged_checkpoint_is_named_and_the_training_starts_again(
    damage: bytes, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    spec, folder = small_spec(), tmp_path / "checkpoint"
    folder.mkdir()
    file = folder / "00000001.state"
    file.write_bytes(damage)
    assert texts(train(spec, folder)) == texts(train(spec))
    assert capsys.readouterr().err.splitlines() == [
        f"recall: {file} is damaged or no checkpoint, so state 00000001 is passed over",
        f"recall: no state in {folder} is whole; {spec.folder} starts again from its beginning",
    ]


def test_a_checkpoint_of_another_version_is_named_and_the_training_starts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    spec, folder = small_spec("learned"), tmp_path / "checkpoint"
    training = OnPolicyTraining(spec)
    training.step()
    Checkpoint(folder).save({name: part for name, part in training.state().items() if name != "recaller"})
    assert texts(train(spec, folder)) == texts(train(spec))
    assert capsys.readouterr().err == (
        "recall: the checkpoint does not fit this version of recall (KeyError('recaller')); "
        f"{spec.folder} starts again from its beginning\n"
    )


def test_a_checkpoint_of_another_run_is_not_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    spec, other, file = small_spec(), small_spec(seeds=(7, 8)), tmp_path / "checkpoint"
    stopped = OnPolicyTraining(other)
    stopped.step()
    Checkpoint(file).save(stopped.state())
    fresh = OnPolicyTraining(spec)
    with pytest.raises(CheckpointError, match=f"of run {other.key}; this run is {spec.key}"):
        fresh.load_state(kept(file))
    assert texts(train(spec, file)) == texts(train(spec))
    assert "starts again from its beginning" in capsys.readouterr().err


KILLABLE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import recall.training
from small_runs import report, small_spec, texts
recall.training.CHECKPOINT_SECONDS = -1
result = recall.training.train(small_spec("learned-both", updates=40), Path({file!r}), report)
print(texts(result))
"""


def run_until(code: str, update: int) -> tuple[int, str]:
    """Run a training that is killed after an update; the first update and the whole output."""
    environment = os.environ | {"KILL_AT": str(update)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return int(ended.stdout.split()[0]), ended.stdout


def kill_and_go_on(tmp_path: Path, kills: list[int]) -> None:
    file = tmp_path / "checkpoint"
    code = KILLABLE.format(tests=str(Path(__file__).parent), file=str(file))
    begins = []
    for update in [*kills, 10**6]:
        begin, output = run_until(code, update)
        begins.append(begin)
    expected = str(texts(train(small_spec("learned-both", updates=40))))
    assert output.splitlines()[-1] == expected
    assert begins == [1, *(update + 1 for update in kills)]
    assert [path for path in tmp_path.iterdir() if path.suffix != ".partial"] == [file]


def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    kill_and_go_on(tmp_path, [19])


@pytest.mark.slow
def test_a_process_killed_twenty_times_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    """Between updates; kills within the writing of a checkpoint are the affair of `test_checkpoint_faults`."""
    updates = np.random.default_rng(0).choice(np.arange(1, 40), 20, replace=False)
    kill_and_go_on(tmp_path, sorted(map(int, updates)))


PRINT_DIGEST = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from small_runs import small_spec, texts
from recall.training import train
print(hashlib.sha256(str(texts(train(small_spec("learned-both")))).encode()).hexdigest())
"""


def test_processes_of_any_hash_seed_give_the_same_bytes() -> None:
    code = PRINT_DIGEST.format(tests=str(Path(__file__).parent))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        for seed in ("0", "4242")
    ]
    outputs = {process.communicate(timeout=120)[0].strip() for process in processes}
    here = str(texts(train(small_spec("learned-both"))))
    assert outputs == {hashlib.sha256(here.encode()).hexdigest()}
