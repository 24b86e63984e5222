"""The tasks of public sets as seqio sees them, on made-up annotations; whole roads: test_roads.py.

TensorFlow stays in processes of its own.
"""

from __future__ import annotations

import json

import pytest
import synthetic
from toy_media import shape, write_media

from mirasol.data.converter import Converter
from mirasol.data.loader import evaluation_batches
from mirasol.data.spectrogram import LogMel
from mirasol.data.splits import splits_of
from mirasol.data.task_service import TaskService
from mirasol.data.vocabulary import ByteVocabulary

REPORTED_SPLIT = {"epic_sounds": "validation", "kinetics_sounds": "validation"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A data root with every set, on one small mp4, and a manifest."""
    made = tmp_path_factory.mktemp("data")
    media = write_media(made / "clip.mp4")
    for name in synthetic.SETS:
        synthetic.make(made, name, media)
    row = {"media": "clip.mp4", "label": "gull", "references": ["bird"]}
    synthetic.write_json(made / "manifest.jsonl", row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_DATA", str(made))
        patch.setenv("MIRASOL_WORDNET", "none")
        patch.setenv("MIRASOL_MANIFEST", str(made / "manifest.jsonl"))
        yield made


@pytest.fixture(scope="module")
def service(root):
    with TaskService() as opened:
        yield opened


def test_registering_reads_nothing_and_knows_the_splits(service):
    for name, counts in synthetic.COUNTS.items():
        info = service.describe(name)
        assert set(info.splits) == {*counts, "reported"}
        assert set(info.num_clips.values()) == {None}


def test_the_data_of_a_split_are_the_same_before_and_after_it_is_read(root):
    with TaskService() as service:  # Of its own: nothing has been read.
        before = service.identity("msrvtt_qa", "reported")
        service.prepare("msrvtt_qa", "reported")
        assert service.identity("msrvtt_qa", "reported") == before
    ((name, found),) = before.items()
    assert name == "msrvtt_qa/reported"
    assert found["files"]
    assert found["rows"] == found["with_media"] + found["without_media"] > 0


def test_data_that_are_gone_have_no_rows(root, monkeypatch, tmp_path):
    monkeypatch.setenv("MIRASOL_DATA", str(tmp_path))
    with TaskService() as service:
        (found,) = service.identity("msrvtt_qa", "reported").values()
    assert found == {"files": {}, "rows": None, "with_media": None, "without_media": None}


def test_the_suite_asks_every_question_of_the_reported_splits(root):
    converter = Converter(
        shape(questions=4, answer_length=2), ByteVocabulary(), None, LogMel(mel_bins=24)
    )
    stream = evaluation_batches("evaluation_suite", "reported", converter, batch_size=4)
    rows = [each.row for _, clips in stream for clip in clips for each in clip.questions]
    stream.close()
    for name, counts in synthetic.COUNTS.items():
        asked = [row["id"] for row in rows if row["benchmark"] == name]
        split = REPORTED_SPLIT.get(name, "test")
        assert len(asked) == len(set(asked)) == counts[split][1]
        assert {row["split"] for row in rows if row["benchmark"] == name} == {split}


def test_a_manifest_is_scored_with_any_reference(service):
    row = {"answer": "gull", "references": ["bird"], "benchmark": "manifest", "split": "validation"}
    scores = service.score("manifest", [row, row], ["Bird", "fish"])
    assert (scores["accuracy"], scores["num_total"]) == (0.5, 1)


def test_a_check_of_a_mixture_reads_its_sets_without_seqio(service):
    splits = splits_of("evaluation_suite", "reported", lambda: service, 5)
    assert [each.task for each in splits] == sorted(synthetic.SETS)
    reported = {each.task: each.split for each in splits}
    assert reported == {name: REPORTED_SPLIT.get(name, "test") for name in synthetic.SETS}
    for each in splits:
        clips, _ = synthetic.COUNTS[each.task][each.split]
        assert len(list(each.clips())) == clips


def test_sets_of_words_have_no_classes(service):
    assert service.classes("msrvtt_qa") is None
    assert service.classes("vggsound") == ["drums, distant", "gull crying", "kettle singing"]


def test_a_set_that_is_not_there_says_so_before_anything_is_written(service, root):
    moved = (root / "msvd_qa").rename(root / "away")
    try:
        with pytest.raises(ValueError, match=r"msvd_qa, split 'test': no file test_qa.json in"):
            service.prepare("msvd_qa", "reported")
    finally:
        moved.rename(root / "msvd_qa")


def test_what_cannot_be_used_is_told_with_its_row_before_training(root, tmp_path, monkeypatch):
    rows = [
        {"media": "clip.mp4", "question": "what", "answer": "gull"},
        {"media": "../secret.mp4", "question": "what", "answer": "gull"},
        {"media": "gone.mp4", "question": "what", "answer": "gull"},
    ]
    write_media(tmp_path / "clip.mp4")
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("MIRASOL_MANIFEST", str(tmp_path / "mine.jsonl"))
    with TaskService() as service:
        refused, missing = service.prepare("manifest", "train")
    assert "1 of 3 rows cannot be used" in refused
    assert "mine.jsonl row 2" in refused
    assert "1 of 3 rows have no media file" in missing
    assert "gone.mp4" in missing
