from __future__ import annotations

import json
import os

import pytest
from synthetic import write_csv

from mirasol.data.benchmarks.manifest import MANIFEST, use_manifest
from mirasol.data.benchmarks.problems import AnnotationError, BadRowError
from mirasol.data.benchmarks.reading import SplitReader

ROWS = [
    {"media": "a/one.mp4", "question": "who sings", "answer": "a gull", "type": 3},
    {"media": "a/one.mp4", "start": 1.5, "end": "0:04", "caption": "a gull on a pier"},
    {"media": "two.webm", "label": "gull", "references": ["seagull", "bird"], "id": "c1"},
    {"media": "two.webm", "question": "where", "answer": "none", "split": "validation"},
]


@pytest.fixture
def manifest(root, monkeypatch):
    """Returns the path of a manifest, which the environment names."""
    for name in ("a/one.mp4", "two.webm"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"")
    path = root / "my.jsonl"
    monkeypatch.setenv("MIRASOL_MANIFEST", "")
    path.write_text("\n".join(map(json.dumps, ROWS)))
    assert use_manifest(str(path)) == "manifest"
    assert os.environ["MIRASOL_MANIFEST"] == str(path)
    return path


def read(split="train"):
    reader = SplitReader(MANIFEST, split)
    return list(reader), reader.report


def test_a_manifest_is_read(manifest):
    clips, report = read()
    assert report.rows == 3
    assert [(clip.start_s, clip.end_s) for clip in clips] == [
        (None, None),
        (1.5, 4.0),
        (None, None),
    ]
    asked = [question for clip in clips for question in clip.questions]
    assert [(each.id, each.prompt, each.answer) for each in asked] == [
        ("1", "who sings", "a gull"),
        ("2", "describe the video", "a gull on a pier"),
        ("c1", "what is it", "gull"),
    ]
    assert asked[0].type == "3"
    assert asked[2].row["references"] == ["seagull", "bird"]
    assert asked[2].row["origin"] == "my.jsonl row 3"


def test_rows_may_be_of_one_split(manifest):
    answers = [each.answer for clip in read("validation")[0] for each in clip.questions]
    assert answers == ["a gull", "a gull on a pier", "gull", "none"]


def test_a_csv_says_the_same(manifest, monkeypatch):
    head = ["media", "start", "end", "question", "caption", "label", "answer", "references", "id"]
    rows = [
        ["a/one.mp4", "", "", "who sings", "", "", "a gull", "", ""],
        ["a/one.mp4", 1.5, "0:04", "", "a gull on a pier", "", "", "", ""],
        ["two.webm", "", "", "", "", "gull", "", "seagull|bird", "c1"],
    ]
    jsonl = [
        question.row | {"origin": "", "type": ""} for c in read()[0] for question in c.questions
    ]
    path = manifest.with_suffix(".csv")
    write_csv(path, [head, *rows])
    use_manifest(str(path))
    csv = [question.row | {"origin": "", "type": ""} for c in read()[0] for question in c.questions]
    assert csv == jsonl


BAD = [
    ({"question": "who", "answer": "x"}, "lacks 'media'"),
    ({"media": "a/one.mp4", "question": "who"}, "has none of answer, caption, label; it needs one"),
    ({"media": "a/one.mp4", "label": "x", "caption": "y"}, "has caption and label of answer"),
    ({"media": "a/one.mp4", "answer": "x"}, "lacks 'question'"),
    ({"media": "a/one.mp4", "label": "x", "start": 4, "end": 2}, "ends at 2 s and begins at 4 s"),
    ({"media": "a/one.mp4", "label": "x", "start": -1}, "'start' is -1; a time is at least 0 s"),
    ({"media": "a/one.mp4", "label": "x", "split": "tset"}, "split 'tset' is none of train"),
    ({"media": "../secret.mp4", "label": "x"}, "media name '../secret.mp4' is refused"),
    ({"media": "http://localhost/x.mp4", "label": "x"}, "media name 'http://localhost/x.mp4' is"),
    ({"media": "/etc/passwd", "label": "x"}, "media name '/etc/passwd' is refused"),
    ({"media": "concat:a|b", "label": "x"}, "media name 'concat:a|b' is refused"),
    ({"media": "linked.mp4", "label": "x"}, "'linked.mp4' is a link that leads out"),
]


@pytest.mark.parametrize(("row", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_row_is_named(manifest, monkeypatch, tmp_path_factory, row, reason):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.mp4"
    secret.write_bytes(b"secret")
    (manifest.parent / "linked.mp4").symlink_to(secret)
    manifest.write_text("\n".join(map(json.dumps, [ROWS[0], row])))
    clips, report = read()
    assert len(clips) == 1
    (line,) = report.bad
    assert line.startswith("my.jsonl row 2: ")
    assert reason in line
    monkeypatch.setenv("MIRASOL_BAD_ROWS", "error")
    with pytest.raises(BadRowError, match=r"my.jsonl row 2"):
        read()


def test_no_manifest_says_how_to_name_one(monkeypatch, tmp_path):
    monkeypatch.delenv("MIRASOL_MANIFEST", raising=False)
    with pytest.raises(
        AnnotationError, match=r"--gin.MANIFEST='\"my.jsonl\"' to runs/manifest.gin"
    ):
        read()
    monkeypatch.setenv("MIRASOL_MANIFEST", str(tmp_path / "other.jsonl"))
    with pytest.raises(AnnotationError, match=r"no manifest .*other.jsonl"):
        read()
    (tmp_path / "other.txt").write_text("")
    monkeypatch.setenv("MIRASOL_MANIFEST", str(tmp_path / "other.txt"))
    with pytest.raises(AnnotationError, match=r"must end in .jsonl .* or .csv"):
        read()
