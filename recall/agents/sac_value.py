"""What a state is worth to a soft actor-critic: as it reads, compiled, or native."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from recall.agents.sac import SACConfig, gaussian, q_values, squash
from recall.engine import Precision, compiled
from recall.functional import Layers
from recall.native.build import load

CHUNK = 4096
"""States valued at once by the compiled form: one shape to compile, and small enough for the caches."""


def state_value(actor: Layers, critics: Layers, obs: Tensor, precision: Precision) -> Tensor:
    """The lower critic at the mean action, (runs, n), of states (runs, n, obs_dim)."""
    mean, _ = gaussian(actor, obs, precision)
    return q_values(critics, obs, squash(mean), precision).amin(1)


Value = Callable[[Layers, Layers, Tensor], Tensor]
"""`state_value` with its settings."""


def eager_value(config: SACConfig) -> Value:
    """As it stands above."""
    return partial(state_value, precision=config.precision)


def compiled_value(config: SACConfig) -> Value:
    """As one compiled graph, a chunk at a time."""
    graph = compiled(eager_value(config))

    def value(actor: Layers, critics: Layers, obs: Tensor) -> Tensor:
        runs, n, dim = obs.shape
        chunks = obs.new_zeros(-(-n // CHUNK), runs, CHUNK, dim)  # strides of each are the same
        for chunk, part in zip(chunks, obs.split(CHUNK, 1), strict=True):
            chunk[:, : part.shape[1]] = part
        return torch.cat([graph(actor, critics, chunk) for chunk in chunks], 1)[:, :n]

    return value


def native_value(config: SACConfig) -> Value:
    """As one operator in C++, of `recall/native`, on one thread.

    Raises:
        OSError: there is no compiler to build it.
        RuntimeError: it cannot be built, or not run by this processor.
    """
    load(config.precision)
    bfloat16 = config.precision == "bfloat16"
    return lambda actor, critics, obs: torch.ops.recall_native.state_value(actor, critics, obs, bfloat16)


VALUES = {"eager": eager_value, "compiled": compiled_value, "native": native_value}
"""By engine."""
