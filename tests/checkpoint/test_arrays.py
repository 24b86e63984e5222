from pathlib import Path

import numpy as np
import pytest
import torch

from mirasol.checkpoint.arrays import (
    ArrayFolder,
    chunk_shape,
    dtype_name,
    host_view,
    torch_dtype,
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2, torch.bool])
def test_host_view_shares_the_tensor_s_memory(dtype: torch.dtype):
    tensor = torch.zeros(3).to(dtype)
    host_view(tensor)[1] = 1
    assert tensor.tolist() == [0, 1, 0]
    assert host_view(tensor).dtype.name == dtype_name(dtype)
    assert torch_dtype(dtype_name(dtype)) is dtype


def test_a_dtype_that_cannot_be_stored_names_those_that_can():
    with pytest.raises(ValueError, match=r"torch\.qint8; allowed: bfloat16, bool"):
        dtype_name(torch.qint8)
    with pytest.raises(ValueError, match="'float4'; allowed: bfloat16"):
        torch_dtype("float4")


@pytest.mark.parametrize(
    ("shape", "offsets", "chunk"),
    [
        ([10, 4], [(0, 0)], [10, 4]),
        ([10, 4], [(0, 0), (3, 0), (6, 0), (9, 0)], [3, 4]),
        ([8, 8], [(0, 0), (0, 4), (4, 0), (4, 4)], [4, 4]),
        ([6], [(0,), (4,)], [4]),
        ([], [()], []),
        ([0, 5], [(0, 0)], [1, 5]),
    ],
)
def test_no_two_boxes_share_a_chunk(shape: list, offsets: list, chunk: list):
    assert chunk_shape(shape, offsets) == chunk
    assert all(start % size == 0 for box in offsets for start, size in zip(box, chunk, strict=True))


def test_zeros_are_stored_and_a_chunk_never_written_is_an_error(tmp_path: Path):
    folder = ArrayFolder(tmp_path)
    zeros = folder.create("zeros", [4], "float32", [2]).result()
    zeros.write(np.zeros(4, np.float32)).result()
    half = folder.create("half", [4], "float32", [2]).result()
    half[:2].write(np.ones(2, np.float32)).result()

    again = ArrayFolder(tmp_path)
    assert again.open("zeros").result().read().result().tolist() == [0, 0, 0, 0]
    assert again.open("half").result()[:2].read().result().tolist() == [1, 1]
    with pytest.raises(ValueError, match="missing"):
        again.open("half").result().read().result()
