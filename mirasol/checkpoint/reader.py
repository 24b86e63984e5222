"""Reads a checkpoint for torch.distributed.checkpoint (DCP).

DCP plans which process reads which box of which tensor; the reader carries the plans out. Arrays
are whole tensors, so a checkpoint of one layout restores into any other.
"""

from __future__ import annotations

import os

import tensorstore as ts
import torch
from torch.distributed.checkpoint import StorageReader
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadItemType, LoadPlan, LoadPlanner, ReadItem
from torch.futures import Future

from mirasol.checkpoint.arrays import ArrayFolder, box, dtype_name, host_view, torch_dtype
from mirasol.checkpoint.direct import Direct, fits, read_all
from mirasol.checkpoint.index import Span
from mirasol.checkpoint.manifest import ARRAYS, ArrayEntry, CheckpointError, read_manifest
from mirasol.checkpoint.places import is_place, place
from mirasol.checkpoint.transfers import LIMIT_BYTES, Transfers, done, settle


class TensorStoreReader(StorageReader):
    """Reads one checkpoint.

    Args:
      folder: of the checkpoint, a path or a URL (places.py).
      limit_bytes: of host copies under way at a time (tensors on the host are read in place).

    Raises:
      CheckpointError: the folder is no complete checkpoint.
    """

    def __init__(self, folder: str | os.PathLike, limit_bytes: int = LIMIT_BYTES):
        self.folder = place(folder)
        self.limit_bytes = limit_bytes
        self.reset()

    def reset(self, checkpoint_id: str | os.PathLike | None = None) -> None:
        """Turns to the checkpoint `checkpoint_id`, if one is given."""
        # Read here and not in read_metadata, whose errors DCP swallows.
        self.folder = place(checkpoint_id or self.folder)
        self.manifest = read_manifest(self.folder)

    def read_metadata(self) -> Metadata:
        """Returns what DCP plans with: every array as one piece, however it was written."""
        return Metadata(
            {name: _whole(entry) for name, entry in self.manifest.arrays.items()},
            storage_meta=StorageMeta(checkpoint_id=str(self.folder)),
        )

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool) -> None:
        """Has nothing to prepare."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Refuses what is not a tensor."""
        for item in plan.items:
            if item.type == LoadItemType.BYTE_IO:
                raise CheckpointError(
                    f"{item.dest_index.fqn!r} is not a tensor; find it in the manifest's values"
                )
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Keeps the plans as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Reads this process's boxes into its tensors.

        Whole arrays of local checkpoints straight from their files (direct.py), the rest by
        tensorstore.
        """
        arrays = ArrayFolder(self.folder / ARRAYS)
        left = self._read_directly(arrays, plan.items, planner)
        opened = [arrays.open(item.storage_index.fqn) for item in left]
        with Transfers(self.limit_bytes, "read") as transfers:
            for item, future in zip(left, opened, strict=True):
                array = settle(future, f"cannot open array {item.storage_index.fqn!r}")
                _read(item, array, planner, transfers)
            transfers.finish()
        return done(None)

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        """Tells whether the place is one that checkpoints can lie in."""
        return is_place(checkpoint_id)

    def _read_directly(
        self, arrays: ArrayFolder, items: list[ReadItem], planner: LoadPlanner
    ) -> list[ReadItem]:
        """Reads what can be read so; returns the rest."""
        folder = self.folder.local_path()
        if folder is None:
            return items
        single = _single_chunks(arrays)
        reads, left = [], []
        for item in items:
            name = item.storage_index.fqn
            target = planner.resolve_tensor(item).detach()
            span = single.get(name)
            if span and self._is_whole(item, target) and fits(span, memory := host_view(target)):
                reads.append((item, target, Direct(name, span, memory)))
            else:
                left.append(item)
        read_all(folder / ARRAYS, [read for _, _, read in reads])
        for item, target, _ in reads:
            planner.commit_tensor(item, target)
        return left

    def _is_whole(self, item: ReadItem, target: torch.Tensor) -> bool:
        """Returns whether a box is all of an array, and its tensor plain memory of that dtype."""
        entry = self.manifest.arrays[item.storage_index.fqn]
        alike = (tuple(item.lengths), dtype_name(target.dtype)) == (entry.shape, entry.dtype)
        return alike and _on_host(target)


def _single_chunks(arrays: ArrayFolder) -> dict[str, Span]:
    """Returns where arrays of one chunk lie; none if that cannot be read: tensorstore tells why."""
    try:
        return arrays.index().single
    except ValueError:
        return {}


def _on_host(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.is_contiguous()


def _read(item: ReadItem, array: ts.TensorStore, planner: LoadPlanner, transfers: Transfers):
    """Begins to read one box; on the host straight into the tensor's memory."""
    name = item.storage_index.fqn
    target = planner.resolve_tensor(item).detach()
    if dtype_name(target.dtype) != array.dtype.name:
        raise CheckpointError(f"array {name!r} is {array.dtype.name}, its tensor {target.dtype}")
    in_place = _on_host(target)
    transfers.make_room(target.nbytes)
    # Not empty_like, which makes of an XLA tensor one whose memory numpy does not see.
    host = target if in_place else torch.empty(target.shape, dtype=target.dtype)

    def deliver() -> None:
        if not in_place:
            target.copy_(host)
        planner.commit_tensor(item, target)

    source = array[box(item.storage_offsets, item.lengths)]
    transfers.add(name, target.nbytes, ts.array(host_view(host)).write(source), deliver)


def _whole(entry: ArrayEntry) -> TensorStorageMetadata:
    size = torch.Size(entry.shape)
    piece = ChunkStorageMetadata(torch.Size([0] * len(size)), size)
    return TensorStorageMetadata(TensorProperties(torch_dtype(entry.dtype)), size, [piece])
