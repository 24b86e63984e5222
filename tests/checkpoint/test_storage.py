"""The writer and the reader as torch.distributed.checkpoint calls them."""

from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    MetadataIndex,
    TensorProperties,
)
from torch.distributed.checkpoint.planner import SavePlan, TensorWriteData, WriteItem, WriteItemType

from mirasol.checkpoint.exchange import load_tensors, save_tensors
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.writer import TensorStoreWriter

DTYPES = [
    *(torch.bool, torch.uint8, torch.uint16, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64),
    *(torch.float8_e4m3fn, torch.float8_e5m2),
]


class ShardPlanner(DefaultSavePlanner):
    """Gives every process its rows of a whole matrix."""

    def __init__(self, whole: torch.Tensor):
        super().__init__()
        self.whole = whole

    def resolve_data(self, write_item: WriteItem) -> torch.Tensor:
        data = write_item.tensor_data
        assert data is not None
        return self.whole.narrow(0, data.chunk.offsets[0], data.chunk.sizes[0])


def bits(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_comes_back_bit_equal(tmp_path: Path, dtype: torch.dtype):
    width = dtype.itemsize
    pattern = torch.arange(6 * width, dtype=torch.uint8).repeat(1)
    matrix = (pattern % 2 == 1)[:6] if dtype is torch.bool else (pattern * 37).view(dtype)
    state = {"matrix": matrix.reshape(2, 3), "scalar": matrix[1].clone(), "none": matrix[:0]}
    save_tensors(state, TensorStoreWriter(tmp_path / "c"))
    back = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    load_tensors(back, TensorStoreReader(tmp_path / "c"))
    assert {name: bits(tensor) for name, tensor in back.items()} == {
        name: bits(tensor) for name, tensor in state.items()
    }


def test_strided_tensors_are_saved_and_filled_in_place(tmp_path: Path):
    source = torch.arange(12.0).reshape(3, 4)
    save_tensors({"w": source.T}, TensorStoreWriter(tmp_path / "c"))
    parameter = torch.nn.Parameter(torch.zeros(3, 4))
    address = parameter.data_ptr()
    load_tensors({"w": parameter.T}, TensorStoreReader(tmp_path / "c"))
    assert parameter.data_ptr() == address
    assert torch.equal(parameter, source)


def test_two_processes_write_one_array(tmp_path: Path):
    """What the coordinator and two processes do in turn, each with half of the rows."""
    w = torch.arange(12.0).reshape(4, 3)
    properties = TensorProperties.create_from_tensor(w)
    plans = []
    for start in (0, 2):
        chunk = ChunkStorageMetadata(torch.Size([start, 0]), torch.Size([2, 3]))
        data = TensorWriteData(chunk, properties, w.size())
        item = WriteItem(MetadataIndex("w", chunk.offsets), WriteItemType.SHARD, tensor_data=data)
        plans.append(SavePlan([item], planner_data={}))
    plans, metadata = ShardPlanner(w).create_global_plan(plans)
    writers = [TensorStoreWriter(tmp_path / "c"), TensorStoreWriter(tmp_path / "c")]
    plans = writers[0].prepare_global_plan(plans)
    results = [
        writer.write_data(plan, ShardPlanner(w)).wait()
        for writer, plan in zip(writers, plans, strict=True)
    ]
    with pytest.raises(CheckpointError, match="not written in full, nothing is saved: w"):
        writers[0].finish(metadata, results[:1])
    writers[0].finish(metadata, results)

    back = torch.zeros(4, 3)
    load_tensors({"w": back}, TensorStoreReader(tmp_path / "c"))
    assert torch.equal(back, w)


def test_no_pickle_is_written_or_read(tmp_path: Path):
    state = {"w": torch.ones(2), "step": 3}
    with pytest.raises(CheckpointError, match="'step' is not a tensor; pass it in Tensor"):
        save_tensors(state, TensorStoreWriter(tmp_path / "c"))  # type: ignore[arg-type]
    save_tensors({"w": torch.ones(2)}, TensorStoreWriter(tmp_path / "c", {"step": 3}))
    assert TensorStoreReader(tmp_path / "c").manifest.values == {"step": 3}
    assert not [path for path in (tmp_path / "c").rglob("*") if ".metadata" in path.name]


def test_a_tensor_of_another_dtype_is_refused(tmp_path: Path):
    save_tensors({"w": torch.ones(2)}, TensorStoreWriter(tmp_path / "c"))
    with pytest.raises(CheckpointError, match=r"array 'w' is float32, its tensor torch\.float64"):
        load_tensors({"w": torch.ones(2, dtype=torch.float64)}, TensorStoreReader(tmp_path / "c"))


def test_damaged_data_is_found_and_named(tmp_path: Path):
    state = {"bias": torch.zeros(3), "w": torch.randn(1000)}
    save_tensors(state, TensorStoreWriter(tmp_path / "c"))
    (data,) = [p for p in (tmp_path / "c").rglob("d/*") if p.stat().st_size > 4000]
    content = bytearray(data.read_bytes())
    at = content.find(bits(state["w"])[:16])
    content[at + 100] ^= 1
    data.write_bytes(content)
    back = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    with pytest.raises(CheckpointError, match=r"cannot read array 'w': .*Digest mismatch"):
        load_tensors(back, TensorStoreReader(tmp_path / "c"))


def test_small_limits_change_nothing(tmp_path: Path):
    state = {f"w{i}": torch.randn(100, 2).T for i in range(5)}
    save_tensors(state, TensorStoreWriter(tmp_path / "c", limit_bytes=1))
    back = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    load_tensors(back, TensorStoreReader(tmp_path / "c", limit_bytes=900))
    assert all(torch.equal(back[name], state[name]) for name in state)
