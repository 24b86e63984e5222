from pathlib import Path

import pytest

from mirasol.checkpoint.manifest import (
    FILE_NAME,
    ArrayEntry,
    CheckpointError,
    Manifest,
    file_sizes,
    read_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / "data").write_bytes(b"12345")
    arrays = {"model.bias": ArrayEntry((2, 3), "float32", 24)}
    values = {"step": 7, "best": 0.1, "none": None, "list": [1, "a"], "lost": float("inf")}
    Manifest(arrays, values, file_sizes(tmp_path)).write(tmp_path)
    return tmp_path


def test_it_comes_back_as_written(folder: Path):
    manifest = read_manifest(folder)
    assert manifest.arrays == {"model.bias": ArrayEntry((2, 3), "float32", 24)}
    assert manifest.values["list"] == [1, "a"]
    assert manifest.values["lost"] == float("inf")
    assert manifest.files == {"arrays/data": 5}
    assert "model.bias" in manifest.names


def test_every_changed_byte_is_noticed(folder: Path):
    path = folder / FILE_NAME
    sound = path.read_bytes()
    first = read_manifest(folder)
    for position in range(len(sound)):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        try:
            assert read_manifest(folder) == first, f"byte {position} passed unseen"
        except CheckpointError as error:
            assert FILE_NAME in str(error)


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_cut_manifest_is_refused(folder: Path, length: int):
    path = folder / FILE_NAME
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=FILE_NAME):
        read_manifest(folder)


def test_lost_and_cut_files_are_named(folder: Path):
    data = folder / "arrays" / "data"
    data.write_bytes(b"123")
    with pytest.raises(CheckpointError, match="arrays/data has 3 bytes instead of 5"):
        read_manifest(folder)
    data.unlink()
    with pytest.raises(CheckpointError, match="cannot see its file arrays/data"):
        read_manifest(folder)


def test_a_folder_without_manifest_is_no_checkpoint(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        read_manifest(tmp_path)


def test_another_version_is_refused(tmp_path: Path):
    (tmp_path / FILE_NAME).write_text(
        '{"format": "mirasol.checkpoint", "version": 9, "checksum": ""}'
    )
    with pytest.raises(CheckpointError, match=r"'mirasol.checkpoint', 9\); known is .*, 1\)"):
        read_manifest(tmp_path)
