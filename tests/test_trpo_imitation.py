"""Imitation by policies of trust regions: its gradient, its step, and the bound that the step keeps to."""

from collections.abc import Callable
from math import inf

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_trpo import ACTION, BATCH, OBS, RUNS, Problem
from torch.distributions import kl_divergence as torch_kl

from recall.agents.trpo import TRPOConfig, kl_divergence
from recall.agents.trpo_imitation import HALVINGS, Imitation, imitation_gradient, kl_where, shortened
from recall.agents.trpo_learner import TRPO
from recall.errors import NonFiniteError
from recall.functional import ADAM_EPS
from recall.seeding import Streams


def validity(problem: Problem, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(problem.action.shape[:2]) < 0.6


# Gradient and KL


def test_the_gradient_is_that_of_equation_6() -> None:
    """Minus the mean log-likelihood of each run's valid pairs, by autograd."""
    problem = Problem()
    valid = validity(problem)
    loss, gradient = imitation_gradient(problem.found, problem.old, problem.action, valid)
    for run in range(RUNS):
        parameters = problem.tensor(run)
        log_prob = problem.distribution(parameters, run).log_prob(torch.from_numpy(problem.action[run]).double())
        expected = -log_prob[torch.from_numpy(valid[run])].mean()
        assert loss[run] == pytest.approx(expected.item(), rel=1e-5)
        (slope,) = torch.autograd.grad(expected, parameters)
        np.testing.assert_allclose(gradient[run], slope, atol=2e-6)


def test_a_run_without_a_pair_is_not_pulled() -> None:
    problem = Problem()
    valid = validity(problem)
    valid[1] = False
    loss, gradient = imitation_gradient(problem.found, problem.old, problem.action, valid)
    assert gradient[0].any()
    assert loss[0] != 0
    assert not gradient[1].any()
    assert loss[1] == 0


def test_the_kl_over_some_states_is_torchs() -> None:
    problem = Problem()
    valid, other = validity(problem), problem.moved(0.1)
    found = kl_where(problem.old, problem.policy(other), valid)
    for run in range(RUNS):
        before, after = (problem.distribution(problem.tensor(run, p), run) for p in (problem.parameters, other))
        expected = torch_kl(before, after)[torch.from_numpy(valid[run])].mean().item()
        assert found[run] == pytest.approx(expected, rel=1e-4)
    valid[0] = False
    assert kl_where(problem.old, problem.policy(other), valid)[0] == 0


# Shortening


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 30), st.floats(1e-6, 10))
def test_a_shortened_step_keeps_to_the_bound_and_is_no_shorter_than_it_must(
    seed: int, size: float, bound: float
) -> None:
    problem = Problem()
    descent = np.random.default_rng(seed).standard_normal(problem.parameters.shape, np.float32) * np.float32(size)
    descent[1] /= 50

    def kl(parameters: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # too long a step may be infinitely far
            return kl_divergence(problem.old, problem.policy(parameters))

    moved, share = shortened(kl, problem.parameters, descent, bound)
    assert (kl(moved) <= bound).all()
    assert np.array_equal(moved, problem.parameters - share[:, None] * descent)
    longer = kl(problem.parameters - np.minimum(1, 2 * share[:, None]) * descent)
    assert ((share == 1) | (longer > bound)).all()
    assert set(share) <= {2.0**-n for n in range(HALVINGS + 1)} | {0.0}


def test_without_a_bound_the_step_is_whole() -> None:
    problem = Problem()
    descent = 100 * problem.moved(1.0)
    moved, share = shortened(lambda p: np.full(RUNS, inf), problem.parameters, descent, inf)
    assert share.tolist() == [1, 1]
    assert np.array_equal(moved, problem.parameters - descent)


def test_where_no_step_is_short_enough_none_is_taken() -> None:
    problem = Problem()
    moved, share = shortened(lambda p: np.array([1.0, 0.0]), problem.parameters, np.ones_like(problem.parameters), 0.5)
    assert share.tolist() == [0, 1]
    assert moved[0].tobytes() == problem.parameters[0].tobytes()
    assert np.array_equal(moved[1], problem.parameters[1] - 1)


# A step


Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def agent_and_pairs(seed: int = 0) -> tuple[TRPO, Pairs]:
    """Two agents, pairs of which some do not count, and states of a rollout."""
    agent, rng = TRPO(TRPOConfig(hidden=(8, 8)), OBS, ACTION, Streams((0, 1))), np.random.default_rng(seed)
    agent.become(agent.parameters + 0.3 * rng.standard_normal(agent.parameters.shape, np.float32))
    agent.gradient = rng.standard_normal(agent.parameters.shape, np.float32)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    pairs = normal(RUNS, BATCH, OBS), normal(RUNS, BATCH, ACTION)
    return agent, (*pairs, rng.random((RUNS, BATCH)) < 0.6, normal(RUNS, 90, OBS))


def gradient_of(agent: TRPO, pairs: Pairs) -> np.ndarray:
    found, policy = agent.passed(agent.parameters, agent.seen(pairs[0]))
    return imitation_gradient(found, policy, *pairs[1:3])[1]


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_a_step_is_adams_times_the_weight(weight: float) -> None:
    agent, pairs = agent_and_pairs()
    imitation, expected = Imitation(agent, 1e-2, weight, None), torch.from_numpy(agent.parameters).double()
    expected.requires_grad_()
    optimizer = torch.optim.Adam([expected], 1e-2 * weight, eps=ADAM_EPS)
    for _ in range(5):
        expected.grad = torch.from_numpy(gradient_of(agent, pairs)).double()
        optimizer.step()
        imitation.step(*pairs)
    np.testing.assert_allclose(agent.parameters, expected.detach(), atol=1e-6)


def test_imitated_actions_become_likelier() -> None:
    agent, pairs = agent_and_pairs()
    imitation = Imitation(agent, 1e-2, 1.0, 0.01)
    losses = [imitation.step(*pairs)["imitation_loss"] for _ in range(40)]
    assert (losses[-1] < losses[0] - 0.1).all()


@pytest.mark.parametrize("bound", [1e-6, 1e-3, 0.05])
def test_no_step_goes_beyond_the_bound(bound: float) -> None:
    agent, pairs = agent_and_pairs()
    imitation, shares = Imitation(agent, 0.05, 1.0, bound), []
    for _ in range(20):
        before = agent.policy(pairs[3])
        found = imitation.step(*pairs)
        kl = kl_divergence(before, agent.policy(pairs[3]))
        assert np.array_equal(kl, found["rollout_kl"])
        assert (kl <= bound).all()
        shares.append(found["step_share"])
    assert np.min(shares) < 1


def test_what_is_told_of_a_step_is_so() -> None:
    agent, pairs = agent_and_pairs()
    gradient, before = gradient_of(agent, pairs).astype(float), agent.policy(pairs[0])
    found = Imitation(agent, 1e-2, 0.5, None).step(*pairs)
    own, after = agent.gradient.astype(float), agent.policy(pairs[0])
    for run in range(RUNS):
        lengths = np.sqrt(gradient[run] @ gradient[run]), np.sqrt(own[run] @ own[run])
        assert found["gradient_ratio"][run] == pytest.approx(0.5 * lengths[0] / lengths[1], rel=1e-5)
        cosine = -(gradient[run] @ own[run]) / (lengths[0] * lengths[1])
        assert found["gradient_cosine"][run] == pytest.approx(cosine, rel=1e-4)
    np.testing.assert_allclose(found["imitation_kl"], kl_where(before, after, pairs[2]), rtol=1e-6)
    np.testing.assert_allclose(
        found["entropy"], (after.log_std + 0.5 * np.log(2 * np.pi * np.e)).sum((1, 2)), rtol=1e-5
    )


def test_policy_and_imitation_gradient_agree_where_they_point_the_same_way() -> None:
    """The policy gradient ascends, that of the loss descends."""
    agent, pairs = agent_and_pairs()
    agent.gradient = -3 * gradient_of(agent, pairs)
    found = Imitation(agent, 1e-2, 1.0, None).step(*pairs)
    assert found["gradient_cosine"] == pytest.approx(1)
    assert found["gradient_ratio"] == pytest.approx(1 / 3)


def test_without_weight_the_policy_stays_to_the_bit() -> None:
    for bound in (None, 1e-3):
        agent, pairs = agent_and_pairs()
        before = agent.parameters.copy()
        found = Imitation(agent, 1e-2, 0.0, bound).step(*pairs)
        assert agent.parameters.tobytes() == before.tobytes()
        assert found["rollout_kl"].tolist() == found["imitation_kl"].tolist() == [0, 0]


def test_a_gradient_too_large_to_square_is_still_a_step() -> None:
    agent, (obs, action, valid, visited) = agent_and_pairs()
    before = agent.parameters.copy()
    Imitation(agent, 1e-2, 1.0, None).step(obs, action * np.float32(1e15), valid, visited)
    assert np.abs(agent.parameters - before).max() == pytest.approx(1e-2, rel=1e-3)
    assert np.isfinite(agent.parameters).all()


NAN = np.nan
FAULTS: dict[str, tuple[Callable[[Imitation], np.ndarray], str]] = {
    "first": (lambda imitation: imitation.adam.first, "imitation's first is NaN or infinite"),
    "second": (lambda imitation: imitation.adam.second, "imitation's second is NaN or infinite"),
    "policy": (lambda imitation: imitation.agent.parameters, "imitation's gradient.* is NaN or infinite"),
}


@pytest.mark.parametrize("place", FAULTS)
def test_a_number_that_is_none_is_named(place: str) -> None:
    agent, pairs = agent_and_pairs()
    imitation, (fault, sentence) = Imitation(agent, 1e-2, 1.0, None), FAULTS[place]
    fault(imitation)[:, -1] = NAN
    with pytest.raises(NonFiniteError, match=sentence):
        imitation.step(*pairs)
