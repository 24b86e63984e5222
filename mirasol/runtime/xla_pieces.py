"""Whole tensors on the host, of those that lie in pieces over XLA devices.

    every piece is on a device of this host    the host puts them together; nothing is compiled
    some are on devices of other hosts         the devices gather them, and each host takes a copy

The second takes all hosts: they must all ask for the same tensors in the same order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

# So much of what is gathered lies on each device at a time, if no single tensor is larger.
_AT_ONCE_BYTES = 2**29

# What torch_xla says of a piece: which copy of it, and where in the tensor it belongs.
Place = tuple[int, list[slice]]


class Pieces:
    """Brings tensors that lie in pieces to the host.

    Args:
      torch_xla: the module.
      at_once_bytes: of gathered copies on each device at a time, if no tensor is larger.
    """

    def __init__(self, torch_xla: Any, at_once_bytes: int = _AT_ONCE_BYTES):
        from torch_xla.distributed.spmd import ShardingType

        self._core = torch_xla._XLAC
        self._alone = torch_xla.runtime.process_count() == 1
        self._at_once_bytes = at_once_bytes
        self._whole = self._core.OpSharding([], [], [], ShardingType.REPLICATED)

    def fetch(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Returns whole copies on the host, in the order of the tensors."""
        if not tensors:
            return []
        # So that there are pieces of what is pending.
        self._core._xla_sync_multi(list(tensors), [], wait=True)
        places = self._core._get_local_shard_replica_and_indices(list(tensors))
        here = [self._is_put_together(t, each) for t, each in zip(tensors, places, strict=True)]
        apart = self.gathered([t for t, own in zip(tensors, here, strict=True) if not own])
        own = self.put_together([t for t, own in zip(tensors, here, strict=True) if own])
        found = {True: iter(own), False: iter(apart)}
        return [next(found[own]) for own in here]

    def _is_put_together(self, tensor: torch.Tensor, places: Sequence[Place]) -> bool:
        """Returns, on all hosts the same, whether each has all pieces of a tensor."""
        if self._alone:
            return True
        spec = self._core._get_xla_sharding_spec(tensor)
        return cut_evenly(tensor.shape, spec) and all_are_here(tensor.shape, places)

    def put_together(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Returns tensors all of whose pieces are on devices of this host, and computed."""
        if not tensors:
            return []
        wholes = []
        for tensor, shards, places in zip(
            tensors,
            self._core._get_local_shards(tensors),
            self._core._get_local_shard_replica_and_indices(tensors),
            strict=True,
        ):
            whole = torch.empty(tensor.shape, dtype=tensor.dtype)
            for (shard, _), (_, indices) in zip(shards, places, strict=True):
                part = whole[tuple(indices)]
                part.copy_(shard[tuple(slice(size) for size in part.shape)])  # Not its padding.
            wholes.append(whole)
        return wholes

    def gathered(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Returns tensors that the devices gather, some at a time; a program a shape and layout."""
        wholes = []
        for group in in_groups(tensors, self._at_once_bytes):
            copies = [self._gathered_copy(tensor) for tensor in group]
            wholes += [copy[0] for copy in self._core._xla_get_cpu_tensors(copies)]
        return wholes

    def _gathered_copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns a copy [1, ...] that will lie whole on every device.

        A view, since its mark is one on an operation, which changes no bit. A mark on a tensor
        itself would be refused: it has one.
        """
        copy = tensor.detach().unsqueeze(0)
        self._core._xla_mark_sharding(copy, self._whole)
        # A program of its own, so that what is alike has one program.
        self._core._xla_sync_multi([copy], [], wait=False)
        return copy


def cut_evenly(shape: Sequence[int], spec: str) -> bool:
    """Returns whether all pieces of a tensor have one size; of others hosts hold unlike parts.

    Of a row cut in four, say, the first host alone has all.

    Args:
      shape: of the tensor.
      spec: as XLA writes it: "{devices=[4,1]0,1,2,3}" cuts the first dimension in four.
    """
    found = re.match(r"\{devices=\[([\d,]+)\]", spec)
    if found is None:
        return False
    return all(
        size % int(cuts) == 0 for size, cuts in zip(shape, found[1].split(","), strict=False)
    )


def all_are_here(shape: Sequence[int], places: Sequence[Place]) -> bool:
    """Returns whether the pieces on the devices of a host make up the whole tensor.

    Args:
      shape: of the tensor.
      places: of these pieces; several may be copies of one.
    """
    boxes = {tuple((s.start, s.stop) for s in indices) for _, indices in places}
    covered = sum(math.prod(stop - start for start, stop in box) for box in boxes)
    return covered == math.prod(shape)


def in_groups(tensors: Sequence[torch.Tensor], most_bytes: int) -> Iterator[list[torch.Tensor]]:
    """Yields the tensors in order, as many at a time as have so many bytes; one at least."""
    group: list[torch.Tensor] = []
    size = 0
    for tensor in tensors:
        if group and size + tensor.nbytes > most_bytes:
            yield group
            group, size = [], 0
        group.append(tensor)
        size += tensor.nbytes
    if group:
        yield group
