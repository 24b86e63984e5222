"""Tensors that go by two names, such as tied weights: saved by both, and one when restored.

    in the state                      in the checkpoint of an untied run
    embedding.weight  --- one ---     embedding.weight  [[0.1 ...      read into the tensor
    out.weight        --- tensor      out.weight        [[0.7 ...      read beside it: refused

Both read into one memory, whichever came last would stay, and nobody would know which.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from mirasol.checkpoint.arrays import host_view
from mirasol.checkpoint.errors import CheckpointError


def own_memory(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the tensors themselves by their first names, and new memory like it by all others."""
    firsts = _first_names(tensors)
    return {
        name: tensor if firsts[id(tensor)] == name else torch.empty_like(tensor)
        for name, tensor in tensors.items()
    }


def require_same_by_all_names(
    tensors: Mapping[str, torch.Tensor], read: Mapping[str, torch.Tensor], place: str
) -> None:
    """Compares what was read of tensors by their other names with what is in them.

    Args:
      tensors: which have been filled.
      read: `own_memory` of them, filled.
      place: of the checkpoint.

    Raises:
      CheckpointError: one differs; names both.
    """
    firsts = _first_names(tensors)
    for name, tensor in tensors.items():
        first = firsts[id(tensor)]
        if first != name and not same_bits(tensor, read[name]):
            raise CheckpointError(
                f"{first} and {name} are one tensor in the state, and two that differ in {place}: "
                "make two of it, as where it was saved (TextDecoder.tied = False for the "
                "embedding); do not go on with the state, which is partly filled"
            )


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Returns whether two tensors of one layout hold the same here; of shards, this process's."""
    return np.array_equal(_bytes(one), _bytes(other))


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor on the host, gathered where it lies in shards; all processes call it."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu()


def laid_out_like(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns values, which each process has whole, in the target's dtype and its shards."""
    values = values.to(target.dtype)
    if not isinstance(target, DTensor) or isinstance(values, DTensor):
        return values
    return distribute_tensor(values, target.device_mesh, target.placements)


def _first_names(tensors: Mapping[str, torch.Tensor]) -> dict[int, str]:
    firsts: dict[int, str] = {}
    for name, tensor in tensors.items():
        firsts.setdefault(id(tensor), name)
    return firsts


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    here = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return host_view(here.detach().cpu().contiguous()).reshape(-1).view(np.uint8)
