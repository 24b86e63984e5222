"""Tensors as zarr3 arrays in one OCDBT database: the only module that speaks to tensorstore.

Every tensor is one array under its own name, in its own dtype, uncompressed, each chunk with its
CRC-32C, which is verified whenever the chunk is read.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator

import numpy as np
import tensorstore as ts
import torch

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.index import Index, index
from mirasol.checkpoint.places import Place, place

# torch dtype: (its name in zarr3, the dtype of equal width through which numpy sees its bits).
_BITS = {
    torch.bfloat16: ("bfloat16", torch.int16),
    torch.float8_e4m3fn: ("float8_e4m3fn", torch.int8),
    torch.float8_e5m2: ("float8_e5m2", torch.int8),
}
_PLAIN = {
    getattr(torch, name): (name, getattr(torch, name))
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
_STORED = _PLAIN | _BITS

# Files of this size are written side by side; one file for everything took 1.6 times as long.
_FILE_BYTES = 64 << 20
_TORCH = {name: dtype for dtype, (name, _) in _STORED.items()}


def dtype_name(dtype: torch.dtype) -> str:
    """Returns the zarr3 name of a dtype; ValueError if it cannot be stored."""
    if dtype not in _STORED:
        raise CheckpointError(f"cannot store dtype {dtype}; allowed: {', '.join(sorted(_TORCH))}")
    return _STORED[dtype][0]


def torch_dtype(name: str) -> torch.dtype:
    """Returns the torch dtype of a zarr3 name; ValueError if there is none."""
    if name not in _TORCH:
        raise CheckpointError(f"unknown dtype {name!r}; allowed: {', '.join(sorted(_TORCH))}")
    return _TORCH[name]


def host_view(tensor: torch.Tensor) -> np.ndarray:
    """Returns the memory of a contiguous CPU tensor as a numpy array of the same dtype."""
    name, bits = _STORED[tensor.dtype]
    return tensor.detach().view(bits).numpy().view(ts.dtype(name).numpy_dtype)


def chunk_shape(shape: Iterable[int], offsets: Iterable[Iterable[int]]) -> list[int]:
    """Returns the largest chunk that no two of the boxes starting at `offsets` share.

    One writer a chunk: two processes that wrote into one chunk would lose each other's part. FSDP2
    cuts 10 rows on 4 ranks as 3 3 3 1, so their offsets 0 3 6 9 give chunks of 3 rows:

        rank 0   1   2   3
           |---|---|---|-
    """
    columns = list(zip(*offsets, strict=True)) or [()] * len(list(shape))
    return [math.gcd(*starts) or max(size, 1) for size, starts in zip(shape, columns, strict=True)]


def box(offsets: Iterable[int], sizes: Iterable[int]) -> tuple[slice, ...]:
    """Returns the index of the box of the given sizes that starts at `offsets`."""
    return tuple(slice(start, start + size) for start, size in zip(offsets, sizes, strict=True))


def chunks_of(array: ts.TensorStore) -> Iterator[ts.TensorStore]:
    """Yields the chunks of an array, each as an array."""
    size = [part or 1 for part in array.chunk_layout.read_chunk.shape or ()]
    starts = [range(0, whole, part) for whole, part in zip(array.shape, size, strict=True)]
    for corner in itertools.product(*starts):
        ends = [min(at + part, n) for at, part, n in zip(corner, size, array.shape, strict=True)]
        yield array[tuple(slice(at, end) for at, end in zip(corner, ends, strict=True))]


class ArrayFolder:
    """The arrays of one checkpoint: an OCDBT database.

    Args:
      folder: of the database, a path, URL or place; made by the first array.
    """

    def __init__(self, folder: str | os.PathLike | Place):
        self.folder = place(folder)
        self._context = ts.Context({"cache_pool": {"total_bytes_limit": 64 << 20}})

    def create(self, name: str, shape: list[int], dtype: str, chunk: list[int]) -> ts.Future:
        """Begins to make an empty array, every chunk of it still missing."""
        metadata = {
            "shape": shape,
            "data_type": dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
        }
        return ts.open(
            self._spec(name) | {"metadata": metadata}, create=True, context=self._context
        )

    def open(self, name: str) -> ts.Future:
        """Begins to open an array that exists."""
        return ts.open(self._spec(name), open=True, context=self._context)

    def index(self) -> Index:
        """Returns where on the disk all chunks lie, as the disk has it, and not a cache."""
        return index(ts.KvStore.open(self.folder.spec()).result())

    def _spec(self, name: str) -> dict:
        database = {
            "driver": "ocdbt",
            "base": self.folder.spec(),
            "target_data_file_size": _FILE_BYTES,
        }
        return {
            "driver": "zarr3",
            "kvstore": database | {"path": f"{name}/"},
            # By default a missing chunk reads as zeros, and a chunk of zeros is not written:
            # a lost chunk would pass for a fresh bias.
            "fill_missing_data_reads": False,
            "store_data_equal_to_fill_value": True,
        }
