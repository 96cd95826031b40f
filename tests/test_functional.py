"""Stacked networks against modules, and the optimiser against torch's."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recall.functional import (
    Layers,
    Moments,
    adam_,
    copy_,
    init_layers,
    mlp,
    scalar_mlp,
    squared_norm,
    to_arrays,
)

SIZES = (3, 8, 6, 2)


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def modules(layers: Layers, run: int, activation: type[nn.Module]) -> nn.Sequential:
    """One run's network."""
    network: list[nn.Module] = []
    for weight, bias in zip(layers[::2], layers[1::2], strict=True):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = weight[run].T, bias[run, 0]
        network += [linear, activation()]
    return nn.Sequential(*network[:-1])


@pytest.mark.parametrize(("function", "module"), [(torch.relu, nn.ReLU), (torch.tanh, nn.Tanh)])
def test_each_run_is_a_network_of_modules(function: type, module: type[nn.Module]) -> None:
    layers, x = init_layers(SIZES, generators(0, 1)), numbers(2, 5, 3)
    found = mlp(layers, x, function)
    for run in range(2):
        torch.testing.assert_close(found[run], modules(layers, run, module)(x[run]))


def test_a_scalar_network_is_one_of_a_single_output() -> None:
    layers, x = init_layers((3, 8, 6, 1), generators(0, 1)), numbers(2, 5, 3)
    torch.testing.assert_close(scalar_mlp(layers, x), mlp(layers, x)[..., 0])


def test_parameters_start_as_in_torchs_linear_layers() -> None:
    """Uniform within 1/sqrt(fan-in), weights and biases."""
    layers = init_layers((100, 400, 100), generators(0, 1))
    assert [tuple(layer.shape) for layer in layers] == [(2, 100, 400), (2, 1, 400), (2, 400, 100), (2, 1, 100)]
    for layer, fan_in in zip(layers, (100, 100, 400, 400), strict=True):
        scaled = layer * fan_in**0.5
        assert scaled.abs().max() <= 1
        assert scaled.mean().abs() < 0.1
        assert scaled.std() == pytest.approx(3**-0.5, rel=0.1)


def test_a_run_starts_the_same_in_any_company() -> None:
    alone, together = init_layers(SIZES, generators(7)), init_layers(SIZES, generators(3, 7))
    assert all(torch.equal(own[0], shared[1]) for own, shared in zip(alone, together, strict=True))
    assert not torch.equal(together[0][0], together[0][1])


def test_adam_is_torchs() -> None:
    """Over many steps, from gradients of very different sizes, zeros among them."""
    layers = init_layers(SIZES, generators(0, 1))
    moments, updates = Moments.of(layers), torch.zeros(())
    leaves = [layer.clone().requires_grad_() for layer in layers]
    theirs = torch.optim.Adam(leaves, 1e-2)
    for step in range(300):
        grads = tuple(numbers(*layer.shape, seed=step) * 10.0 ** (index - 4) for index, layer in enumerate(layers))
        grads[0][:, 0] = 0
        updates += 1
        adam_(layers, grads, moments, updates, 1e-2)
        for leaf, gradient in zip(leaves, grads, strict=True):
            leaf.grad = gradient.clone()
        theirs.step()
    for layer, leaf, first, second in zip(layers, leaves, *moments, strict=True):
        torch.testing.assert_close(layer, leaf.detach(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(first, theirs.state[leaf]["exp_avg"])
        torch.testing.assert_close(second, theirs.state[leaf]["exp_avg_sq"])


def test_the_squared_norm_is_of_each_run() -> None:
    """Also where a run has several rows, as two critics."""
    layers = init_layers(SIZES, generators(0, 1))
    expected = [sum((layer[run] ** 2).sum() for layer in layers) for run in range(2)]
    torch.testing.assert_close(squared_norm(layers), torch.stack(expected))


def test_parameters_come_back_from_arrays() -> None:
    layers, others = (init_layers(SIZES, generators(seed)) for seed in (0, 1))
    copy_(others, to_arrays(layers))
    assert all(torch.equal(one, other) for one, other in zip(layers, others, strict=True))
    assert all(one.data_ptr() != other.data_ptr() for one, other in zip(layers, others, strict=True))
