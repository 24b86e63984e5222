from __future__ import annotations

import pytest
from fatal_look import look
from toy_media import write_media

from mirasol.data.checking.probe import Probe, probe
from mirasol.data.checking.probing import probe_all
from mirasol.data.references import ClipReference


def clip(path, start_s=None, end_s=None) -> ClipReference:
    return ClipReference(str(path), start_s, end_s, (), "row 1")


def test_a_probe_tells_length_size_and_sound(tmp_path):
    path = write_media(tmp_path / "clip.mp4")
    assert probe(clip(path)) == Probe(str(path), pytest.approx(1.28), "64x48", True)
    assert probe(clip(path, 0.5)).length_s == pytest.approx(0.78)
    silent = write_media(tmp_path / "silent.mp4", audio=False)
    assert not probe(clip(silent)).sound
    heard = write_media(tmp_path / "heard.m4a", video=False)
    assert (probe(clip(heard)).size, probe(clip(heard)).sound) == ("", True)


def test_what_is_wrong_with_a_file_is_told(tmp_path):
    path = write_media(tmp_path / "clip.mp4", audio=False)
    assert "no such file" in probe(clip(tmp_path / "none.mp4")).error
    assert "lies outside the file" in probe(clip(path, 7.0)).error
    (tmp_path / "text.mp4").write_text("no video")
    assert "cannot be decoded" in probe(clip(tmp_path / "text.mp4")).error
    content = path.read_bytes()
    data = content.index(b"mdat") + 4
    table = content.index(b"moov")
    (tmp_path / "holed.mp4").write_bytes(
        content[:data] + b"\xff" * (table - 4 - data) + content[table - 4 :]
    )
    assert "picture" in probe(clip(tmp_path / "holed.mp4")).error


def test_a_file_that_ends_its_process_is_told_and_the_others_are_looked_at():
    names = ["a", "fatal 1", "b", "c", "fatal 2", "d"]
    found = dict(probe_all([clip(name) for name in names], 2, look))
    assert [found[index].media for index in range(6)] == names
    assert [bool(found[index].error) for index in range(6)] == ["fatal" in name for name in names]
    assert "ended the process" in found[1].error
