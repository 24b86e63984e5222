"""Layers whose arithmetic several devices share, by torch's DTensor: Mesh.tensor.

    query          its outputs in pieces: each device has some of the heads
    key_value      whole on each, which hands on the heads that it has (keys and values lie behind
                   one another in one matrix, so that a piece of it would be keys alone)
    out            its inputs in pieces; the sums are added up over the devices
    feed_forward   likewise: hidden units in pieces

Between the layers each device has everything. The rules of a Sharding say which layers are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_module
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    parallelize_module,
)

from mirasol.runtime.sharding import Sharding

# Linear maps whose outputs, in pieces, are the other's inputs.
_PAIRS = (("query", "out"), ("0", "2"))


def parallelize(
    model: nn.Module, mesh: DeviceMesh, sharding: Sharding, sizes: Mapping[str, int]
) -> None:
    """Has the devices of a mesh share the arithmetic of the model's layers, in place.

    Args:
      model: with the same parameters on each.
      mesh: of the tensor axis alone.
      sharding: says which linear maps are cut, and how.
      sizes: of all axes.

    Raises:
      ValueError: heads that the devices cannot share; rules that cut one map of a pair alone, or
        nothing.
    """
    cut = _cut(model, sharding, sizes)
    plan: dict[str, ParallelStyle] = {}
    for name, dimension in cut.items():
        parent, _, own = name.rpartition(".")
        _require_pair(name, own, dimension, cut)
        plan[name] = ColwiseParallel() if dimension == 0 else RowwiseParallel()
        if own == "query":
            _require_heads(parent, model.get_submodule(parent), sizes["tensor"])
            plan[f"{parent}.key_value"] = _OwnHeads()
    if not plan:
        raise ValueError(
            f"Mesh.tensor is {sizes['tensor']}, and no parameter of the model can be cut over it"
        )
    frozen = {name for name, each in model.named_parameters() if not each.requires_grad}
    parallelize_module(model, mesh, plan)
    for name, parameter in model.named_parameters():  # The new ones are all to be trained.
        parameter.requires_grad_(name not in frozen)


def _cut(model: nn.Module, sharding: Sharding, sizes: Mapping[str, int]) -> dict[str, int]:
    """Returns which dimension of which linear map's weight is cut."""
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            axes = sharding.axes(f"{name}.weight", module.weight.shape, sizes)
            if "tensor" in axes:
                found[name] = axes.index("tensor")
    return found


def _require_pair(name: str, own: str, dimension: int, cut: Mapping[str, int]) -> None:
    for first, second in _PAIRS:
        other = second if own == first else first
        parent = name.rpartition(".")[0]
        if own in (first, second):
            if dimension == (own == second) and cut.get(f"{parent}.{other}") == (other == second):
                return
            raise ValueError(
                f"the rules of the Sharding cut {name} over tensor along dimension {dimension}: "
                f"{parent}.{first} must be cut along dimension 0, and {parent}.{second} along 1"
            )
    raise ValueError(
        f"a rule of the Sharding cuts {name} over tensor; only the query and out of attention, and "
        "the 0 and 2 of a feed-forward network, can be"
    )


def _require_heads(name: str, attention: Any, devices: int) -> None:
    if attention.heads % devices:
        raise ValueError(
            f"Mesh.tensor is {devices}, and {name} has {attention.heads} heads, which so many "
            "devices cannot share equally; choose a size that divides the heads"
        )


class _OwnHeads(ParallelStyle):
    """A map to keys and values, computed whole; each device hands on those of its heads."""

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        return distribute_module(module, device_mesh, None, _everywhere, cast(Any, _own_part))


def _everywhere(module: nn.Module, inputs: Any, mesh: DeviceMesh) -> Any:
    return (DTensor.from_local(inputs[0], mesh, (Replicate(),), run_check=False), *inputs[1:])


def _own_part(module: nn.Module, output: Any, mesh: DeviceMesh) -> torch.Tensor:
    # [..., 2 D], keys before values: of either its part, as a query's outputs are cut.
    both = output.unflatten(-1, (2, -1)).redistribute(placements=(Shard(output.ndim),))
    return both.to_local().flatten(-2)
