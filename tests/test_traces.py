"""Recall traces walk real edges backward, and their actions lead forward again to where they started."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.backtracking import MODELS, BacktrackingModel, make_model
from recall.envs.four_rooms import FourRooms, FourRoomsConfig
from recall.seeding import Streams
from recall.traces import Traces, generate_traces

GRID = FourRooms(FourRoomsConfig(side=9))
EXACT_STATES = [kind for kind in MODELS if kind != "learned-both"]
LENGTH, N_TRACES = 12, 6


def model(kind: str) -> BacktrackingModel:
    rng = np.random.default_rng(0)
    backtracking = make_model(kind, GRID.predecessor, 0.01, Streams([0, 1]))
    backtracking.follow(rng.random((2, GRID.n_states)), rng.dirichlet(np.ones(4), (2, GRID.n_states)))
    return backtracking


def traces_from(kind: str, targets: np.ndarray, seed: int = 0) -> Traces:
    numbers = np.random.default_rng(seed).random((LENGTH, *targets.shape, 2))
    return generate_traces(model(kind), targets, numbers)


@pytest.mark.parametrize("kind", EXACT_STATES)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_each_step_is_a_real_transition_into_the_state_before_it(kind: str, seed: int) -> None:
    targets = np.random.default_rng(seed).integers(0, GRID.n_states, (2, N_TRACES))
    traces = traces_from(kind, targets, seed)
    assert traces.obs.shape == traces.action.shape == traces.valid.shape == (2, N_TRACES, LENGTH)
    reached = np.concatenate([targets[..., None], traces.obs[..., :-1]], 2)
    arrives = GRID.next_state[traces.obs, traces.action] == reached
    assert arrives[traces.valid].all()
    assert (traces.obs != reached)[traces.valid].all()
    assert (traces.obs == reached)[~traces.valid].all()
    assert not (traces.obs == GRID.goal)[traces.valid].any()


@pytest.mark.parametrize("kind", EXACT_STATES)
def test_the_valid_actions_lead_forward_to_the_target(kind: str) -> None:
    targets = np.random.default_rng(1).integers(0, GRID.n_states, (2, N_TRACES))
    traces = traces_from(kind, targets)
    state = traces.obs[..., -1]
    for position in reversed(range(LENGTH)):
        moved = GRID.next_state[state, traces.action[..., position]]
        state = np.where(traces.valid[..., position], moved, state)
    assert np.array_equal(state, targets)


@pytest.mark.parametrize("kind", ["true", "true-uniform"])
def test_exact_models_never_stop_on_the_way(kind: str) -> None:
    assert traces_from(kind, np.full((2, N_TRACES), GRID.goal)).valid.all()


def test_an_untrained_model_sometimes_knows_no_predecessor() -> None:
    valid = traces_from("untrained", np.full((2, 50), GRID.goal)).valid
    assert 0.3 < valid.mean() < 0.9


def test_learned_states_are_vouched_for_everywhere() -> None:
    assert traces_from("learned-both", np.full((2, N_TRACES), GRID.goal)).valid.all()


class Countdown:
    """A model that steps back by one, with the number it was given as its action; 0 has no predecessor."""

    def step_back(self, next_obs: np.ndarray, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.maximum(next_obs - 1, 0), uniform[..., 0].astype(int), next_obs > 0


def test_position_0_reaches_the_target_and_every_step_reads_its_own_numbers() -> None:
    numbers = np.arange(4 * 2 * 3 * 2).reshape(4, 2, 3, 2)
    traces = generate_traces(Countdown(), np.array([[9, 9, 2], [1, 0, 9]]), numbers)
    assert traces.obs[0, 0].tolist() == [8, 7, 6, 5]
    assert traces.obs[0, 2].tolist() == [1, 0, 0, 0]
    assert traces.valid[0, 2].tolist() == [True, True, False, False]
    assert traces.valid[1, 1].tolist() == [False] * 4
    for run, trace, position in np.ndindex(traces.action.shape):
        assert traces.action[run, trace, position] == numbers[position, run, trace, 0]


def test_flat_keeps_pairs_together() -> None:
    traces = traces_from("untrained", np.full((2, 3), GRID.goal))
    obs, action, valid = traces.flat()
    assert obs.shape == (2, 3 * LENGTH)
    for run, trace, position in np.ndindex(traces.obs.shape):
        flat = run, trace * LENGTH + position
        at = run, trace, position
        assert (obs[flat], action[flat], valid[flat]) == (traces.obs[at], traces.action[at], traces.valid[at])
