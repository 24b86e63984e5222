"""Calls torch.distributed.checkpoint (DCP) with our storage."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import torch
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException

from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.writer import TensorStoreWriter


def save_tensors(tensors: Mapping[str, torch.Tensor], writer: TensorStoreWriter) -> None:
    """Writes one checkpoint of the tensors and the writer's values; from any thread."""
    _run(lambda: dcp.save(dict(tensors), storage_writer=writer))


def load_tensors(tensors: Mapping[str, torch.Tensor], reader: TensorStoreReader) -> None:
    """Fills the tensors in place from the arrays of the same names."""
    with torch.no_grad():
        _run(lambda: dcp.load(dict(tensors), storage_reader=reader))


def _run(action: Callable[[], object]) -> None:
    """Runs an action of DCP: without its warning about one process, with errors as they arose."""
    # Not within catch_warnings: that puts back all filters at its end, of other threads too.
    warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable")
    try:
        action()
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from None
