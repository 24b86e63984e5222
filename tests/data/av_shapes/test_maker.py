"""Sets: complete or absent, whoever asks and however making ends."""

import dataclasses
import fcntl
import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mirasol.data.av_shapes import maker
from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import FAMILIES, MOTION, PARTS, AVShapes

SPEC = AVShapes(name="shapes", chunks=4, events=4, train=12, validation=3, test=2)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return ensure_made(SPEC, tmp_path_factory.mktemp("data"), processes=1)


def test_files_and_rows(made):
    assert len(list((made / "videos").glob("video*.mp4"))) == 17
    rows = json.loads((made / "validation_qa.json").read_text())
    assert [row["id"] for row in rows] == list(range(len(rows)))
    assert {row["video_id"] for row in rows} == {12, 13, 14}
    assert {row["type"] for row in rows} == {*FAMILIES, MOTION, PARTS}
    keys = {"answer", "bag_oracle", "chance", "id", "part", "question", "type", "video_id"}
    assert all(set(row) == keys for row in rows)
    assert all(0 < row["chance"] < 1 and 0 <= row["bag_oracle"] <= 1 for row in rows)
    levels = json.loads((made / "set.json").read_text())["levels"]
    assert sum(family["rows"] for family in levels["validation"].values()) == len(rows)


def test_the_number_of_processes_changes_no_byte(made, tmp_path):
    assert digests(ensure_made(SPEC, tmp_path, processes=2)) == digests(made)


def test_a_set_that_is_there_is_left_alone(made, monkeypatch):
    monkeypatch.setattr(maker, "_make", None)
    assert ensure_made(SPEC, made.parent) == made


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(path, rows):
        raise OSError("no space left")

    monkeypatch.setattr(maker, "write_rows", fail)
    with pytest.raises(OSError, match="no space left"):
        ensure_made(SPEC, tmp_path, processes=1)
    assert [path.name for path in tmp_path.iterdir()] == [".shapes.lock"]


def test_a_killed_maker_leaves_no_set_and_is_cleaned_up_after(made, tmp_path):
    script = (
        "import sys, pathlib, dataclasses\n"
        "from mirasol.data.av_shapes.maker import ensure_made\n"
        "from mirasol.data.av_shapes.spec import AVShapes\n"
        "spec = AVShapes(name='shapes', chunks=4, events=4, train=9999, validation=0, test=0)\n"
        "ensure_made(spec, pathlib.Path(sys.argv[1]), processes=1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.DEVNULL
    )
    try:
        deadline_s = time.monotonic() + 60
        while not list(tmp_path.glob(".shapes.[0-9]*/videos/video1*")):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "shapes").exists()
    assert digests(ensure_made(SPEC, tmp_path, processes=1)) == digests(made)
    assert not list(tmp_path.glob(".shapes.[0-9]*"))


def test_who_comes_second_waits_and_takes_the_first_ones_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(maker, "_make", None)
    with (tmp_path / ".shapes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=ensure_made, args=(SPEC, tmp_path))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        (tmp_path / "shapes").mkdir()
        made_by_first = {"edition": maker._EDITION, "spec": dataclasses.asdict(SPEC)}
        (tmp_path / "shapes" / "set.json").write_text(json.dumps(made_by_first))
    second.join(10)
    assert not second.is_alive()
    assert "Waiting for the process that makes shapes" in capsys.readouterr().err


def test_another_set_of_the_same_name_is_refused(made, tmp_path):
    longer = AVShapes(name="shapes", chunks=8, events=6, train=1, validation=1, test=1)
    with pytest.raises(ValueError, match=r"with 4 chunks a clip, but edition \d+ with 8"):
        ensure_made(longer, made.parent)
    (tmp_path / "shapes").mkdir()
    with pytest.raises(ValueError, match="move that folder away"):
        ensure_made(SPEC, tmp_path)
