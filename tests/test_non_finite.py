"""A number that is NaN or infinite stops the run where it first matters and is named; the checkpoint before is good."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rings import load
from small_control import run_eagerly, short_spec, stop_at

import recall.training
from recall.errors import NonFiniteError, TrainingStoppedError
from recall.functional import all_finite
from recall.loop import Training
from recall.off_policy import OffPolicyTraining
from recall.runs import RunSpec
from recall.training import train


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is compiled, and a checkpoint is saved after every step."""
    run_eagerly(monkeypatch)
    monkeypatch.setattr(recall.training, "CHECKPOINT_SECONDS", -1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a run with recall after its 106th step."""
    folder = tmp_path_factory.mktemp("kept") / "run.checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        run_eagerly(patch)
        with pytest.raises(TrainingStoppedError):
            train(short_spec("repaired"), folder, stop_at(106))
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(kept, tmp_path / "run.checkpoint")


# Faults


def through_env(part: int, value: float, name: str = "envs") -> Callable[[OffPolicyTraining], None]:
    """A fault in what the environment returns: 0 the observation, 1 the reward."""

    def inject(training: OffPolicyTraining) -> None:
        env = (training.envs.envs[0] if name == "envs" else training.eval_env).env
        inner = env.step

        def step(action: np.ndarray) -> tuple:
            returned = list(inner(action))
            returned[part] = returned[part] + value
            return tuple(returned)

        env.step = step  # type: ignore[method-assign]

    return inject


def drawn(stream: str, value: float = np.nan) -> Callable[[OffPolicyTraining], None]:
    """A fault in the normal numbers of a stream."""

    def inject(training: OffPolicyTraining) -> None:
        inner = training.streams.normal

        def normal(name: str, *shape: int) -> np.ndarray:
            found = inner(name, *shape)
            return np.full_like(found, value) if name == stream else found

        training.streams.normal = normal  # type: ignore[method-assign]

    return inject


def tensor(path: str, value: float) -> Callable[[OffPolicyTraining], None]:
    """A fault in one number of a part's state, in place: a path such as agent/actor/0."""

    def inject(training: OffPolicyTraining) -> None:
        part, *names = path.split("/")
        found: Any = getattr(training, part).state()
        for name in names:
            found = found[name]
        found.flat[-1] = value

    return inject


def in_replay(column: int, value: float) -> Callable[[OffPolicyTraining], None]:
    """A fault in one column of every stored transition: observation, action, reward, next observation, termination."""

    def inject(training: OffPolicyTraining) -> None:
        training.replay.split(training.replay.rows)[column][:] = value

    return inject


NAN, INF = np.nan, np.inf
EVERY_UPDATE: dict[str, tuple[Callable[[OffPolicyTraining], None], str]] = {
    "observation nan": (through_env(0, NAN), "step .* of an episode: the observation is NaN or infinite"),
    "observation inf": (through_env(0, INF), "step .* of an episode: the observation is NaN or infinite"),
    "reward nan": (through_env(1, NAN), "step .* of an episode: the reward is NaN or infinite"),
    "reward -inf": (through_env(1, -INF), "step .* of an episode: the reward is NaN or infinite"),
    "exploration": (drawn("policy"), "step .* of an episode: the action is NaN or infinite"),
    "actor nan": (tensor("agent/actor/0", NAN), "step .* of an episode: the action is NaN or infinite"),
    "actor inf": (tensor("agent/actor/3", -INF), "actor_parameters is NaN or infinite"),
    "critic nan": (tensor("agent/critics/2", NAN), "critic_loss, .*critic_parameters"),
    "critic inf": (tensor("agent/critics/5", INF), "critic_loss, .*critic_parameters"),
    "target nan": (tensor("agent/targets/0", NAN), "critic_loss, .*critic_gradient"),
    "target inf": (tensor("agent/targets/5", -INF), "critic_loss"),
    "temperature nan": (tensor("agent/log_temperature/0", NAN), "temperature"),
    "temperature inf": (tensor("agent/log_temperature/0", INF), "temperature"),
    "temperature -inf": (tensor("agent/log_temperature/0", -INF), "log_temperature is NaN or infinite"),
    "actor moments nan": (tensor("agent/actor_moments/1", NAN), "actor_parameters is NaN or infinite"),
    "actor moments inf": (tensor("agent/actor_moments/2", INF), "actor_parameters is NaN or infinite"),
    "actor squares nan": (tensor("agent/actor_moments/8", NAN), "actor_parameters is NaN or infinite"),
    "critic moments inf": (tensor("agent/critic_moments/0", INF), "critic_parameters"),
    "critic squares nan": (tensor("agent/critic_moments/7", NAN), "critic_parameters"),
    "temperature moments nan": (tensor("agent/temperature_moments/0", NAN), "log_temperature is NaN or infinite"),
    "temperature squares nan": (tensor("agent/temperature_moments/1", NAN), "log_temperature is NaN or infinite"),
    "stored observation": (in_replay(0, NAN), "critic_loss"),
    "stored action": (in_replay(1, INF), "critic_loss"),
    "stored reward": (in_replay(2, NAN), "critic_loss"),
    "stored next observation": (in_replay(3, NAN), "critic_loss"),
    "stored termination": (in_replay(4, NAN), "critic_loss"),
    "noise": (drawn("noise"), "critic_loss"),
    "traced state": (tensor("recaller/traces/obs", NAN), "imitation_gradient"),
    "traced action": (tensor("recaller/traces/x", INF), "imitation_gradient"),
}
EVERY_RECALL: dict[str, tuple[Callable[[OffPolicyTraining], None], str]] = {
    "action predictor": (tensor("recaller/model/actions/0", NAN), "backtracking model, traces is NaN or infinite"),
    "state predictor": (tensor("recaller/model/states/5", INF), "backtracking model.* is NaN or infinite"),
    "model moments": (tensor("recaller/model/moments/0", NAN), "backtracking model, traces is NaN or infinite"),
    "model squares": (tensor("recaller/model/moments/8", INF), "backtracking model is NaN or infinite"),
    "mean": (tensor("recaller/units/obs/mean", NAN), "normalisation, backtracking model, traces is NaN or infinite"),
    "range": (tensor("recaller/units/obs/low", NAN), "normalisation is NaN or infinite"),
    "deviation": (tensor("recaller/units/delta/squares", INF), "normalisation, traces is NaN or infinite"),
    "recalled transition": (in_replay(3, NAN), "normalisation, backtracking model, traces is NaN or infinite"),
    "model's noise": (drawn("traces"), "traces is NaN or infinite"),
}


def assert_stopped(
    folder: Path, inject: Callable[[OffPolicyTraining], None], update: int, sentence: str, spec: RunSpec
) -> None:
    """A fault after an update stops the run in the next, and the checkpoint before it goes on."""

    def fault(training: Training) -> None:
        assert isinstance(training, OffPolicyTraining)
        assert training.update <= update
        if training.update == update:
            inject(training)

    with pytest.raises(NonFiniteError, match=sentence):
        train(spec, folder, fault)
    state = load(folder)
    assert state is not None
    assert state["update"] == update
    assert all_finite(state["agent"])
    with pytest.raises(TrainingStoppedError):
        train(spec, folder, stop_at(update + 1))


@pytest.mark.parametrize("place", EVERY_UPDATE)
def test_a_number_that_is_none_stops_the_run_at_that_update(place: str, folder: Path) -> None:
    inject, sentence = EVERY_UPDATE[place]
    assert_stopped(folder, inject, 107, sentence, short_spec("repaired"))


@pytest.mark.parametrize("place", EVERY_RECALL)
def test_a_number_that_is_none_stops_recall_at_that_iteration(place: str, folder: Path) -> None:
    """The gate that ends traces does not hide it. Recall comes with the transition after."""
    inject, sentence = EVERY_RECALL[place]
    assert_stopped(folder, inject, 120, f"^recall after 121 steps: {sentence}", short_spec("repaired"))


def test_a_step_of_its_own_and_an_evaluation_are_watched_too(tmp_path: Path) -> None:
    spec, faults = short_spec("as-written"), {"moments/0": NAN, "moments/8": INF}
    for name, value in faults.items():
        inject = tensor(f"agent/imitation/{name}", value)
        assert_stopped(tmp_path / str(value), inject, 60, "^update 0: imitation is NaN or infinite", spec)
    sentence = "^evaluation, step 1 of the episode of seed 1000000: observation or reward is NaN or infinite"
    for part in (0, 1):
        assert_stopped(tmp_path / str(part), through_env(part, NAN, "eval_env"), 44, sentence, spec)
