"""A model in pieces over processes, by torch's FSDP2 (`fully_shard`).

    a layer runs      its parameters are gathered before, dropped after; again in the backward pass,
                      where the processes' gradients are added up and each keeps its piece
    the rest          is gathered as long as the model runs

With copies (Mesh.data) the pieces' gradients are then added up over the copies, too (HSDP).
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import (
    FSDPModule,
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import Shard

from mirasol.runtime.mesh import AXES, BATCH_AXES
from mirasol.runtime.sharding import Sharding
from mirasol.runtime.tensor_parallel import parallelize

# What is gathered at a time: each layer of a stack, and of a decoder's layer by itself what makes
# keys and values of the clip, for that runs before the layer does. Those of a Token Turing Machine
# run once a chunk: they stay gathered, with the rest.
_UNIT = re.compile(
    r"(?!combiner\.process\.)(.+\.)?(blocks|kinds)\.\d+(\.cross_attention\.key_value)?"
)
# What of a model is called from outside, besides `forward`.
_CALLED = ("generate", "score")


def shard(model: nn.Module, mesh: DeviceMesh, sharding: Sharding, dtype: torch.dtype) -> None:
    """Cuts the model's parameters, in place; each becomes a DTensor.

    Args:
      model: with the same parameters in every process.
      mesh: of the processes, by AXES.
      sharding: says which dimension of which parameter is cut. What it leaves whole is cut, too,
        along its first dimension, into pieces of unequal size: FSDP leaves nothing whole.
      dtype: that the parameters are gathered in; the pieces, gradients and the optimizer's state
        stay float32.
    """
    sizes = dict(zip(AXES, mesh.shape, strict=True))
    if sizes["tensor"] > 1:
        parallelize(model, mesh["tensor"], sharding, sizes)
    names = {parameter: name for name, parameter in model.named_parameters()}

    def cut(parameter: nn.Parameter) -> Shard | None:
        axes = sharding.axes(names[parameter], parameter.shape, sizes)
        return Shard(axes.index("fsdp")) if "fsdp" in axes else None

    cut_up = functools.partial(
        fully_shard,
        mesh=mesh[BATCH_AXES] if sizes["data"] > 1 else mesh["fsdp"],
        shard_placement_fn=cut,
        # The CPU's norms take no parameters of another dtype than their inputs.
        mp_policy=_policy(dtype if mesh.device_type == "cuda" else torch.float32),
    )
    for layer in reversed(layers(model)):  # What is inside another one first.
        cut_up(layer, reshard_after_forward=True)
    cut_up(model)
    for unit in _units(model):
        # Each process has its part of a mean over the whole batch: they add up, as they are.
        unit.set_gradient_divide_factor(1.0)
        unit.set_force_sum_reduction_for_comms(True)
    for name in _CALLED:
        if callable(getattr(model, name, None)):
            register_fsdp_forward_method(model, name)


def layers(model: nn.Module) -> list[nn.Module]:
    """Returns what is gathered, and compiled, by itself; what is inside another one after it."""
    return [module for name, module in model.named_modules() if _UNIT.fullmatch(name)]


@contextlib.contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Has each process hold all of the model's parameters while the block runs.

    So that each can go at its own pace, and what runs many times, as in writing an answer, does not
    gather them each time.
    """
    units = _units(model)
    inner = [unit for unit in units if unit is not model]
    for layer in inner:
        layer.set_reshard_after_forward(False, recurse=False)
    for unit in units:
        unit.unshard()
    try:
        yield
    finally:
        for layer in inner:
            layer.set_reshard_after_forward(True, recurse=False)
        for unit in units:
            unit.reshard()


def _units(model: nn.Module) -> list[FSDPModule]:
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _policy(dtype: torch.dtype) -> MixedPrecisionPolicy:
    """Returns what is gathered and added up in which precision; inputs are autocast's affair."""
    return MixedPrecisionPolicy(
        param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
