"""What a media name may be: below its folder, and nothing else."""

from __future__ import annotations

import pytest
from synthetic import make, write_json

from mirasol.data.benchmarks.catalog import BENCHMARKS
from mirasol.data.benchmarks.media_folder import MediaFolder, RefusedNameError
from mirasol.data.benchmarks.problems import BadRowError
from mirasol.data.benchmarks.reading import SplitReader

REFUSED = [
    ("../../secret.mp4", "climbs out"),
    ("a/../../secret.mp4", "climbs out"),
    ("..\\secret.mp4", "climbs out"),
    ("/etc/passwd", "is absolute"),
    ("\\\\host\\x.mp4", "is absolute"),
    ("~/x.mp4", "is absolute"),
    ("http://localhost/x.mp4", "would be a protocol"),
    ("concat:a|b", "would be a protocol"),
    ("file:/etc/passwd", "would be a protocol"),
    ("subfile,,start,0,end,9,,:/etc/passwd", "would be a protocol"),
    ("", "no file name"),
    ("a\0.mp4", "no file name"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    inside = tmp_path / "set"
    (inside / "sub").mkdir(parents=True)
    (inside / "clip.mp4").write_bytes(b"clip")
    return inside


@pytest.mark.parametrize(("name", "reason"), REFUSED)
def test_a_name_that_leads_out_is_refused(folder, name, reason):
    with pytest.raises(RefusedNameError, match=reason):
        MediaFolder(folder).find(name)


def test_a_link_out_of_the_folder_is_refused(folder):
    (folder / "linked.mp4").symlink_to(folder.parent / "secret.mp4")
    for name in ("linked.mp4", "elsewhere/linked.avi"):
        with pytest.raises(RefusedNameError, match=r"link that leads out of .*secret.mp4"):
            MediaFolder(folder).find(name)


def test_a_folder_that_is_a_link_out_is_refused(folder):
    (folder / "out").symlink_to(folder.parent)
    with pytest.raises(RefusedNameError, match="link that leads out"):
        MediaFolder(folder).find("out/secret.mp4")
    assert MediaFolder(folder).find("secret.mp4") is None


def test_links_within_the_folder_are_followed(folder):
    (folder / "sub" / "again.mp4").symlink_to(folder / "clip.mp4")
    media = MediaFolder(folder)
    assert media.find("sub/again.mp4") == media.find("again.mp4")
    assert media.find("again.mp4") == str(folder / "sub" / "again.mp4")


def test_the_folder_and_its_videos_may_be_links_of_the_owners(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(folder)
    assert MediaFolder(elsewhere).find("clip.mp4") == str(elsewhere / "clip.mp4")
    other = tmp_path / "other"
    other.mkdir()
    (other / "videos").symlink_to(folder)
    assert MediaFolder(other).find("clip.mp4") == str(other / "videos" / "clip.mp4")


def test_of_several_extensions_the_first_is_taken(folder):
    for name in ("twin.avi", "twin.webm", "twin.mkv", "sub/twin.txt"):
        (folder / name).write_bytes(b"")
    assert MediaFolder(folder).find("twin.mp4") == str(folder / "twin.mkv")
    assert MediaFolder(folder).find("twin.avi") == str(folder / "twin.avi")
    assert MediaFolder(folder).find("other.mp4") is None


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "http://localhost/x", "concat:a|b"]
)
def test_an_annotation_cannot_name_what_lies_outside(root, monkeypatch, name):
    folder = make(root, "activitynet_qa")
    rows = [
        {"video_name": "_mock_2-x", "question": "is it", "question_id": "v_1"},
        {"video_name": name, "question": "is it", "question_id": "v_2"},
    ]
    answers = [{"question_id": each, "type": 3, "answer": "yes"} for each in ("v_1", "v_2")]
    write_json(folder / "test_q.json", rows)
    write_json(folder / "test_a.json", answers)
    reader = SplitReader(BENCHMARKS["activitynet_qa"], "test")
    assert len(list(reader)) == 1
    assert (reader.report.bad_rows, reader.report.missing) == (1, 0)
    assert f"{name}.mp4" in reader.report.bad[0]
    assert "refused" in reader.report.bad[0]
    monkeypatch.setenv("MIRASOL_BAD_ROWS", "error")
    with pytest.raises(BadRowError, match=r"test_q.json row 2: media name .* is refused"):
        list(reader)
