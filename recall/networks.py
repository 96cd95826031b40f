"""Networks with a leading axis of runs: every seed of a group is one slice of one batched product."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class StackedMLP(nn.Module):
    """One multi-layer perceptron a run, all of one shape, evaluated together.

    Args:
        sizes: units of each layer, the input first.
        activation: between the layers; none after the last.
        generators: one a run, for the initial weights.
        out_scale: gain of the last layer; a small one starts a policy near uniform.

    Weights start orthogonal with gain sqrt(2), biases at zero, as actor-critic implementations usually do.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[Tensor], Tensor],
        generators: Sequence[np.random.Generator],
        out_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        gains = [2**0.5] * (len(sizes) - 2) + [out_scale]
        self.weights = nn.ParameterList(
            torch.from_numpy(np.stack([orthogonal(g, n_in, n_out, gain) for g in generators])).contiguous()
            for n_in, n_out, gain in zip(sizes[:-1], sizes[1:], gains, strict=True)
        )
        self.biases = nn.ParameterList(torch.zeros(len(generators), 1, n_out) for n_out in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (runs, batch, out) of inputs (runs, batch, in)."""
        return self._from_first(torch.baddbmm(self.biases[0], x, self.weights[0]))

    def table(self) -> Tensor:
        """Outputs (runs, n, out) for all n one-hot inputs at once: the first layer of a one-hot input is its row."""
        return self._from_first(self.weights[0] + self.biases[0])

    def lookup(self, *rows: np.ndarray) -> Tensor:
        """Outputs (runs, batch, out) of sums of one-hot inputs, each given as indices (runs, batch)."""
        n_runs, n_in, n_out = self.weights[0].shape
        flat = self.weights[0].view(-1, n_out)
        offset = n_in * np.arange(n_runs)[:, None]
        chosen = (
            flat.index_select(0, torch.from_numpy((row + offset).ravel())).view(n_runs, -1, n_out) for row in rows
        )
        return self._from_first(sum(chosen, self.biases[0]))

    def _from_first(self, hidden: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = torch.baddbmm(bias, self.activation(hidden), weight)
        return hidden


def optimizer_state(parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Parameters and an optimiser's moments, as arrays."""
    state: dict[str, Any] = {}
    for index, parameter in enumerate(parameters):
        moments = {name: value.numpy() for name, value in optimizer.state.get(parameter, {}).items()}
        state[str(index)] = {"value": parameter.detach().numpy(), **moments}
    return state


def load_optimizer_state(parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put parameters and moments back where `optimizer_state` found them."""
    with torch.no_grad():
        for index, parameter in enumerate(parameters):
            saved = {name: torch.from_numpy(np.array(array)) for name, array in state[str(index)].items()}
            parameter.copy_(saved.pop("value"))
            if saved:
                optimizer.state[parameter] = saved


class _Tanh(torch.autograd.Function):
    """Tanh by way of the sigmoid, whose vectorised form torch has: ten times faster on a CPU than torch.tanh."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.sigmoid(2 * x).mul_(2).sub_(1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, y)


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent, to float32's absolute precision."""
    return _Tanh.apply(x)


def orthogonal(generator: np.random.Generator, n_in: int, n_out: int, gain: float) -> np.ndarray:
    """A random (n_in, n_out) matrix with orthogonal rows or columns of length `gain`, float32."""
    q, r = np.linalg.qr(generator.standard_normal((max(n_in, n_out), min(n_in, n_out))))
    q *= np.sign(np.diag(r))
    return (gain * (q if n_in >= n_out else q.T)).astype(np.float32)
