"""Stacked networks against ordinary ones, the fast tanh against torch's, and the state of an optimiser."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recall.networks import StackedMLP, load_optimizer_state, optimizer_state, orthogonal, tanh
from recall.seeding import Streams

SIZES = (9, 12, 7, 4)
ACTIVATIONS = pytest.mark.parametrize("activation", [tanh, torch.relu], ids=["tanh", "relu"])
PLAIN: dict[Callable, type[nn.Module]] = {tanh: nn.Tanh, torch.relu: nn.ReLU}


def stacked(activation: Callable = tanh, seeds: tuple[int, ...] = (0, 1, 2)) -> StackedMLP:
    """A group of networks in float64, with biases that are not zero."""
    network = StackedMLP(SIZES, activation, Streams(seeds)["init"]).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for bias in network.biases:
            bias += torch.randn(bias.shape, generator=generator, dtype=torch.float64)
    return network


def ordinary(network: StackedMLP, run: int) -> nn.Sequential:
    """One run of a group as an everyday torch network with the same weights."""
    layers: list[nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[2], dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(weight[run].T)
            layer.bias.copy_(bias[run, 0])
        layers += [layer, PLAIN[network.activation]()]
    return nn.Sequential(*layers[:-1])


def gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@ACTIVATIONS
def test_each_run_is_an_ordinary_network(activation: Callable) -> None:
    network = stacked(activation)
    x = torch.randn(3, 5, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = network(x)
    assert found.shape == (3, 5, 4)
    for run in range(3):
        assert_close(found[run], ordinary(network, run)(x[run]))


@ACTIVATIONS
def test_gradients_are_those_of_ordinary_networks(activation: Callable) -> None:
    network = stacked(activation)
    network.table().square().sum().backward()
    for run in range(3):
        plain = ordinary(network, run)
        plain(torch.eye(9, dtype=torch.float64)).square().sum().backward()
        linear = [layer for layer in plain if isinstance(layer, nn.Linear)]
        for weight, bias, layer in zip(network.weights, network.biases, linear, strict=True):
            assert_close(gradient(weight)[run].T, gradient(layer.weight))
            assert_close(gradient(bias)[run, 0], gradient(layer.bias))


@ACTIVATIONS
def test_the_table_is_the_output_of_every_one_hot_input(activation: Callable) -> None:
    network = stacked(activation)
    assert_close(network.table(), network(torch.eye(9, dtype=torch.float64).expand(3, 9, 9)))


@ACTIVATIONS
def test_a_lookup_is_the_output_of_a_sum_of_one_hot_inputs(activation: Callable) -> None:
    network = stacked(activation)
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, (2, 3, 20))
    one_hot = torch.eye(9, dtype=torch.float64)
    assert_close(network.lookup(first), network(one_hot[first]))
    assert_close(network.lookup(first, second), network(one_hot[first] + one_hot[second]))


def test_a_run_starts_the_same_in_every_group() -> None:
    group, alone = (StackedMLP(SIZES, tanh, Streams(seeds)["init"]) for seeds in ((4, 5, 6), (5,)))
    for in_group, by_itself in zip(group.parameters(), alone.parameters(), strict=True):
        assert torch.equal(in_group[1:2], by_itself)
    assert not torch.equal(group.weights[0][0], group.weights[0][1])


def test_a_loss_of_one_run_moves_no_other() -> None:
    network = stacked()
    network.table()[1].sum().backward()
    for parameter in network.parameters():
        assert not gradient(parameter)[[0, 2]].any()


@pytest.mark.parametrize(("n_in", "n_out"), [(8, 3), (3, 8), (5, 5)])
def test_initial_weights_are_orthogonal(n_in: int, n_out: int) -> None:
    weight = orthogonal(np.random.default_rng(0), n_in, n_out, gain=1.5).astype(float)
    assert weight.shape == (n_in, n_out)
    gram = weight.T @ weight if n_in >= n_out else weight @ weight.T
    assert gram == pytest.approx(1.5**2 * np.eye(min(n_in, n_out)), abs=1e-6)


def test_initial_weights_prefer_no_direction() -> None:
    rng = np.random.default_rng(0)
    mean = np.mean([orthogonal(rng, 3, 3, gain=1.0) for _ in range(2000)], axis=0)
    assert np.abs(mean).max() < 0.06


def test_gains_and_biases_at_the_start() -> None:
    network = StackedMLP((9, 9, 4), tanh, Streams([0])["init"], out_scale=0.01)
    hidden, out = (torch.linalg.matrix_norm(w, ord=2).item() for w in network.weights)
    assert (hidden, out) == pytest.approx((2**0.5, 0.01), rel=1e-5)
    assert not any(bias.any() for bias in network.biases)


# Tanh


def test_tanh_is_torchs_to_absolute_precision() -> None:
    x = torch.cat([torch.linspace(-20, 20, 400_001), torch.tensor([0.0, 1e-30, -1e4, 1e4, 3e38])])
    assert (tanh(x) - torch.tanh(x)).abs().max() < 2.5e-7
    assert tanh(x).abs().max() <= 1


def test_gradient_of_tanh_is_torchs() -> None:
    x = torch.linspace(-10, 10, 10_001)
    gradients = []
    for function in (tanh, torch.tanh):
        leaf = x.clone().requires_grad_()
        function(leaf).sum().backward()
        gradients.append(gradient(leaf))
    assert (gradients[0] - gradients[1]).abs().max() < 5e-7


def test_gradient_of_tanh_is_its_slope() -> None:
    x = torch.linspace(-3, 3, 31, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(tanh, x)


# State


def descend(network: StackedMLP, optimizer: torch.optim.Optimizer, steps: int) -> bytes:
    """The parameters after some steps of learning to output nothing."""
    for _ in range(steps):
        optimizer.zero_grad()
        network.table().square().sum().backward()
        optimizer.step()
    return b"".join(p.detach().numpy().tobytes() for p in network.parameters())


def test_an_optimiser_goes_on_from_its_state() -> None:
    first, second = (StackedMLP(SIZES, tanh, Streams([seed])["init"]) for seed in (0, 1))
    optimizers = [torch.optim.Adam(network.parameters(), 0.01, fused=True) for network in (first, second)]
    descend(first, optimizers[0], 5)
    load_optimizer_state(
        list(second.parameters()), optimizers[1], optimizer_state(list(first.parameters()), optimizers[0])
    )
    second_goes_on = descend(second, optimizers[1], 5)  # first: a state shares no memory with what loaded it
    assert descend(first, optimizers[0], 5) == second_goes_on


def test_the_state_before_the_first_step_has_no_moments() -> None:
    network, other = (StackedMLP(SIZES, tanh, Streams([seed])["init"]) for seed in (0, 1))
    optimizers = [torch.optim.Adam(each.parameters(), 0.01, fused=True) for each in (network, other)]
    state = optimizer_state(list(network.parameters()), optimizers[0])
    assert all(set(entry) == {"value"} for entry in state.values())
    load_optimizer_state(list(other.parameters()), optimizers[1], state)
    assert descend(other, optimizers[1], 2) == descend(network, optimizers[0], 2)
