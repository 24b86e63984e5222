"""Writes a checkpoint for torch.distributed.checkpoint (DCP).

DCP plans which process writes which box of which tensor; the writer carries the plans out.
Whatever the layout of the processes, an array on the disk is the whole tensor.

Only tensors go through DCP, which would hand over everything else as pickles; the rest travels as
JSON `values` in the manifest.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch.distributed.checkpoint import StorageWriter
from torch.distributed.checkpoint.metadata import (
    STORAGE_TYPES,
    Metadata,
    StorageMeta,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import (
    SavePlan,
    SavePlanner,
    TensorWriteData,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from mirasol.checkpoint.arrays import ArrayFolder, box, chunk_shape, dtype_name, host_view
from mirasol.checkpoint.completeness import require_written, written_files
from mirasol.checkpoint.errors import CheckpointError, disk_errors_told
from mirasol.checkpoint.manifest import ARRAYS, ArrayEntry, Manifest, now
from mirasol.checkpoint.places import Place, Writing, is_place, place
from mirasol.checkpoint.transfers import LIMIT_BYTES, Transfers, done, settle


class TensorStoreWriter(StorageWriter):
    """Writes one checkpoint: complete under `folder` when `finish` returns, or not there at all.

    Args:
      folder: of the checkpoint, a path or a URL (places.py); it must not exist.
      values: JSON values by name, which travel beside the tensors.
      limit_bytes: of host copies under way at a time (tensors on the host are not copied).
    """

    def __init__(
        self,
        folder: str | os.PathLike | Place,
        values: Mapping[str, Any] | None = None,
        limit_bytes: int = LIMIT_BYTES,
    ):
        self.folder = place(folder)
        self.values = dict(values or {})
        self.limit_bytes = limit_bytes
        self._writing: Writing | None = None

    def reset(self, checkpoint_id: str | os.PathLike | None = None) -> None:
        """Begins a new checkpoint, in the folder `checkpoint_id` if one is given."""
        self.folder = place(checkpoint_id or self.folder)
        self._writing = None

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Has nothing to prepare."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Refuses what is not a tensor."""
        for item in plan.items:
            if item.type == WriteItemType.BYTE_IO:
                raise CheckpointError(
                    f"{item.index.fqn!r} is not a tensor; pass it in TensorStoreWriter's values"
                )
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Makes the draft and all its arrays, once, for all processes.

        Returns the plans, each with the draft's path as its storage_data.
        """
        shards = _shards(plans)
        with disk_errors_told(self.folder, _bytes(shards)):
            self._writing = self.folder.begin(_bytes(shards))
            draft = self._writing.place
            _create(ArrayFolder(draft / ARRAYS), shards)
        return [dataclasses.replace(plan, storage_data=str(draft)) for plan in plans]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Writes this process's boxes; they are on the disk when the future is there."""
        draft = place(plan.storage_data)
        with disk_errors_told(self.folder, _bytes(_shards([plan])), draft):
            return done(self._write(plan, planner))

    def _write(self, plan: SavePlan, planner: SavePlanner) -> list[WriteResult]:
        arrays = ArrayFolder(place(plan.storage_data) / ARRAYS)
        opened = [arrays.open(item.index.fqn) for item in plan.items]
        results = []
        with Transfers(self.limit_bytes, "write") as transfers:
            for item, future in zip(plan.items, opened, strict=True):
                name, chunk = item.index.fqn, _data(item).chunk
                array = settle(future, f"cannot open array {name!r}")[
                    box(chunk.offsets, chunk.sizes)
                ]
                tensor = planner.resolve_data(item)
                assert isinstance(tensor, torch.Tensor), (
                    "prepare_local_plan() lets only tensors pass"
                )
                transfers.make_room(tensor.nbytes)
                host = host_view(tensor.detach().cpu().contiguous())
                write = array.write(host, can_reference_source_data_indefinitely=True)
                transfers.add(name, host.nbytes, write)
                results.append(WriteResult(item.index, host.nbytes, storage_data=None))
            transfers.finish()
        return results

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Writes the manifest and gives the checkpoint its name."""
        assert self._writing is not None, "finish() comes after prepare_global_plan()"
        arrays = {name: _entry(kind) for name, kind in metadata.state_dict_metadata.items()}
        require_written(arrays, results)
        draft = self._writing.place
        with disk_errors_told(self.folder, sum(entry.bytes for entry in arrays.values()), draft):
            files = written_files(draft, arrays)
            Manifest(arrays, self.values, files, now()).write(draft)
            self._writing.publish()
        self._writing = None

    def discard(self) -> None:
        """Removes what a failed save left behind; does nothing after `finish`."""
        if self._writing is not None:
            self._writing.discard()

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike) -> bool:
        """Tells whether the place is one that checkpoints can lie in."""
        return is_place(checkpoint_id)

    def storage_meta(self) -> StorageMeta:
        """Returns the checkpoint's place; some versions of DCP do not expect None here."""
        return StorageMeta(checkpoint_id=str(self.folder))


def _data(item: WriteItem) -> TensorWriteData:
    assert item.tensor_data is not None, "prepare_local_plan() lets only tensors pass"
    return item.tensor_data


def _entry(kind: STORAGE_TYPES) -> ArrayEntry:
    assert isinstance(kind, TensorStorageMetadata), "prepare_local_plan() lets only tensors pass"
    dtype = kind.properties.dtype
    return ArrayEntry(tuple(kind.size), dtype_name(dtype), kind.size.numel() * dtype.itemsize)


def _shards(plans: list[SavePlan]) -> dict[str, list[TensorWriteData]]:
    """Returns the boxes that all processes together write of each tensor."""
    shards: dict[str, list[TensorWriteData]] = {}
    for plan in plans:
        for item in plan.items:
            shards.setdefault(item.index.fqn, []).append(_data(item))
    return shards


def _bytes(shards: Mapping[str, list[TensorWriteData]]) -> int:
    boxes = itertools.chain.from_iterable(shards.values())
    return sum(box.chunk.sizes.numel() * box.properties.dtype.itemsize for box in boxes)


def _create(arrays: ArrayFolder, shards: Mapping[str, list[TensorWriteData]]) -> None:
    """Makes the arrays, still empty."""
    with Transfers(LIMIT_BYTES, "create") as transfers:
        for name, boxes in shards.items():
            shape, dtype = list(boxes[0].size), dtype_name(boxes[0].properties.dtype)
            chunk = chunk_shape(shape, [box.chunk.offsets for box in boxes])
            transfers.add(name, 0, arrays.create(name, shape, dtype, chunk))
        transfers.finish()
