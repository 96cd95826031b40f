"""Backtracking models: the exact posterior, the learned predictors against it, and what never learns."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from recall.backtracking import (
    MODELS,
    VISIT_PRIOR,
    BacktrackingModel,
    Batch,
    ExactStates,
    LearnedActions,
    LearnedStates,
    choose,
    likelihood_loss,
    make_model,
    posterior,
    total_variation,
)
from recall.envs.four_rooms import FourRooms, FourRoomsConfig
from recall.envs.four_rooms_vector import VectorFourRooms
from recall.errors import ConfigError
from recall.seeding import Streams

GRID = FourRooms(FourRoomsConfig(side=7))
N, A = GRID.n_states, GRID.n_actions
CHAIN = np.array([[-1, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, -1]])
"""Six cells in a row; action 0 steps right, so it leads here from the left, and action 1 from the right."""

kinds = pytest.mark.parametrize("kind", MODELS)


def behaviour(n_runs: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Visits and policies at random: some states were never visited."""
    rng = np.random.default_rng(seed)
    visits = rng.integers(0, 5, (n_runs, N)).astype(np.float32)
    return visits, rng.dirichlet(np.ones(A), (n_runs, N)).astype(np.float32)


def model(kind: str, predecessor: np.ndarray = GRID.predecessor, n_runs: int = 2) -> BacktrackingModel:
    return make_model(kind, predecessor, 0.01, Streams(range(n_runs)))


# The exact posterior


def posterior_by_enumeration(visits: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """p(s, a | s') of one run: go through every state and action and see where it leads, (s', s, a)."""
    joint = np.zeros((N, N, A))
    for s, a in np.ndindex(N, A):
        to = GRID.next_state[s, a]
        if s not in (to, GRID.goal):
            joint[to, s, a] = (visits[s] + VISIT_PRIOR) * probs[s, a]
    total = joint.sum((1, 2), keepdims=True)
    return joint / np.where(total > 0, total, 1)


def test_posterior_equals_enumeration() -> None:
    visits, probs = behaviour()
    found = posterior(GRID.predecessor, visits, probs)
    for run in range(2):
        joint = posterior_by_enumeration(visits[run], probs[run])
        assert found[run] == pytest.approx(joint.sum(1), abs=1e-6)
        for to, action in np.argwhere(GRID.predecessor >= 0):
            assert found[run, to, action] == pytest.approx(joint[to, GRID.predecessor[to, action], action], abs=1e-6)


def test_posterior_is_a_distribution_where_a_state_can_be_entered() -> None:
    entered = (GRID.predecessor >= 0).any(1)
    total = posterior(GRID.predecessor, *behaviour()).sum(2)
    assert entered.all()
    assert total == pytest.approx(1, abs=1e-6)
    walled_in = np.where(np.arange(N)[:, None] == 3, -1, GRID.predecessor)
    assert not posterior(walled_in, *behaviour())[:, 3].any()


def test_posterior_is_what_agents_did() -> None:
    """Monte Carlo: of all arrivals in a state, the share of each action."""
    env, rng = VectorFourRooms(FourRoomsConfig(side=7, start="uniform", horizon=5), 1, 500), np.random.default_rng(0)
    _, probs = behaviour(n_runs=1)
    visits, counts = np.zeros((1, N)), np.zeros((N, A))
    obs = env.reset(rng.random((1, 500)))
    for _ in range(1500):
        action = choose(probs[0, obs], rng.random(obs.shape))
        np.add.at(visits[0], obs, 1)
        next_obs, *_, following = env.step(action, rng.random((1, 500, 3)))
        moved = next_obs != obs
        np.add.at(counts, (next_obs[moved], action[moved]), 1)
        obs = following
    found, arrivals = posterior(GRID.predecessor, visits, probs)[0], counts.sum(1)
    often = arrivals > 2000
    assert often.sum() > N / 2
    assert found[often] == pytest.approx(counts[often] / arrivals[often, None], abs=0.04)


def test_the_true_model_is_the_posterior_of_what_it_last_followed() -> None:
    true, first, second = model("true"), behaviour(), behaviour(seed=1)
    for visits, probs in (first, second):
        true.follow(visits, probs)
        assert np.array_equal(true.actions.probs, posterior(GRID.predecessor, visits, probs))


# Its distance


def distance_by_summation(backtracking: BacktrackingModel, true: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Half the sum over every s and a of |q(s, a | s') - p(s, a | s')|, averaged over s'."""
    result = np.zeros(len(true))
    for run in range(len(true)):
        total, weights = 0.0, 0.0
        for to in np.flatnonzero((GRID.predecessor >= 0).any(1)):
            difference = 0.0
            for action in range(A):
                q_state = full_state_distribution(backtracking, run, int(to), action)
                p = true[run, to, action] * one_hot(GRID.predecessor[to, action])
                difference += np.abs(backtracking.actions.probs[run, to, action] * q_state - p).sum()
            total += weight[run, to] * difference / 2
            weights += weight[run, to]
        result[run] = total / weights
    return result


def one_hot(state: int) -> np.ndarray:
    return (np.arange(N + 1) == (N if state < 0 else state)).astype(float)


def full_state_distribution(backtracking: BacktrackingModel, run: int, to: int, action: int) -> np.ndarray:
    """q(s | a, s') over all states; one more entry for *no such state*."""
    if isinstance(backtracking.states, ExactStates):
        return one_hot(GRID.predecessor[to, action])
    assert isinstance(backtracking.states, LearnedStates)
    runs = np.ones((2, 1), int)
    with torch.no_grad():
        log_probs = backtracking.states._log_probs(action * runs, to * runs)
    return np.append(log_probs.exp().numpy()[run, 0], 0)


@pytest.mark.parametrize("kind", ["true", "true-uniform", "untrained", "learned-both"])
def test_total_variation_equals_summation(kind: str) -> None:
    backtracking = model(kind)
    visits, probs = behaviour()
    backtracking.follow(visits, probs)
    true = posterior(GRID.predecessor, *behaviour(seed=5))
    weight = np.random.default_rng(2).random((2, N))
    found = total_variation(backtracking, GRID.predecessor, true, weight)
    assert found == pytest.approx(distance_by_summation(backtracking, true, weight), abs=1e-5)
    assert (found > 0.05).all()
    assert (found < 1).all()


def test_the_true_model_has_no_distance_to_the_truth() -> None:
    true = model("true")
    visits, probs = behaviour()
    true.follow(visits, probs)
    truth = posterior(GRID.predecessor, visits, probs)
    assert total_variation(true, GRID.predecessor, truth, visits).tolist() == [0, 0]


def test_distance_before_any_visit_is_0() -> None:
    truth = posterior(GRID.predecessor, *behaviour())
    assert total_variation(model("untrained"), GRID.predecessor, truth, np.zeros((2, N))).tolist() == [0, 0]


# Sampling


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6), st.integers(2, 400))
def test_choose_gives_each_category_its_share(weights: list[float], n: int) -> None:
    probs = np.array(weights) + np.eye(len(weights))[0] * 1e-3
    probs /= probs.sum()
    numbers = (np.arange(n) + 0.5) / n
    chosen = choose(np.broadcast_to(probs, (n, len(probs))), numbers)
    share = np.bincount(chosen, minlength=len(probs)) / n
    assert share == pytest.approx(probs, abs=1.01 / n)


@pytest.mark.parametrize("u", [0.0, 0.3, 0.5, 1 - 2**-24])
def test_choose_never_picks_what_is_impossible(u: float) -> None:
    probs = np.array([[0, 0.5, 0, 0.5, 0]], np.float32)
    assert probs[0, choose(probs, np.array([u], np.float32))[0]] > 0


@kinds
def test_a_step_back_follows_both_predictors(kind: str) -> None:
    """Over a fine grid of numbers, actions have their share and states are those of the state predictor."""
    backtracking, n = model(kind), 400
    backtracking.follow(*behaviour())
    numbers = np.stack([(np.arange(n) + 0.5) / n] * 2, 1).astype(np.float32)[None].repeat(2, 0)
    for to in (0, 7, GRID.goal):
        next_obs = np.full((2, n), to)
        obs, action, valid = backtracking.step_back(next_obs, numbers)
        share = (action[..., None] == np.arange(A)).mean(1)
        assert share == pytest.approx(backtracking.actions.probs[:, to], abs=1.01 / n)
        expected = backtracking.states.sample(action, next_obs, numbers[..., 1])
        assert np.array_equal(obs, expected[0])
        assert np.array_equal(valid, expected[1])


def test_the_exact_state_predictor_goes_back_or_stays() -> None:
    next_obs, action = (x.reshape(1, -1) for x in np.indices((N, A)))
    obs, valid = ExactStates(GRID.predecessor).sample(action, next_obs, np.zeros(action.shape))
    for s, a, to, exists in zip(obs[0], action[0], next_obs[0], valid[0], strict=True):
        if exists:
            assert GRID.next_state[s, a] == to != s
        else:
            assert s == to
            assert not any(GRID.next_state[other, a] == to for other in range(N) if other not in (to, GRID.goal))


def test_the_true_model_never_leaves_the_data() -> None:
    true, rng = model("true"), np.random.default_rng(0)
    true.follow(*behaviour())
    *_, valid = true.step_back(rng.integers(0, N, (2, 5000)), rng.random((2, 5000, 2)))
    assert valid.all()


# What never learns


def test_fixed_models_are_as_documented() -> None:
    exists = GRID.predecessor >= 0
    uniform, untrained = model("true-uniform"), model("untrained")
    for each in (uniform, untrained):
        before = each.actions.probs.copy()
        each.follow(*behaviour())
        assert each.learn(random_batch()) == {}
        assert np.array_equal(each.actions.probs, before)
    assert uniform.actions.probs == pytest.approx(np.stack([exists / exists.sum(1, keepdims=True)] * 2))
    assert np.array_equal(untrained.actions.probs, np.full((2, N, A), 0.25))


def test_the_untrained_network_is_the_learned_one_before_training() -> None:
    learned, untrained = model("learned"), model("untrained-network")
    start = learned.actions.probs.copy()
    assert np.array_equal(untrained.actions.probs, start)
    for each in (learned, untrained):
        each.learn(random_batch())
    assert np.array_equal(untrained.actions.probs, start)
    assert not np.array_equal(learned.actions.probs, start)


@kinds
def test_only_learned_models_learn(kind: str) -> None:
    assert model(kind).learns == kind.startswith("learned")


def test_which_half_is_exact() -> None:
    exact = {kind for kind in MODELS if isinstance(model(kind).states, ExactStates)}
    assert exact == set(MODELS) - {"learned-both"}


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="model is 'truth'; it must be one of true, "):
        model("truth")


# Learning


def random_batch(n_runs: int = 2, n: int = 64, seed: int = 0, **change: Any) -> Batch:
    """Real transitions of the grid from random states and actions, bumps included."""
    rng = np.random.default_rng(seed)
    obs, action = rng.integers(0, GRID.goal, (n_runs, n)), rng.integers(0, A, (n_runs, n))
    return Batch(obs, action, GRID.next_state[obs, action], np.ones(n_runs, bool))._replace(**change)


def test_likelihood_loss_is_the_cross_entropy_of_real_steps() -> None:
    batch = random_batch()
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 64, A, generator=generator, dtype=torch.float64, requires_grad=True)
    action = torch.from_numpy(batch.action)
    log_prob = torch.log_softmax(logits, 2).gather(2, action[..., None])[..., 0]
    real = torch.from_numpy(batch.obs != batch.next_obs)
    assert not real.all()
    plain = torch.stack([functional.cross_entropy(logits[i][real[i]], action[i][real[i]]) for i in range(2)])
    ours = likelihood_loss(log_prob, batch)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(each.sum(), logits, retain_graph=True)[0] for each in (ours, plain)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["learned", "learned-both"])
def test_a_run_without_good_trajectories_learns_nothing(kind: str) -> None:
    backtracking = model(kind)
    predictors = [
        p for p in (backtracking.actions, backtracking.states) if isinstance(p, LearnedActions | LearnedStates)
    ]
    before = [[p.detach().clone() for p in each.parameters] for each in predictors]
    metrics = backtracking.learn(random_batch(found=np.array([True, False])))
    assert set(metrics) == ({"action_nll", "state_nll"} if kind == "learned-both" else {"action_nll"})
    for values in metrics.values():
        assert np.isfinite(values).tolist() == [True, False]
    for each, old in zip(predictors, before, strict=True):
        for new, was in zip(each.parameters, old, strict=True):
            assert torch.equal(new[1], was[1])
            assert not torch.equal(new[0], was[0]) or not new[0].any()


def test_metrics_are_the_likelihood_before_the_step() -> None:
    backtracking, batch = model("learned-both"), random_batch()
    runs, real = np.arange(2)[:, None], batch.obs != batch.next_obs
    q_action = backtracking.actions.probs[runs, batch.next_obs, batch.action]
    q_state = backtracking.states.prob_of(GRID.predecessor)[runs, batch.next_obs, batch.action]
    metrics = backtracking.learn(batch)
    for name, q in (("action_nll", q_action), ("state_nll", q_state)):
        expected = [-np.log(q[run][real[run]]).mean() for run in range(2)]
        assert metrics[name] == pytest.approx(expected, rel=1e-4)


def full_batch(next_state: np.ndarray, probs: np.ndarray, starts: np.ndarray, copies: int = 100) -> Batch:
    """Every start state equally often, with actions in the proportions of a policy (runs, states, actions)."""
    obs = np.broadcast_to(np.repeat(starts, copies), (len(probs), len(starts) * copies))
    even = np.tile((np.arange(copies) + 0.5) / copies, len(starts))
    action = choose(probs[np.arange(len(probs))[:, None], obs], np.broadcast_to(even, obs.shape))
    return Batch(obs.copy(), action, next_state[obs, action], np.ones(len(probs), bool))


def test_learned_predictors_find_the_inverse_of_a_chain() -> None:
    """Count tables are the oracle of the actions; the chain itself is that of the states."""
    backtracking = model("learned-both", CHAIN, n_runs=1)
    next_state = np.clip(np.arange(6)[:, None] + [1, -1], 0, 5)
    batch = full_batch(next_state, np.broadcast_to([0.8, 0.2], (1, 6, 2)), np.arange(6))
    for _ in range(120):
        backtracking.learn(batch)
    moved = batch.obs != batch.next_obs
    counts = Counter(zip(batch.next_obs[moved].tolist(), batch.action[moved].tolist(), strict=True))
    table = np.array([[counts[to, action] for action in range(2)] for to in range(6)], float)
    table /= table.sum(1, keepdims=True)
    truth = posterior(CHAIN, np.ones((1, 6)), np.broadcast_to([0.8, 0.2], (1, 6, 2)))
    assert truth[0] == pytest.approx(table, abs=1e-3)
    assert backtracking.actions.probs[0] == pytest.approx(table, abs=0.02)
    assert (backtracking.states.prob_of(CHAIN)[0][CHAIN >= 0] > 0.98).all()
    assert total_variation(backtracking, CHAIN, truth, np.ones((1, 6)))[0] < 0.02


def test_learned_predictors_find_the_posterior_of_a_grid() -> None:
    backtracking, (_, probs) = model("learned-both"), behaviour()
    batch = full_batch(GRID.next_state, probs, np.delete(np.arange(N), GRID.goal))
    truth = posterior(GRID.predecessor, np.ones((2, N)), probs)
    before = total_variation(backtracking, GRID.predecessor, truth, np.ones((2, N)))
    for _ in range(150):
        backtracking.learn(batch)
    after = total_variation(backtracking, GRID.predecessor, truth, np.ones((2, N)))
    assert (before > 0.9).all()
    assert (after < 0.05).all()


@kinds
def test_a_model_goes_on_from_its_state(kind: str) -> None:
    first, second = model(kind), make_model(kind, GRID.predecessor, 0.01, Streams([8, 9]))
    for seed in range(3):
        first.learn(random_batch(seed=seed))
    second.load_state(first.state())
    for each in (first, second):
        each.follow(*behaviour())
    metrics = [each.learn(random_batch(seed=4)) for each in (first, second)]
    assert {name: values.tolist() for name, values in metrics[0].items()} == {
        name: values.tolist() for name, values in metrics[1].items()
    }
    if first.learns or kind == "true":
        assert np.array_equal(first.actions.probs, second.actions.probs)
    assert np.array_equal(first.states.prob_of(GRID.predecessor), second.states.prob_of(GRID.predecessor))
