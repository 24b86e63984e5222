import numpy as np
import pytest
import torch
from torch.distributed import checkpoint as dcp

from mirasol.checkpoint.arrays import ArrayFolder, host_view
from mirasol.checkpoint.direct import Direct, fits, read_all
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.exchange import load_tensors, save_tensors
from mirasol.checkpoint.manifest import ARRAYS
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.writer import TensorStoreWriter

STATE = {
    "long": torch.arange(3 * 2**20 + 7, dtype=torch.int16).reshape(1, -1),  # Of several pieces.
    "half": torch.randn(40, 50, dtype=torch.bfloat16),
    "flags": torch.rand(300) > 0.5,
}


@pytest.fixture
def folder(tmp_path):
    save_tensors(STATE, TensorStoreWriter(tmp_path / "c"))
    return tmp_path / "c"


def reads(folder) -> dict[str, tuple[Direct, torch.Tensor]]:
    single = ArrayFolder(folder / ARRAYS).index().single
    made = {name: torch.zeros_like(tensor) for name, tensor in STATE.items()}
    return {
        name: (Direct(name, single[name], host_view(tensor)), tensor)
        for name, tensor in made.items()
    }


def test_arrays_come_back_bit_equal(folder):
    wanted = reads(folder)
    assert all(fits(read.span, read.memory) for read, _ in wanted.values())
    read_all(folder / ARRAYS, [read for read, _ in wanted.values()])
    for name, (_, tensor) in wanted.items():
        assert torch.equal(tensor, STATE[name]), name


def test_a_whole_restore_opens_no_array(folder, monkeypatch):
    monkeypatch.setattr(ArrayFolder, "open", lambda *_: pytest.fail("not read directly"))
    back = {name: torch.zeros_like(tensor) for name, tensor in STATE.items()}
    load_tensors(back, TensorStoreReader(folder))
    assert all(torch.equal(back[name], STATE[name]) for name in STATE)


def test_alone_only_what_is_no_whole_array_is_planned(folder, monkeypatch):
    planned = []
    load = dcp.load

    def watch(tensors, **options):
        planned.extend(tensors)
        load(tensors, **options)

    monkeypatch.setattr(dcp, "load", watch)
    back = {name: torch.zeros_like(tensor) for name, tensor in STATE.items()}
    back["half"] = torch.zeros(50, 40, dtype=torch.bfloat16).T  # Not as it lies in the file.
    load_tensors(back, TensorStoreReader(folder))
    assert planned == ["half"]
    assert all(torch.equal(back[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("shift", [0, 2**20, 2**21 + 1, 6 * 2**20 + 13])
def test_a_flipped_bit_in_any_piece_is_named(folder, shift):
    read, _ = reads(folder)["long"]
    path = folder / ARRAYS / read.span.file
    content = bytearray(path.read_bytes())
    content[read.span.start + shift] ^= 8
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot read array 'long': Digest mismatch"):
        read_all(folder / ARRAYS, [read])


def test_a_cut_file_is_named(folder):
    read, _ = reads(folder)["long"]
    path = folder / ARRAYS / read.span.file
    path.write_bytes(path.read_bytes()[: read.span.start + 2**20])
    with pytest.raises(CheckpointError, match="cannot read array 'long': the file ends at byte"):
        read_all(folder / ARRAYS, [read])


def test_memory_of_another_size_does_not_fit(folder):
    read, _ = reads(folder)["half"]
    assert not fits(read.span, np.zeros(2001, np.int16))
