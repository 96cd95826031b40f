"""Perceptrons in numpy are torch's: outputs, both products with the Jacobian, Adam."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor

from recall.perceptron import MANY_ROWS, Adam, Arrays, Pass, flattened, init_perceptron, views

RUNS, BATCH = 2, 7
MANY = 600
"""Rows for which oneDNN multiplies."""
SIZES = [(3, 5, 4, 2), (3, 6, 1)]


def generators() -> list[np.random.Generator]:
    return [np.random.default_rng(run) for run in range(RUNS)]


def network(sizes: tuple[int, ...]) -> Arrays:
    """Layers whose biases are not 0."""
    rng = np.random.default_rng(5)
    return [
        layer + 0.3 * rng.standard_normal(layer.shape, np.float32)
        for layer in init_perceptron(sizes, generators(), 1.0)
    ]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(9).standard_normal(shape, np.float32)


def torch_output(layers: list[Tensor], x: Tensor) -> Tensor:
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = torch.tanh(x @ weight + bias)
    return x @ layers[-2] + layers[-1]


def gradient(found: Pass, errors: np.ndarray) -> list[np.ndarray]:
    """In arrays of its own."""
    into = [np.full_like(layer, np.nan) for layer in found.layers]
    found.gradient(errors, into)
    return into


@pytest.mark.parametrize("batch", [BATCH, MANY])
@pytest.mark.parametrize("sizes", SIZES)
def test_outputs_and_derivatives_are_torchs(sizes: tuple[int, ...], batch: int) -> None:
    assert BATCH < MANY_ROWS <= MANY
    layers, x = network(sizes), normal(RUNS, batch, sizes[0])
    found = Pass(layers, x)
    tensors = [torch.from_numpy(layer).double().requires_grad_() for layer in layers]
    inputs = torch.from_numpy(x).double()
    output = torch_output(tensors, inputs)
    np.testing.assert_allclose(found.output, output.detach(), atol=1e-6)
    errors = normal(RUNS, batch, sizes[-1]) / batch
    expected = torch.autograd.grad(output, tensors, torch.from_numpy(errors).double())
    for mine, other in zip(gradient(found, errors.copy()), expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    directions = [torch.from_numpy(normal(*layer.shape)).double() for layer in layers]
    _, moved = torch.autograd.functional.jvp(
        lambda *each: torch_output(list(each), inputs), tuple(tensors), tuple(directions)
    )
    np.testing.assert_allclose(found.tangent([each.float().numpy() for each in directions]), moved.detach(), atol=1e-5)


def test_derivatives_change_nothing_that_was_given() -> None:
    layers, x, errors = network(SIZES[0]), normal(RUNS, BATCH, 3), normal(RUNS, BATCH, 2)
    found = Pass(layers, x)
    kept = [array.copy() for array in (*layers, x, errors, found.output)]
    first = gradient(found, errors)
    found.tangent(layers)
    assert all(map(np.array_equal, kept, (*layers, x, errors, found.output)))
    assert all(map(np.array_equal, gradient(found, errors), first))


def test_runs_share_nothing() -> None:
    layers, x = network(SIZES[0]), normal(RUNS, BATCH, 3)
    for run in range(RUNS):
        alone = Pass([layer[run : run + 1] for layer in layers], x[run : run + 1])
        np.testing.assert_allclose(alone.output[0], Pass(layers, x).output[run], rtol=1e-6)


def test_layers_start_orthogonal() -> None:
    first, bias, last, _ = init_perceptron((8, 6, 2), generators(), 0.01)
    assert not bias.any()
    for run in range(RUNS):
        np.testing.assert_allclose(first[run].T @ first[run], 2 * np.eye(6), atol=1e-5)
        np.testing.assert_allclose(last[run].T @ last[run], 1e-4 * np.eye(2), atol=1e-8)
    assert not np.array_equal(first[0], first[1])


def test_views_undo_flattening_and_share_memory() -> None:
    layers = network(SIZES[0])
    flat = flattened(layers)
    assert flat.shape == (RUNS, 3 * 5 + 5 + 5 * 4 + 4 + 4 * 2 + 2)
    same = views(flat, layers)
    assert all(map(np.array_equal, same, layers))
    flat += 1
    assert all(np.array_equal(view, layer + 1) for view, layer in zip(same, layers, strict=True))


def test_adam_is_torchs() -> None:
    start = normal(RUNS, 11)
    mine, theirs = start.copy(), torch.from_numpy(start.copy()).requires_grad_()
    adam, optimizer = Adam(mine, 1e-2, 1e-5), torch.optim.Adam([theirs], 1e-2, eps=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(30):
        gradient = rng.standard_normal(start.shape, np.float32)
        adam.step(gradient)
        theirs.grad = torch.from_numpy(gradient)
        optimizer.step()
    assert adam.parameters is mine
    np.testing.assert_allclose(mine, theirs.detach(), atol=1e-6)
    again = Adam(start.copy(), 1e-2, 1e-5)
    again.load_state(deepcopy(adam.state()))
    for each in (adam, again):
        each.step(start)
    assert np.array_equal(adam.parameters, again.parameters)
