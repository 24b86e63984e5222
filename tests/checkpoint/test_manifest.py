import hashlib
import json
import shutil
from pathlib import Path

import pytest

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.files import file_entries
from mirasol.checkpoint.manifest import FILE_NAME, ArrayEntry, Manifest, read_manifest
from mirasol.checkpoint.places import place
from tests.checkpoint.plain_user import as_a_plain_user


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / "data").write_bytes(b"12345")
    arrays = {"model.bias": ArrayEntry((2, 3), "float32", 24)}
    values = {"step": 7, "rate": 1e-05, "none": None, "list": [1, "né"], "lost": float("inf")}
    files = file_entries(place(tmp_path), {"arrays/data": [(3, 5), (1, 3)]})
    Manifest(arrays, values, files, "2026-11-23T06:00:00+00:00").write(tmp_path)
    return tmp_path


def test_it_comes_back_as_written(folder: Path):
    manifest = read_manifest(folder)
    assert manifest.arrays == {"model.bias": ArrayEntry((2, 3), "float32", 24)}
    assert manifest.values["list"] == [1, "né"]
    assert manifest.values["lost"] == float("inf")
    assert (manifest.files["arrays/data"].bytes, manifest.files["arrays/data"].chunks) == (5, "1-5")
    assert manifest.saved == "2026-11-23T06:00:00+00:00"
    assert "model.bias" in manifest.names


@pytest.mark.parametrize("change", [1, 32])
def test_every_changed_byte_is_noticed(folder: Path, change: int):
    """32 turns 1e-05 into 1E-05 and \\u00e9 into \\u00E9, which mean the same."""
    path = folder / FILE_NAME
    sound = path.read_bytes()
    for position in range(len(sound)):
        changed = bytes([sound[position] ^ change])
        path.write_bytes(sound[:position] + changed + sound[position + 1 :])
        with pytest.raises(CheckpointError, match=FILE_NAME):
            read_manifest(folder)


def test_bytes_outside_of_chunks_are_checked_and_no_others(folder: Path):
    data = folder / "arrays" / "data"
    data.write_bytes(b"1xxxx")
    read_manifest(folder)
    data.write_bytes(b"x2345")
    with pytest.raises(CheckpointError, match="its file arrays/data does not match its checksum"):
        read_manifest(folder)


def test_a_file_that_is_cut_while_it_is_written_is_an_error(tmp_path: Path):
    (tmp_path / "data").write_bytes(b"12345")
    with pytest.raises(FileNotFoundError, match=r"is cut or gone: .*data"):
        file_entries(place(tmp_path), {"data": [(0, 6)]})
    with pytest.raises(FileNotFoundError, match=r"is cut or gone: .*other"):
        file_entries(place(tmp_path), {"other": [(0, 0)]})


def test_a_manifest_of_the_first_version_is_read(folder: Path):
    content = {"format": "mirasol.checkpoint", "version": 1, "arrays": {}, "values": {"step": 3}}
    content["files"] = {"arrays/data": 5}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    (folder / FILE_NAME).write_text(json.dumps(content, indent=1))
    assert read_manifest(folder).values == {"step": 3}
    (folder / "arrays" / "data").write_bytes(b"1234")
    with pytest.raises(CheckpointError, match="arrays/data has 4 bytes instead of 5"):
        read_manifest(folder)


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
    with pytest.raises(CheckpointError, match="its file arrays/data is missing"):
        read_manifest(folder)


def test_what_may_not_be_read_is_not_passed_over(folder: Path, public_folder: Path):
    folder = Path(shutil.copytree(folder, public_folder / "copy"))
    folder.chmod(0o755)
    for path in (folder / FILE_NAME, folder / "arrays" / "data"):
        path.chmod(0)
        with as_a_plain_user(), pytest.raises(PermissionError, match="may not read the checkpoint"):
            read_manifest(folder)
        path.chmod(0o644)


def test_a_folder_without_manifest_is_no_checkpoint(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        read_manifest(tmp_path)


def test_another_version_is_refused(tmp_path: Path):
    content = {"format": "mirasol.checkpoint", "version": 9, "checksum": ""}
    (tmp_path / FILE_NAME).write_text(json.dumps(content, indent=1))
    with pytest.raises(CheckpointError, match=r"'mirasol.checkpoint', 9\); known are .*, 2\)"):
        read_manifest(tmp_path)
