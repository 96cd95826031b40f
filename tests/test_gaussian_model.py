"""The Gaussian backtracking model: its likelihood, what it learns from data of a known past, and its samples."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from small_control import run_eagerly
from torch import Tensor
from torch.distributions import Independent, Normal

from recall.checkpoints import Checkpoint
from recall.functional import Layers
from recall.gaussian_model import LOG_STD_RANGE, GaussianModel, Networks, Pairs, predict_action, predict_before
from recall.seeding import Streams

OBS, ACTION = 3, 2
POLICY = np.array([[0.5, 0.1], [-0.4, 0.3], [0.2, -0.6]])
FROM_STATE = np.array([[0.3, 0, 0.1], [0, -0.2, 0], [0.4, 0, 0.2]])
FROM_ACTION = np.array([[0.8, 0, -0.3], [0, 0.5, 0.2]])
SPREAD = np.array([0.1, 0.4, 1.5])
"""A past that is linear and Gaussian: a = s' POLICY + noise, s - s' = s' FROM_STATE + a FROM_ACTION + SPREAD noise."""


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


def model(seeds: tuple[int, ...] = (0, 1), learning_rate: float = 3e-3) -> GaussianModel:
    return GaussianModel(OBS, ACTION, learning_rate, Streams(seeds))


def past(rng: np.random.Generator, n_runs: int = 2, n: int = 64) -> Pairs:
    """Transitions of the linear past."""
    next_obs = rng.standard_normal((n_runs, n, OBS))
    action = next_obs @ POLICY + rng.standard_normal((n_runs, n, ACTION))
    delta = next_obs @ FROM_STATE + action @ FROM_ACTION + SPREAD * rng.standard_normal((n_runs, n, OBS))
    return Pairs(*(torch.from_numpy(each.astype(np.float32)) for each in (next_obs, action, delta)))


def perceptron(layers: Layers, run: int, x: Tensor, activation: torch.nn.Module) -> Tensor:
    """One run's network, written out."""
    *hidden, weight, bias = (layer[run] for layer in layers)
    for factor, offset in zip(hidden[::2], hidden[1::2], strict=True):
        x = activation(x @ factor + offset)
    return x @ weight + bias


def test_the_networks_are_those_of_the_paper() -> None:
    networks, pairs = model().networks, past(np.random.default_rng(0))
    assert [tuple(layer.shape[1:]) for layer in networks.actions[::2]] == [(3, 128), (128, 128), (128, 2)]
    assert [tuple(layer.shape[1:]) for layer in networks.states[::2]] == [(5, 128), (128, 128), (128, 6)]
    action = predict_action(networks, pairs.next_obs)
    mean, log_std = predict_before(networks, pairs.next_obs, pairs.action)
    for run in range(2):
        x = torch.cat([pairs.next_obs, pairs.action], 2)[run]
        expected = perceptron(networks.actions, run, pairs.next_obs[run], torch.nn.Tanh())
        torch.testing.assert_close(action[run], expected)
        expected = perceptron(networks.states, run, x, torch.nn.ReLU())
        torch.testing.assert_close(torch.cat([mean, log_std], 2)[run], expected)


def test_the_likelihood_is_that_of_torchs_distributions() -> None:
    rng = np.random.default_rng(0)
    gaussian, pairs = model(), past(rng)
    gaussian.networks.states[-1].copy_(torch.from_numpy(rng.normal(0, 4, (2, 1, 6))))  # beyond the bounds too
    mean, log_std = predict_before(gaussian.networks, pairs.next_obs, pairs.action)
    assert log_std.amin().item() == LOG_STD_RANGE[0]
    assert log_std.amax().item() == LOG_STD_RANGE[1]
    of_actions = Independent(Normal(predict_action(gaussian.networks, pairs.next_obs), 1.0), 1)
    of_states = Independent(Normal(mean, log_std.exp()), 1)
    actions, states = gaussian.log_likelihood(pairs)
    assert actions == pytest.approx(of_actions.log_prob(pairs.action).mean(1).numpy(), rel=1e-5)
    assert states == pytest.approx(of_states.log_prob(pairs.before).mean(1).numpy(), rel=1e-5)


def test_a_step_of_learning_returns_the_loss_before_it_and_lowers_it() -> None:
    gaussian, pairs = model(learning_rate=1e-3), past(np.random.default_rng(0))
    for _ in range(5):
        before = np.stack(gaussian.log_likelihood(pairs))
        assert gaussian.learn(pairs) == pytest.approx(-before, rel=1e-5)
        assert (np.stack(gaussian.log_likelihood(pairs)) > before).all()


def test_the_first_step_is_adams_on_the_gradient_of_equation_5() -> None:
    """From empty moments Adam goes the learning rate against the sign of each gradient."""
    gaussian, pairs = model(), past(np.random.default_rng(0))
    layers = [layer.clone().requires_grad_() for layer in (*gaussian.networks.actions, *gaussian.networks.states)]
    networks = Networks(tuple(layers[:6]), tuple(layers[6:]))
    mean, log_std = predict_before(networks, pairs.next_obs, pairs.action)
    of_actions = Normal(predict_action(networks, pairs.next_obs), 1.0).log_prob(pairs.action).sum(2).mean(1)
    of_states = Normal(mean, log_std.exp()).log_prob(pairs.before).sum(2).mean(1)
    (of_actions + of_states).sum().backward()
    gaussian.learn(pairs)
    for before, after in zip(layers, (*gaussian.networks.actions, *gaussian.networks.states), strict=True):
        assert before.grad is not None
        clear = before.grad.abs() > 1e-4
        torch.testing.assert_close((after - before)[clear], 3e-3 * before.grad[clear].sign(), rtol=1e-3, atol=0)


def test_a_linear_gaussian_past_is_recovered() -> None:
    rng, gaussian = np.random.default_rng(0), model(seeds=(3,))
    for step in range(400):
        gaussian._learning_rate.fill_(3e-3 if step < 250 else 3e-4)
        gaussian.learn(past(rng, n_runs=1, n=256))
    pairs = past(rng, n_runs=1, n=2000)
    next_obs, action = pairs.next_obs.numpy(), pairs.action.numpy()
    mean, log_std = predict_before(gaussian.networks, pairs.next_obs, pairs.action)
    wrong_action = predict_action(gaussian.networks, pairs.next_obs).numpy() - next_obs @ POLICY
    wrong_delta = (mean.numpy() - next_obs @ FROM_STATE - action @ FROM_ACTION) / SPREAD
    assert np.sqrt(np.square(wrong_action).mean()) < 0.15
    assert np.sqrt(np.square(wrong_delta).mean((0, 1))).max() < 0.3
    assert log_std.exp().numpy().mean((0, 1)) == pytest.approx(SPREAD, rel=0.1)


def test_a_step_back_is_mean_plus_deviation_times_noise() -> None:
    gaussian, rng = model(), np.random.default_rng(0)
    next_obs, noise = (rng.standard_normal((2, 7, n)).astype(np.float32) for n in (OBS, ACTION + OBS))
    for std in (0.0, 0.5, 2.0):
        action, delta = gaussian.step_back(next_obs, std, noise)
        state = torch.from_numpy(next_obs)
        expected = predict_action(gaussian.networks, state).numpy() + std * noise[..., :ACTION]
        assert action == pytest.approx(expected, abs=1e-6)
        mean, log_std = predict_before(gaussian.networks, state, torch.from_numpy(action))
        expected = mean + log_std.exp() * torch.from_numpy(noise[..., ACTION:])
        assert delta == pytest.approx(expected.numpy(), abs=1e-5)


def test_samples_have_the_predicted_moments() -> None:
    gaussian, n = model(), 20_000
    next_obs = np.random.default_rng(1).standard_normal((2, 1, OBS)).astype(np.float32).repeat(n, 1)
    noise = Streams((5, 6)).normal("traces", n, ACTION + OBS)
    action, delta = gaussian.step_back(next_obs, 0.3, noise)
    state = torch.from_numpy(next_obs)
    assert action.mean(1) == pytest.approx(predict_action(gaussian.networks, state)[:, 0].numpy(), abs=0.01)
    assert action.std(1) == pytest.approx(np.full((2, ACTION), 0.3), rel=0.03)
    mean, log_std = predict_before(gaussian.networks, state, torch.from_numpy(action))
    standard = (torch.from_numpy(delta) - mean) / log_std.exp()
    for run in range(2):
        assert np.cov(standard[run].numpy().T) == pytest.approx(np.eye(OBS), abs=0.03)
        assert standard[run].mean(0).numpy() == pytest.approx(np.zeros(OBS), abs=0.03)


def test_runs_are_independent() -> None:
    """Another past of run 1 moves no bit of run 0, and alone run 0 learns the same."""
    rng = np.random.default_rng(0)
    together, other, alone = model((4, 5)), model((4, 5)), model((4,))
    for _ in range(3):
        pairs = past(rng)
        changed = Pairs(*(torch.stack([each[0], each[1] + 1]) for each in pairs))
        losses = [m.learn(p) for m, p in ((together, pairs), (other, changed))]
        assert losses[0][:, 0].tolist() == losses[1][:, 0].tolist()
        assert (losses[0][:, 1] != losses[1][:, 1]).all()
        found = alone.learn(Pairs(*(each[:1] for each in pairs)))
        assert found[:, 0] == pytest.approx(losses[0][:, 0], rel=1e-5)
    layers = [(*m.networks.actions, *m.networks.states) for m in (together, other, alone)]
    for first, second, third in zip(*layers, strict=True):
        assert torch.equal(first[0], second[0])
        assert not torch.equal(first[1], second[1])
        torch.testing.assert_close(first[:1], third, rtol=1e-4, atol=1e-5)


def test_seeds_start_apart() -> None:
    networks = model((0, 0, 1)).networks
    for layer in (*networks.actions, *networks.states):
        assert torch.equal(layer[0], layer[1])
        assert not torch.equal(layer[0], layer[2])


def test_a_stored_model_goes_on_to_the_bit(tmp_path: Path) -> None:
    rng, first, second = np.random.default_rng(0), model(), model((8, 9))
    for _ in range(3):
        first.learn(past(rng))
    Checkpoint(tmp_path).save(deepcopy(first.state()))
    state = Checkpoint(tmp_path).load(pytest.fail)
    assert state is not None
    second.load_state(state)
    for _ in range(3):
        pairs = past(rng)
        assert np.array_equal(first.learn(pairs), second.learn(pairs))
    noise = np.ones((2, 4, ACTION + OBS), np.float32)
    samples = [m.step_back(noise[..., :OBS], 0.5, noise) for m in (first, second)]
    assert all(map(np.array_equal, *samples))
