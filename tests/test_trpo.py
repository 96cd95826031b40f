"""The mathematics of trust regions against its definitions: gradients, Fisher matrix, linear system, line search."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as torch_kl

from recall.agents.trpo import (
    Gaussian,
    TRPOConfig,
    conjugate_gradient,
    entropy,
    fisher_vector_product,
    improvement,
    kl_divergence,
    line_search,
    longest_step,
    policy_pass,
    surrogate_gradient,
)
from recall.errors import ConfigError
from recall.perceptron import flattened, init_perceptron

RUNS, BATCH, OBS, ACTION = 2, 40, 3, 2
CONFIG = TRPOConfig()


class Problem:
    """Small policies of two runs, states, actions and advantages, in numpy and in torch."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        layers = init_perceptron((OBS, 5, ACTION), [np.random.default_rng([seed, run]) for run in range(RUNS)], 0.7)
        self.like = [*layers, rng.normal(-0.3, 0.2, (RUNS, 1, ACTION)).astype(np.float32)]
        self.parameters = flattened(self.like)
        self.x = rng.standard_normal((RUNS, BATCH, OBS), np.float32)
        self.found, self.old = policy_pass(self.parameters, self.like, self.x)
        noise = rng.standard_normal((RUNS, BATCH, ACTION), np.float32)
        self.action = self.old.mean + np.exp(self.old.log_std) * noise
        self.advantage = rng.standard_normal((RUNS, BATCH), np.float32)

    def moved(self, size: float, seed: int = 1) -> np.ndarray:
        """Other parameters not far away."""
        rng = np.random.default_rng(seed)
        return self.parameters + size * rng.standard_normal(self.parameters.shape, np.float32)

    def policy(self, parameters: np.ndarray) -> Gaussian:
        return policy_pass(parameters, self.like, self.x)[1]

    def distribution(self, parameters: Tensor, run: int) -> Independent:
        """The policies of flat parameters (numbers,) of one run."""
        arrays = []
        for each in self.like:
            arrays.append(parameters[: each[run].size].view(each[run].shape))
            parameters = parameters[each[run].size :]
        hidden = torch.tanh(torch.from_numpy(self.x[run]).double() @ arrays[0] + arrays[1])
        return Independent(Normal(hidden @ arrays[2] + arrays[3], arrays[4].exp().expand(BATCH, ACTION)), 1)

    def tensor(self, run: int, parameters: np.ndarray | None = None) -> Tensor:
        """Parameters of one run in double precision."""
        chosen = self.parameters if parameters is None else parameters
        return torch.from_numpy(chosen[run]).double().requires_grad_()


def test_improvement_and_kl_are_torchs() -> None:
    problem = Problem()
    for size in (1e-3, 0.1, 0.5):
        other = problem.moved(size)
        new = problem.policy(other)
        improved = improvement(problem.action, problem.advantage, new, problem.old)
        kl = kl_divergence(problem.old, new)
        for run in range(RUNS):
            before, after = (problem.distribution(problem.tensor(run, p), run) for p in (problem.parameters, other))
            action = torch.from_numpy(problem.action[run]).double()
            ratio = (after.log_prob(action) - before.log_prob(action)).exp()
            gain = (torch.from_numpy(problem.advantage[run]) * (ratio - 1)).mean()
            assert improved[run] == pytest.approx(gain.item(), rel=1e-3, abs=1e-6)
            assert kl[run] == pytest.approx(torch_kl(before, after).mean().item(), rel=2e-3)


def test_nothing_is_gained_and_nothing_moved_at_the_old_policy() -> None:
    problem = Problem()
    assert improvement(problem.action, problem.advantage, problem.old, problem.old).tolist() == [0, 0]
    assert kl_divergence(problem.old, problem.old).tolist() == [0, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-4, 2))
def test_kl_is_never_negative(seed: int, size: float) -> None:
    problem = Problem()
    assert (kl_divergence(problem.old, problem.policy(problem.moved(size, seed))) >= 0).all()


def test_entropy_is_torchs() -> None:
    problem = Problem()
    expected = [problem.distribution(problem.tensor(run), run).entropy().mean().item() for run in range(RUNS)]
    assert entropy(problem.old.log_std) == pytest.approx(expected, rel=1e-6)


def test_the_surrogates_gradient_is_autograds() -> None:
    problem = Problem()
    found = surrogate_gradient(problem.found, problem.old, problem.action, problem.advantage)
    for run in range(RUNS):
        parameters = problem.tensor(run)
        log_prob = problem.distribution(parameters, run).log_prob(torch.from_numpy(problem.action[run]).double())
        surrogate = (torch.from_numpy(problem.advantage[run]) * (log_prob - log_prob.detach()).exp()).mean()
        (expected,) = torch.autograd.grad(surrogate, parameters)
        np.testing.assert_allclose(found[run], expected, atol=1e-5)


def explicit_fisher(problem: Problem, run: int) -> np.ndarray:
    """The Hessian of the mean KL at the old policy, entry by entry."""
    fixed = problem.distribution(problem.tensor(run).detach(), run)

    def kl(parameters: Tensor) -> Tensor:
        return torch_kl(fixed, problem.distribution(parameters, run)).mean()

    return torch.autograd.functional.hessian(kl, problem.tensor(run).detach()).numpy()


@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_fisher_vector_products_are_those_of_the_explicit_matrix(damping: float) -> None:
    problem = Problem()
    n = problem.parameters.shape[1]
    columns = [
        fisher_vector_product(problem.found, problem.old, np.tile(np.eye(n, dtype=np.float32)[i], (RUNS, 1)), damping)
        for i in range(n)
    ]
    for run in range(RUNS):
        found = np.stack([column[run] for column in columns], 1)
        np.testing.assert_allclose(found, explicit_fisher(problem, run) + damping * np.eye(n), atol=2e-5)
        np.testing.assert_allclose(found, found.T, atol=2e-5)


def test_the_kl_of_a_small_step_is_half_its_fisher_norm() -> None:
    problem = Problem()
    vector = problem.moved(1.0) - problem.parameters
    square = (vector * fisher_vector_product(problem.found, problem.old, vector, 0.0)).sum(1)
    kl = kl_divergence(problem.old, problem.policy(problem.parameters + 1e-2 * vector))
    assert kl == pytest.approx(0.5 * 1e-4 * square, rel=0.05)


# Conjugate gradient


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 10.0, 100.0]))
def test_conjugate_gradient_solves_positive_definite_systems(n: int, seed: int, condition: float) -> None:
    rng = np.random.default_rng(seed)
    bases = np.linalg.qr(rng.standard_normal((RUNS, n, n)))[0]
    matrix = (bases * np.geomspace(1, condition, n)) @ bases.mT
    right = rng.standard_normal((RUNS, n))
    found, turned = conjugate_gradient(lambda vector: (matrix @ vector[..., None])[..., 0], right, 3 * n)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right[..., None])[..., 0], atol=1e-4)
    np.testing.assert_allclose(turned, (matrix @ found[..., None])[..., 0], atol=1e-6)


def test_conjugate_gradient_stops_where_it_should() -> None:
    """After its iterations; and each run at its own solution, however long the others go on."""
    calls: list[np.ndarray] = []

    def product(vector: np.ndarray) -> np.ndarray:
        calls.append(vector)
        return vector * np.array([[1.0, 1.0, 1.0], [1.0, 5.0, 25.0]])

    right = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])
    found, _ = conjugate_gradient(product, right, 50)
    assert len(calls) == 3
    np.testing.assert_allclose(found, [[1, 2, 3], [1, 1 / 5, 1 / 25]], atol=1e-6)
    calls.clear()
    found, turned = conjugate_gradient(product, right, 2)
    assert len(calls) == 2
    np.testing.assert_allclose(turned, product(found), atol=1e-12)
    calls.clear()
    assert not np.any(conjugate_gradient(product, np.zeros((2, 3)), 10))
    assert calls == []


def test_the_longest_step_spends_the_bound_to_second_order() -> None:
    problem = Problem()
    product = partial(fisher_vector_product, problem.found, problem.old, damping=0.0)
    direction = problem.moved(1.0) - problem.parameters
    step = longest_step(direction, product(direction), 0.01)
    assert 0.5 * (step * product(step)).sum(1) == pytest.approx([0.01, 0.01], rel=1e-4)
    assert not longest_step(0 * step, 0 * step, 0.01).any()


# Line search

START, STEP = np.zeros((1, 2)), np.array([[1.0, 1.0]])


def searched(improved: Any, kl: Any, bound: float = 1.0, runs: int = 1, **config: Any) -> Any:
    """A search along a line whose improvement and KL are functions of the length."""

    def evaluate(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return improved(parameters[:, 0]), kl(parameters[:, 0])

    return line_search(evaluate, np.repeat(START, runs, 0), np.repeat(STEP, runs, 0), bound, replace(CONFIG, **config))


def test_a_full_step_is_taken_where_it_may_be() -> None:
    found = searched(lambda length: length, np.square)
    assert (found.parameters.tolist(), found.accepted.tolist(), found.tried.tolist()) == ([[1, 1]], [True], [1])
    assert (found.improvement.tolist(), found.kl.tolist()) == ([1], [1])


def test_a_step_shrinks_until_the_bound_holds() -> None:
    found = searched(lambda length: length, np.square, bound=0.3)
    assert found.parameters[0, 0] == pytest.approx(0.8**3)
    assert found.kl[0] == pytest.approx(0.8**6)
    assert found.tried.tolist() == [4]


def test_a_step_shrinks_until_it_improves() -> None:
    found = searched(lambda length: length * (0.5 - length), np.square)
    assert found.parameters[0, 0] == pytest.approx(0.8**4)
    assert found.improvement[0] == pytest.approx(0.8**4 * (0.5 - 0.8**4))


@pytest.mark.parametrize(
    ("improved", "kl"),
    [
        (lambda length: -length, np.square),  # nothing improves
        (lambda length: 0 * length, np.square),  # nothing changes
        (lambda length: length, lambda length: 2 + length),  # everything is too far
        (lambda length: np.nan * length, np.square),
        (lambda length: length, lambda length: np.nan * length),
        (lambda length: np.inf * length, lambda length: np.inf * length),
    ],
)
def test_the_old_policy_stays_to_the_bit(improved: Any, kl: Any) -> None:
    found = searched(improved, kl)
    assert found.parameters.tobytes() == START.tobytes()
    assert (found.accepted.tolist(), found.tried.tolist()) == ([False], [10])
    assert (found.improvement.tolist(), found.kl.tolist()) == ([0], [0])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 10), st.integers(1, 8), st.floats(0.1, 0.9))
def test_what_is_accepted_improves_within_the_bound(seed: int, bound: float, steps: int, shrink: float) -> None:
    """And it is the first of the lengths that does, in each run for itself."""
    rng = np.random.default_rng(seed)
    lengths = shrink ** np.arange(steps)
    improved, kl = rng.normal(0, 1, (3, steps)), rng.exponential(bound, (3, steps))

    def at(table: np.ndarray) -> Any:
        return lambda length: table[np.arange(3), np.abs(lengths - length[:, None]).argmin(1)]

    found = searched(at(improved), at(kl), bound, 3, line_search_steps=steps, line_search_shrink=shrink)
    for run in range(3):
        good = np.flatnonzero((improved[run] > 0) & (kl[run] <= bound))
        assert found.accepted[run] == (len(good) > 0)
        assert found.parameters[run, 0] == (pytest.approx(lengths[good[0]]) if len(good) else 0)
        assert found.tried[run] == (good[0] + 1 if len(good) else steps)


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_envs": 0},
        {"value_batch": 0},
        {"target_kl": 0.0},
        {"target_kl": np.inf},
        {"initial_std": -1.0},
        {"discount": 0.0},
        {"gae_lambda": 1.1},
        {"cg_damping": -0.1},
        {"line_search_shrink": 1.0},
        {"hidden": ()},
        {"baseline": "none"},
        {"n_envs": 1, "n_steps": 1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(CONFIG, **wrong)
