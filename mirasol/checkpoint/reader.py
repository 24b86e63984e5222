"""Reads a checkpoint for torch.distributed.checkpoint (DCP).

DCP plans which process reads which box of which tensor; the reader carries the plans out. Arrays
are whole tensors, so a checkpoint of one layout restores into any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

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
from mirasol.checkpoint.manifest import ARRAYS, ArrayEntry, CheckpointError, Manifest, read_manifest
from mirasol.checkpoint.places import Place, is_place, place
from mirasol.checkpoint.transfers import LIMIT_BYTES, Transfers, done, settle

_PLAIN = (torch.Tensor, torch.nn.Parameter)  # Others, such as DTensor, hold a part.


class TensorStoreReader(StorageReader):
    """Reads one checkpoint.

    Args:
      folder: of the checkpoint, a path or a URL (places.py).
      limit_bytes: of host copies under way at a time (tensors on the host are read in place).
      manifest: of the checkpoint, if it has just been read and checked.

    Raises:
      CheckpointError: the folder is no complete checkpoint.
    """

    def __init__(
        self,
        folder: str | os.PathLike | Place,
        limit_bytes: int = LIMIT_BYTES,
        manifest: Manifest | None = None,
    ):
        self.folder = place(folder)
        self.limit_bytes = limit_bytes
        self.manifest = manifest or read_manifest(self.folder)

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
        arrays = self._arrays()
        left = self._read_planned(plan.items, planner)
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

    def read_whole(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Fills tensors of one process without DCP's plans, where each takes a whole array.

        Args:
          tensors: by name.

        Returns:
          Those that cannot be read so: shards, tensors on a device, arrays of several chunks.
        """
        plain = {name: each for name, each in tensors.items() if type(each) in _PLAIN}
        found = self._direct((name, tensor.detach()) for name, tensor in plain.items())
        reads = {read.name: read for read in found if read}
        self._read_all(reads.values())
        return {name: tensor for name, tensor in tensors.items() if name not in reads}

    def _read_planned(self, items: list[ReadItem], planner: LoadPlanner) -> list[ReadItem]:
        """Reads straight from the files what can be read so; returns the rest."""
        targets = [planner.resolve_tensor(item).detach() for item in items]
        names = [item.storage_index.fqn for item in items]
        found = list(self._direct(zip(names, targets, strict=True)))
        self._read_all(filter(None, found))
        left = []
        for item, target, read in zip(items, targets, found, strict=True):
            if read:
                planner.commit_tensor(item, target)
            else:
                left.append(item)
        return left

    def _direct(self, targets: Iterable[tuple[str, torch.Tensor]]) -> Iterator[Direct | None]:
        """Yields for each target how it is read straight from a local file, or None."""
        single = {} if self.folder.local_path() is None else _single_chunks(self._arrays())
        for name, target in targets:
            span = single.get(name)
            if span and self._is_whole(name, target) and fits(span, memory := host_view(target)):
                yield Direct(name, span, memory)
            else:
                yield None

    def _read_all(self, reads: Iterable[Direct]) -> None:
        folder = self.folder.local_path()
        if folder is not None:
            read_all(folder / ARRAYS, reads)

    def _arrays(self) -> ArrayFolder:
        return ArrayFolder(self.folder / ARRAYS)

    def _is_whole(self, name: str, target: torch.Tensor) -> bool:
        """Returns whether a tensor is all of an array, in plain memory of that dtype."""
        entry = self.manifest.arrays[name]
        alike = (tuple(target.shape), dtype_name(target.dtype)) == (entry.shape, entry.dtype)
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
