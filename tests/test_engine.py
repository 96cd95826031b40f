"""Products in either precision against torch's, compiled and not, and training where nothing compiles."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from small_sac import CONFIG, OBS, a_learner, numbers
from torch import Tensor
from torch.func import grad

import recall.agents.sac_value
from recall.agents.sac_value import compiled_value, state_value
from recall.engine import Precision, compiled, engine, product

SHAPES = [(1, 5, 3, 4), (3, 16, 32, 8), (2, 1, 7, 1)]
"""Runs, batch, inputs and outputs."""

CLOSE: dict[Precision, float] = {"float32": 1e-6, "bfloat16": 2**-7}
"""How far a product may be from the exact one, relative to the size of its terms."""

PRECISIONS = pytest.mark.parametrize("precision", CLOSE)


def pair(shape: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    """The factors of a product."""
    runs, batch, n_in, n_out = shape
    return numbers(runs, batch, n_in), numbers(runs, n_in, n_out, seed=1)


def assert_near(found: Tensor, x: Tensor, weight: Tensor, precision: Precision) -> None:
    """Against the product in float64; the bound is of the sum of sizes, as rounding is."""
    assert found.dtype == torch.float32
    exact = torch.bmm(x.double(), weight.double())
    size = torch.bmm(x.double().abs(), weight.double().abs())
    assert ((found - exact).abs() <= CLOSE[precision] * size).all()


@PRECISIONS
@pytest.mark.parametrize("shape", SHAPES)
def test_a_product_is_a_product(shape: tuple[int, int, int, int], precision: Precision) -> None:
    x, weight = pair(shape)
    assert_near(product(x, weight, precision), x, weight, precision)
    assert_near(product(x.mT.contiguous().mT, weight.mT.contiguous().mT, precision), x, weight, precision)


@PRECISIONS
@pytest.mark.parametrize("shape", SHAPES)
def test_its_gradients_are_products(shape: tuple[int, int, int, int], precision: Precision) -> None:
    x, weight = (each.requires_grad_() for each in pair(shape))
    y = product(x, weight, precision)
    upstream = numbers(*y.shape, seed=2)
    y.backward(upstream)
    assert x.grad is not None
    assert weight.grad is not None
    assert_near(x.grad, upstream, weight.detach().mT, precision)
    assert_near(weight.grad, x.detach().mT, upstream, precision)


def test_bfloat16_rounds_factors_and_nothing_else() -> None:
    x, weight = (each.bfloat16().float() for each in pair((2, 64, 8, 4)))
    torch.testing.assert_close(product(x, weight, "bfloat16"), torch.bmm(x, weight), rtol=2**-8, atol=0)
    found, expected = (product(*pair((2, 64, 8, 4)), p) for p in CLOSE)
    assert (found != expected).any()


def two_layers(precision: Precision, weights: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
    """A network whose input needs no gradient."""
    return product(torch.relu(product(x, weights[0], precision)), weights[1], precision).square().sum()


@PRECISIONS
def test_compiled_gradients_are_those_of_autograd(precision: Precision) -> None:
    """Weights are inputs of the compiled graph: torch 2.13 loses gradients of such inputs of autograd functions."""
    x = numbers(2, 6, 3)
    weights = (numbers(2, 3, 5, seed=1), numbers(2, 5, 4, seed=2))

    def gradient(weights: tuple[Tensor, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        return grad(lambda weights: two_layers(precision, weights, x))(weights)

    leaves = tuple(weight.clone().requires_grad_() for weight in weights)
    two_layers(precision, leaves, x).backward()  # type: ignore[arg-type]
    for found in (compiled(gradient)(weights, x), gradient(weights, x)):
        for layer, leaf in zip(found, leaves, strict=True):
            assert leaf.grad is not None
            torch.testing.assert_close(layer, leaf.grad, rtol=CLOSE[precision], atol=CLOSE[precision])


def test_a_compiler_is_found_here() -> None:
    assert engine() == "compiled"


def test_many_agents_compile_in_one_process() -> None:
    """By default torch counts them together, and refuses to go on after eight; here after one."""
    with torch._dynamo.config.patch(recompile_limit=1):
        for n in (2, 3):
            assert compiled(partial(torch.Tensor.mul, other=n))(torch.ones(n)).sum() == n**2


def test_same_inputs_are_held_to_their_shapes() -> None:
    """What is not looked at before the call is refused in it, not read beyond its end."""
    doubled = compiled(partial(torch.Tensor.mul, other=2), same_inputs=True)
    assert doubled(torch.ones(3)).sum() == doubled(torch.full((3,), 1.0)).sum() == 6
    with pytest.raises(RuntimeError, match="expected size 4==3"):
        doubled(torch.ones(4))


WITHOUT = """
import numpy as np
from recall.agents.sac import SACConfig
from recall.agents.sac_learner import SAC, transitions
from recall.engine import compiled, engine
from recall.seeding import Streams

assert compiled(abs) is abs
config = SACConfig(hidden=(4,), batch_size=8)
assert config.numerics == {"engine": "eager", "precision": "bfloat16"}
batch = transitions([np.full((2, 8, *dims), 0.5, np.float32) for dims in ((3,), (1,), (), (3,), ())])
for _ in range(2):
    agent = SAC(config, 3, 1, Streams((0, 1)))
    for _ in range(3):
        found = agent.update(batch)
    print(engine(), *found["critic_loss"])
"""
"""Trains two agents."""


def test_without_a_compiler_training_is_eager_and_says_so_once(root: Path, tmp_path: Path) -> None:
    """Two agents train to the same numbers; the one line on stderr gives the reason."""
    without = {"CXX": str(tmp_path / "missing"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=root, env=os.environ | without, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    one, two = done.stdout.splitlines()
    assert one == two
    assert one.startswith("eager ")
    (notice,) = done.stderr.splitlines()
    assert notice.startswith("recall: no C++ compiler works here, so training runs eagerly and slower (")


def test_states_are_valued_by_one_graph_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a growing replay buffer holds: torch would refuse a ninth graph."""
    monkeypatch.setattr(recall.agents.sac_value, "CHUNK", 4)
    learner = a_learner(seeds=(0,))
    value = compiled_value(CONFIG)
    obs = numbers(1, 50, OBS)
    values = state_value(learner.actor, learner.critics, obs, "float32")
    for n in range(1, 50, 4):
        torch.testing.assert_close(value(learner.actor, learner.critics, obs[:, :n]), values[:, :n])
