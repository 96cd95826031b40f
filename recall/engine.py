"""How a functional update is executed: natively, compiled or eagerly, in float32 or with bfloat16 products.

All tensors have a leading axis of independent runs, so that one call serves a single run or many.
"""

import sys
from collections.abc import Callable
from functools import cache
from multiprocessing import parent_process
from typing import Any, Literal

import torch
from torch import Tensor

from recall.native.build import load

Precision = Literal["float32", "bfloat16"]
"""Of matrix products. Parameters, optimisers and sums are float32 in either."""

ONEDNN = torch.backends.mkldnn.is_available()
"""Whether torch was built with oneDNN."""

_operators = torch.library.Library("recall", "DEF")
_operators.define("product(Tensor x, Tensor weight) -> Tensor")


def onednn_product(x: Tensor, weight: Tensor) -> Tensor:
    """Batched product by oneDNN, which uses the widest vector units of every vendor's processors; MKL does not."""
    slices = [
        torch.ops.mkldnn._linear_pointwise(each, factor.t(), None, "none", [], None)
        for each, factor in zip(x, weight, strict=True)
    ]
    return slices[0].unsqueeze(0) if len(slices) == 1 else torch.stack(slices)


_operators.impl("product", onednn_product, "CPU")
_operators.impl("product", torch.library.fallthrough_kernel, "Autograd")


def _product_shape(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], weight.shape[2])


torch.library.register_fake("recall::product", _product_shape)


class _Product(torch.autograd.Function):
    """The product with its gradients, which are products too; `columns` is the weight transposed.

    Compiled by torch 2.13, gradients would be lost were the weight itself, an input of the graph, the argument.
    """

    @staticmethod
    def forward(x: Tensor, columns: Tensor) -> Tensor:
        return torch.ops.recall.product(x, columns.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, columns = ctx.saved_tensors
        return torch.ops.recall.product(grad, columns), torch.ops.recall.product(x.mT, grad).mT


def product(x: Tensor, weight: Tensor, precision: Precision) -> Tensor:
    """Matrix product of each run, (runs, batch, in) times (runs, in, out), in float32; on a CPU by oneDNN."""
    if precision == "bfloat16":
        return torch.bmm(x.bfloat16(), weight.bfloat16()).float()
    if x.device.type == "cpu" and ONEDNN:
        return _Product.apply(x, weight.mT)
    return torch.bmm(x, weight)


@cache
def engine() -> str:
    """`compiled`, or `eager` where torch finds no working C++ compiler; says so once."""
    try:
        torch.compile(_probe, fullgraph=True)(torch.zeros(8))
    except (RuntimeError, OSError) as error:
        _notice("no C++ compiler works here, so training runs eagerly and slower", error)
        return "eager"
    return "compiled"


def update_engine(precision: Precision) -> str:
    """`native`, else what `engine` says: for an update that has a native form; says so once where it cannot be had."""
    found = engine()
    return "native" if found == "compiled" and _native(precision) else found


def rounds_inputs(precision: Precision) -> bool:
    """Whether what enters networks, and the weights it meets, are rounded too, as the native update does with AMX."""
    return precision == "bfloat16" and update_engine(precision) == "native" and torch.ops.recall_native.rounds_inputs()


@cache
def _native(precision: Precision) -> bool:
    """Whether the native operators work here."""
    error = _obstacle(precision)
    if error and precision == "bfloat16" and not _obstacle("float32"):
        _notice("soft actor-critics train many times slower in bfloat16 here than with precision=float32", error)
    elif error:
        _notice("the native update does not work here, so soft actor-critics train compiled and slower", error)
    return error is None


def _obstacle(precision: Precision) -> Exception | None:
    """What keeps the native operators from working here."""
    try:
        load(precision)
    except (RuntimeError, OSError) as error:
        return error
    return None


def _notice(sentence: str, error: Exception) -> None:
    """Say it on stderr; the processes of a sweep leave that to the one that started them."""
    if parent_process() is None:
        reason = str(error).strip().partition("\n")[0]
        print(f"recall: {sentence} ({reason})", file=sys.stderr)


def _probe(x: Tensor) -> Tensor:
    return x.sin() + 1


def compiled(function: Callable[..., Any], same_inputs: bool = False) -> Callable[..., Any]:
    """The function as one compiled graph, or as it is where nothing can be compiled.

    Other compiled forms of it, of other settings or shapes, do not count against torch's limit of eight.

    Args:
        function: of tensors, and of settings that are bound to it.
        same_inputs: it always gets tensors of the shapes and types of the first call. Torch then looks only at the
            shapes, refusing others, and is called by way of C++: a call is 0.2 ms shorter, and longer to compile.
    """
    if engine() == "eager":
        return function
    lean = {"guard_filter_fn": torch.compiler.skip_all_guards_unsafe, "cpp_wrapper": True}
    compile_: Any = torch.compile  # its types lack an argument
    return compile_(
        function, fullgraph=True, dynamic=False, isolate_recompiles=True, options=lean if same_inputs else None
    )
