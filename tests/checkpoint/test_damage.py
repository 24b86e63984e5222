"""Whatever byte of a checkpoint is changed or lost: that is found and named, and never loaded."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mirasol.checkpoint.exchange import load_tensors, save_tensors
from mirasol.checkpoint.manifest import FILE_NAME, CheckpointError, Manifest, read_manifest
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.verification import verify
from mirasol.checkpoint.writer import TensorStoreWriter

# One array large enough for a file of its own, one so small that it stands in the index, a scalar,
# and one of zeros, which a lost chunk must not pass for.
STATE = {
    "weight": torch.arange(60.0).reshape(6, 10),
    "bias": torch.tensor([0.1, -2.0, 3e7]),
    "scale": torch.tensor(0.5, dtype=torch.bfloat16),
    "zeros": torch.zeros(50),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage") / "step_00000007"
    save_tensors(STATE, TensorStoreWriter(folder, {"step": 7, "rate": 1e-05}))
    return folder


@pytest.fixture(scope="module")
def sound(saved: Path) -> Manifest:
    return read_manifest(saved)


def files_of(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in files)


def restore(folder: Path) -> dict[str, torch.Tensor]:
    tensors = {name: torch.full_like(tensor, 9) for name, tensor in STATE.items()}
    load_tensors(tensors, TensorStoreReader(folder))
    return tensors


def suspects(sound: Manifest, file: str, at: int) -> set[str]:
    """Returns the names that damage at a byte of a file may be told by."""
    spans = [] if file == FILE_NAME else sound.files[file].spans
    inside = any(start <= at < stop for start, stop in spans)
    return set(sound.arrays) if inside else {file}


def require_found(folder: Path, names: set[str]) -> None:
    """Checks that a restore refuses the checkpoint, and that both say what of it is damaged."""
    with pytest.raises(CheckpointError) as caught:
        restore(folder)
    faults = verify(folder).faults
    assert names & set(faults), f"{names} damaged, told {faults}"
    assert any(name in str(caught.value) for name in names), f"{names} damaged: {caught.value}"


def flips(saved: Path) -> Iterator[tuple[str, int, int]]:
    """Yields file, byte and bits to change, for every byte of every file."""
    for file in files_of(saved):
        for at in range((saved / file).stat().st_size):
            yield file, at, 1 << at % 8


def check_flips(saved: Path, sound: Manifest, cases: list[tuple[str, int, int]]) -> None:
    for file, at, bits in cases:
        path = saved / file
        good = path.read_bytes()
        path.write_bytes(good[:at] + bytes([good[at] ^ bits]) + good[at + 1 :])
        try:
            require_found(saved, suspects(sound, file, at))
        finally:
            path.write_bytes(good)


def test_the_checkpoint_is_sound_as_it_was_saved(saved: Path):
    verdict = verify(saved)
    assert verdict.sound
    assert verdict.arrays == len(STATE)
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in restore(saved).items())


def test_changed_bits(saved: Path, sound: Manifest):
    check_flips(saved, sound, random.Random(1).sample(list(flips(saved)), 120))


@pytest.mark.slow
def test_a_changed_bit_in_every_byte(saved: Path, sound: Manifest):
    check_flips(saved, sound, list(flips(saved)))


@pytest.mark.parametrize("fill", [b"\x00", b"\xff", b"{"])
def test_overwritten_blocks(saved: Path, sound: Manifest, fill: bytes):
    for file in files_of(saved):
        path = saved / file
        good = path.read_bytes()
        for at in range(0, len(good), 100):
            block = good[at : at + 16]
            if block == fill * len(block):
                continue
            path.write_bytes(good[:at] + fill * len(block) + good[at + len(block) :])
            try:
                changed = {at + i for i, byte in enumerate(block) if byte != fill[0]}
                names = set.union(*(suspects(sound, file, byte) for byte in changed))
                require_found(saved, names)
            finally:
                path.write_bytes(good)


def test_the_damaged_array_is_named_and_no_other(saved: Path):
    (path,) = [p for p in saved.rglob("d/*") if STATE["weight"].numpy().tobytes() in p.read_bytes()]
    good = path.read_bytes()
    at = good.find(STATE["weight"].numpy().tobytes())
    path.write_bytes(good[: at + 50] + bytes([good[at + 50] ^ 1]) + good[at + 51 :])
    try:
        verdict = verify(saved)
        with pytest.raises(CheckpointError, match="cannot read array 'weight'"):
            restore(saved)
    finally:
        path.write_bytes(good)
    assert set(verdict.faults) == {"weight"}
    assert verdict.arrays == len(STATE) - 1


def test_files_that_are_cut_or_grow(saved: Path):
    for file in files_of(saved):
        path = saved / file
        good = path.read_bytes()
        for length in sorted({0, 1, *range(7, len(good), 97), len(good) - 1}):
            path.write_bytes(good[:length])
            require_found(saved, {file})
        path.write_bytes(good + b"\n")
        require_found(saved, {file})
        path.write_bytes(good)


def test_files_that_are_missing(saved: Path, tmp_path: Path):
    for file in files_of(saved):
        (saved / file).rename(tmp_path / "kept")
        try:
            require_found(saved, {file})
        finally:
            (tmp_path / "kept").rename(saved / file)


def test_a_folder_that_is_missing(saved: Path, tmp_path: Path):
    copy = Path(shutil.copytree(saved, tmp_path / "step_00000008"))
    shutil.rmtree(copy / "arrays" / "d")
    faults = verify(copy).faults
    assert set(STATE) <= set(faults)
    assert {file for file in files_of(saved) if file.startswith("arrays/d/")} <= set(faults)


def test_an_array_of_another_checkpoint(saved: Path, tmp_path: Path):
    """Files that are whole in themselves, yet not of this checkpoint."""
    other = tmp_path / "step_00000008"
    save_tensors({**STATE, "zeros": torch.ones(50)}, TensorStoreWriter(other, {"step": 8}))
    shutil.copy(saved / FILE_NAME, other / FILE_NAME)
    with pytest.raises(CheckpointError, match="is damaged: its file"):
        restore(other)
    assert not verify(other).sound
