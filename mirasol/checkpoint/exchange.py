"""Calls torch.distributed.checkpoint (DCP) with our storage."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping

import torch
from torch.distributed import ProcessGroup
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException

from mirasol.checkpoint.arrays import torch_dtype
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.writer import TensorStoreWriter


def save_tensors(
    tensors: Mapping[str, torch.Tensor],
    writer: TensorStoreWriter,
    group: ProcessGroup | None = None,
) -> None:
    """Writes one checkpoint of the tensors and the writer's values; from any thread.

    Args:
      tensors: by name.
      writer: of this process.
      group: of processes that all call this, each with its shards; None: this one alone.
    """
    _run(
        lambda: dcp.save(
            dict(tensors), storage_writer=writer, process_group=group, no_dist=group is None
        )
    )


def load_tensors(
    tensors: Mapping[str, torch.Tensor],
    reader: TensorStoreReader,
    group: ProcessGroup | None = None,
) -> None:
    """Fills the tensors in place from the arrays of the same names; arguments as above."""
    with torch.no_grad():
        # Alone there is nothing to plan with others, and plans take 0.1 ms a tensor.
        left = dict(tensors) if group else reader.read_whole(tensors)
        if group or left:
            _run(
                lambda: dcp.load(
                    left, storage_reader=reader, process_group=group, no_dist=group is None
                )
            )


def read_tensors(reader: TensorStoreReader, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Returns arrays by name, whole and on the host, whatever other processes do."""
    arrays = reader.manifest.arrays
    tensors = {
        name: torch.empty(arrays[name].shape, dtype=torch_dtype(arrays[name].dtype))
        for name in names
    }
    load_tensors(tensors, reader)
    return tensors


def _run(action: Callable[[], object]) -> None:
    """Runs an action of DCP: without its warning about one process, with errors as they arose."""
    # Not within catch_warnings: that puts back all filters at its end, of other threads too.
    warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable")
    try:
        action()
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None
