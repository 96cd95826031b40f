"""The recaller: silent before the first reward, what it hands to the agent, and nothing more at weight 0."""

from typing import Any

import numpy as np
import pytest
import torch
from small_runs import csv, small_spec, texts
from torch import Tensor

from recall.backtracking import MODELS
from recall.buffers import Rollout
from recall.envs.four_rooms import FourRooms, FourRoomsConfig
from recall.errors import ConfigError
from recall.imitation import imitation_loss
from recall.on_policy import OnPolicyTraining
from recall.recaller import RecallConfig, Recaller
from recall.seeding import Streams
from recall.training import train

GRID = FourRooms(FourRoomsConfig(side=7))
N_ENVS, TOTAL_STEPS = 2, 100


class Pupil:
    """An agent of a fixed policy that keeps what it is handed."""

    def __init__(self, n_runs: int) -> None:
        rng = np.random.default_rng(0)
        self.probs = rng.dirichlet(np.ones(4), (n_runs, GRID.n_states)).astype(np.float32)
        self.state_values = rng.random((n_runs, GRID.n_states)).astype(np.float32)
        self.asked: list[tuple[np.ndarray, np.ndarray]] = []
        self.losses: list[Tensor] = []

    def log_prob(self, obs: np.ndarray, action: np.ndarray) -> Tensor:
        self.asked.append((obs, action))
        return torch.from_numpy(np.log(self.probs[np.arange(len(obs))[:, None], obs, action]))

    def add_loss(self, loss: Tensor) -> None:
        self.losses.append(loss)


def recaller(n_runs: int = 2, **settings: Any) -> Recaller:
    config = RecallConfig(**{"model": "true", "length": 5, "n_traces": 6, **settings})
    streams = Streams(range(n_runs))
    return Recaller(config, GRID.predecessor, N_ENVS, 0.9, TOTAL_STEPS, streams)


def wander(n_steps: int = 5, goal_of: tuple[int, ...] = (), n_runs: int = 2) -> Rollout:
    """Steps to the right and back in the first room; the runs in `goal_of` reach the goal at the end."""
    shape = (n_steps, n_runs, N_ENVS)
    even = np.broadcast_to(np.arange(n_steps)[:, None, None] % 2 == 0, shape)
    right = GRID.next_state[GRID.start, 3]
    obs, action = np.where(even, GRID.start, right), np.where(even, 3, 2)
    next_obs, ends = GRID.next_state[obs, action], np.zeros(shape, bool)
    for run in goal_of:
        obs[-1, run, 0], action[-1, run, 0] = GRID.predecessor[GRID.goal, 1], 1
        next_obs[-1, run, 0], ends[-1, run, 0] = GRID.goal, True
    return Rollout(obs, action, ends.astype(np.float32), next_obs, ends, np.zeros(shape, bool))


def handed_over(recalling: Recaller, rollout: Rollout) -> tuple[Pupil, dict[str, np.ndarray]]:
    pupil = Pupil(2)
    recalling.observe(rollout)
    return pupil, recalling.update(pupil)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_recalled_before_the_first_reward(model: str) -> None:
    pupil, metrics = handed_over(recaller(model=model), wander())
    assert pupil.losses[0].tolist() == [0, 0]
    assert np.isnan([metrics["imitation_loss"], metrics["trace_length"]]).all()


def test_only_the_run_that_was_rewarded_recalls() -> None:
    recalling = recaller()
    pupil, metrics = handed_over(recalling, wander(goal_of=(1,)))
    assert pupil.losses[0][0] == 0
    assert pupil.losses[0][1] > 0
    assert np.isnan(metrics["imitation_loss"]).tolist() == [True, False]
    assert metrics["trace_length"][1] == recalling.config.length
    assert recalling.traces is not None
    assert (GRID.next_state[recalling.traces.obs, recalling.traces.action][1, :, 0] == GRID.goal).all()


def test_what_is_handed_over_is_equation_6_times_the_annealed_weight() -> None:
    recalling = recaller(model="untrained", weight=0.8, anneal=0.5)
    for update in range(1, 12):
        pupil, metrics = handed_over(recalling, wander(goal_of=(0, 1)))
        assert recalling.traces is not None
        obs, action, valid = recalling.traces.flat()
        assert not valid.all()
        expected = imitation_loss(Pupil(2).log_prob(obs, action), torch.from_numpy(valid))
        assert metrics["imitation_loss"] == pytest.approx(expected.numpy(), rel=1e-6)
        weight = 0.8 * max(0, 1 - update * 5 * N_ENVS / (TOTAL_STEPS / 2))
        assert pupil.losses[0].numpy() == pytest.approx(weight * expected.numpy(), rel=1e-5, abs=1e-9)
        assert metrics["trace_length"] == pytest.approx(valid.sum(1) / 6)


@pytest.mark.parametrize(("n_traces", "n_targets"), [(1, 1), (6, 1), (6, 2), (5, 3)])
def test_an_update_makes_as_many_traces_as_asked(n_traces: int, n_targets: int) -> None:
    recalling = recaller(n_traces=n_traces, n_targets=n_targets)
    pupil, _ = handed_over(recalling, wander(goal_of=(0, 1)))
    assert recalling.traces is not None
    assert recalling.traces.obs.shape == (2, n_traces, 5)
    assert pupil.asked[0][0].shape == (2, n_traces * 5)
    first, action = recalling.traces.obs[..., 0], recalling.traces.action[..., 0]
    best = recalling.targets.top(pupil.state_values, n_targets)
    expected = best[:, np.arange(n_traces) % n_targets]
    assert np.array_equal(GRID.next_state[first, action], expected)


def test_traces_differ_within_an_update_and_between_updates() -> None:
    recalling, seen = recaller(model="true-uniform"), []
    for _ in range(2):
        handed_over(recalling, wander(goal_of=(0, 1)))
        assert recalling.traces is not None
        seen += [trace.tobytes() for trace in recalling.traces.action.reshape(12, 5)]
    assert len(set(seen)) > 12


def test_visits_are_departures_and_arrivals_are_arrivals() -> None:
    recalling, rollout = recaller(), wander(goal_of=(0,))
    recalling.observe(rollout)
    recalling.observe(rollout)
    for run in range(2):
        for counts, states in ((recalling.visits, rollout.obs), (recalling.arrivals, rollout.next_obs)):
            assert np.array_equal(counts[run], 2 * np.bincount(states[:, run].ravel(), minlength=GRID.n_states))
    assert recalling.steps == 20


def test_the_model_takes_its_gradient_steps_between_updates() -> None:
    for model, taken in (("learned", 3), ("learned-both", 3), ("true", 0), ("untrained-network", 0)):
        recalling = recaller(model=model, model_updates=3)
        handed_over(recalling, wander(goal_of=(0,)))
        assert recalling.gradient_steps == taken


def test_the_distance_of_the_true_model_is_0_for_the_policy_of_now() -> None:
    recalling = recaller()
    handed_over(recalling, wander(goal_of=(0, 1)))
    later = Pupil(2)
    later.probs = later.probs[:, :, ::-1].copy()
    assert recalling.distance(later).tolist() == [0, 0]
    assert (recaller(model="untrained").distance(later) == 0).all()  # it has arrived nowhere


def test_a_handed_over_goal_is_recalled_from_the_first_update() -> None:
    recalling = recaller()
    recalling.hand_over_goal(GRID.goal)
    pupil, metrics = handed_over(recalling, wander())
    assert (pupil.losses[0] > 0).all()
    assert (metrics["trace_length"] == 5).all()
    assert recalling.traces is not None
    assert (GRID.next_state[recalling.traces.obs, recalling.traces.action][..., 0] == GRID.goal).all()


# Within a training


@pytest.mark.parametrize("model", MODELS)
def test_weight_0_is_the_baseline_byte_for_byte(model: str) -> None:
    baseline, recalling = (train(small_spec(kind, weight=0.0)) for kind in (None, model))
    assert texts(recalling)["metrics"] == texts(baseline)["metrics"]
    assert texts(recalling)["occupancy"] == texts(baseline)["occupancy"]
    assert set(recalling.tables) - set(baseline.tables) == {"recall", "traces", "values"}


def test_a_known_goal_at_weight_0_is_the_baseline_too() -> None:
    baseline, recalling = train(small_spec()), train(small_spec("true", weight=0.0, known_goal=True))
    assert texts(recalling)["metrics"] == texts(baseline)["metrics"]


@pytest.mark.parametrize("model", ["true", "learned-both"])
def test_until_its_first_reward_a_seed_trains_as_without_recall(model: str) -> None:
    """And afterwards it does not: the weight acts, for most of them for the better."""
    spec = small_spec(model, seeds=(0, 1, 2, 3), weight=1.0, eval_every=1)
    baseline = train(small_spec(seeds=(0, 1, 2, 3), eval_every=1)).tables["metrics"]
    recalling = train(spec).tables["metrics"]
    before = recalling["first_reward_step"].isna()
    assert before.groupby(recalling["seed"]).sum().min() > 0
    assert csv(recalling[before]) == csv(baseline[before])
    last = recalling["step"] == recalling["step"].max()
    assert (recalling["entropy"][last] != baseline["entropy"][last]).all()
    assert (recalling["success"][last] > baseline["success"][last]).sum() > 2


def test_a_known_goal_acts_before_the_first_reward_and_only_in_its_arm() -> None:
    known, unknown = (OnPolicyTraining(small_spec("true", known_goal=known)) for known in (True, False))
    for training, expected in ((known, [True, True]), (unknown, [False, False])):
        assert training.recaller is not None
        assert training.recaller.targets.rewarded.tolist() == expected
        assert training.recaller.targets.reached[:, training.grid.goal].tolist() == expected
    known.step()
    assert known.recaller is not None
    assert known.recaller.traces is not None
    assert known.recaller.traces.valid.all()


def test_recall_numbers_move_no_stream_of_the_agent() -> None:
    with_recall, without = OnPolicyTraining(small_spec("learned-both")), OnPolicyTraining(small_spec())
    for training in (with_recall, without):
        training.step()
    for name in ("env", "policy", "init"):
        assert with_recall.streams.state()[name] == without.streams.state()[name]
    assert with_recall.streams.state()["traces"] != without.streams.state()["traces"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"n_traces": 0},
        {"n_targets": 0},
        {"buffer_steps": 0},
        {"model_batch": 0},
        {"weight": -0.1},
        {"weight": float("nan")},
        {"model_updates": -1},
        {"model_learning_rate": 0.0},
        {"top_fraction": 0.0},
        {"top_fraction": 1.1},
        {"anneal": -0.1},
        {"anneal": 1.1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RecallConfig(**wrong)


def test_more_targets_than_states_are_refused() -> None:
    grid = FourRooms(FourRoomsConfig(7))
    with pytest.raises(ConfigError, match="n_targets is 21; at most the environment's 20 states"):
        Recaller(RecallConfig(n_targets=21), grid.predecessor, 2, 0.99, 1000, Streams((0,)))
