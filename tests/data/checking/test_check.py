from __future__ import annotations

import json
import re
import sys

import pytest
import synthetic
from toy_media import write_media

from mirasol.__main__ import main
from mirasol.data.checking.check import check
from mirasol.data.checking.findings import Findings, as_json, text
from mirasol.data.checking.tally import TextMeasure
from mirasol.data.splits import splits_of


def checked(*wanted, **options) -> list[Findings]:
    given = {"sample": 64, "measure": TextMeasure(), "kept": 5, "processes": 1}
    return check(wanted, **(given | options))


@pytest.fixture(scope="module")
def sound_sets(root):
    """What is found in every set, nothing of it broken, and a manifest: all by one pool."""
    media = write_media(root / "clip.mp4")
    for name in synthetic.SETS:
        synthetic.make(root, name, media)
    rows = [{"media": "clip.mp4", "label": "gull"}, {"media": "clip.mp4", "label": "sea gull"}]
    (root / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_MANIFEST", str(root / "mine.jsonl"))
        found = checked(*((name, None) for name in synthetic.SETS), ("manifest", "train"))
    return {(each.task, each.split): each for each in found}


def no_service():
    raise AssertionError("seqio is not needed")


@pytest.mark.parametrize("name", synthetic.SETS)
def test_every_row_of_a_set_is_found(sound_sets, name):
    for split, (clips, questions) in synthetic.COUNTS[name].items():
        found = sound_sets[name, split]
        counts = {"found": questions, "missing": 0, "refused": 0, "clips": clips}
        assert found.counts().items() >= {**counts, "probed": clips, "unreadable": 0}.items()
        assert found.usable
        assert found.flawless
        assert found.as_json()["pictures"] == {"64x48": clips}
        assert (found.as_json()["with_sound"], found.as_json()["without_sound"]) == (clips, 0)


def test_answers_are_counted(sound_sets):
    answers = sound_sets["msrvtt_qa", "train"].as_json()["answers"]
    assert answers["most_frequent"] == {"lantern": 2, "two": 2, "juggler": 2}
    assert answers["length"] == {
        "unit": "words",
        "median": 1,
        "longest": 1,
        "limit": None,
        "longer": 0,
    }
    hidden = sound_sets["epic_sounds", "test"].as_json()["answers"]
    assert (hidden["distinct"], hidden["unanswered"]) == (0, 4)
    mine = sound_sets["manifest", "train"].as_json()
    assert (mine["rows"], mine["clips"], mine["answers"]["length"]["longest"]) == (2, 1, 2)


def test_seconds_of_a_clip_are_those_of_its_span(sound_sets):
    least, median, greatest = sound_sets["epic_sounds", "train"].as_json()["length_s"]
    assert (least, median, greatest) == pytest.approx((0.04, 0.04, 0.04))


def test_tensorflow_is_not_here(sound_sets):
    assert "tensorflow" not in sys.modules
    splits_of("msvd_qa", None, no_service, 5)


@pytest.fixture(scope="module")
def broken_set(root, sound_sets):
    """MSVD-QA with a file that is none, a missing file, refused rows and one split away."""
    folder = root / "msvd_qa"
    train = json.loads((folder / "train_qa.json").read_text())
    rows = [*train, {"answer": "otter", "id": 5, "video_id": 9000}, *({"id": i} for i in range(9))]
    synthetic.write_json(folder / "train_qa.json", rows)
    (folder / "vid9000.avi").write_bytes(b"no video")
    (folder / "vid9010.avi").unlink()
    (folder / "test_qa.json").unlink()
    return checked(("msvd_qa", None))


def test_what_is_wrong_is_told_with_file_and_row(broken_set):
    train, validation, test = broken_set
    assert list(train.counts().values()) == [12, 2, 0, 10, 2, 2, 1]
    assert list(validation.counts().values()) == [2, 1, 1, 0, 1, 1, 0]
    assert train.usable
    assert validation.usable
    assert not test.usable
    assert not (train.flawless or validation.flawless or test.flawless)
    told = text(broken_set)
    assert "train_qa.json row 3: lacks 'question'" in told
    assert re.search(r"  val\w*_qa\.json row \d+: \S*vid9010\.avi\n", told)
    assert re.search(r"  train_qa\.json row \d+: \S*vid9000\.avi: it cannot be decoded", told)
    assert "no file test_qa.json in" in test.error
    assert "it comes from" in test.error
    refused = told.partition("refused\n")[2].partition("  unreadable\n")[0]
    assert refused.count("train_qa.json row") == 5
    assert "--list_all" in told


def test_all_of_it_is_named_when_asked_for(broken_set):
    (train,) = checked(("msvd_qa", "train"), sample=0, kept=1000)
    assert len(train.report.bad) == 10
    assert train.counts()["probed"] == 0
    assert train.usable  # As far as was looked.


def test_a_row_of_every_split_is_told_once(root, sound_sets, monkeypatch):
    rows = [{"media": "clip.mp4", "label": "gull"}, {"media": "gone.mp4", "label": "gull"}]
    (root / "holed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("MIRASOL_MANIFEST", str(root / "holed.jsonl"))
    found = checked(("manifest", "train"), ("manifest", "validation"), sample=0)
    assert [each.report.missing for each in found] == [1, 1]
    told = text(found)
    assert told.count("gone.mp4") == 1
    assert told.count("missing    as told above") == 1


def test_numbers_are_json(broken_set):
    train = json.loads(as_json(broken_set))[0]
    assert (train["task"], train["split"], train["refused"]) == ("msvd_qa", "train", 10)
    assert [path.rpartition("/")[2] for path in train["unreadable_files"]] == ["vid9000.avi"]


def test_the_command_prints_and_fails_where_it_should(broken_set, capsys):
    line = ["check-data", "--task=msvd_qa", "--sample=0"]
    assert main(line) == 0
    assert capsys.readouterr().out.startswith("task     split       rows  found")
    assert main([*line, "--strict", "--format=json"]) == 2
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 3
    assert "--strict" in err
    assert main([*line, "--split=test"]) == 2
    out, err = capsys.readouterr()
    assert "no file test_qa.json" in out
    assert "none of this data can be used" in err


def test_a_run_brings_its_tasks_and_its_limits(sound_sets, capsys):
    line = ["check-data", "--gin_file=runs/finetune_msrvtt_qa.gin", "--sample=0", "--format=json"]
    assert main([*line, "--gin.ANSWER_LENGTH=4"]) == 0
    train, validation = json.loads(capsys.readouterr().out)
    assert (train["split"], validation["split"]) == ("train", "validation")
    # Bytes: of "lantern", "two" and "juggler" only "two" leaves room for the end token.
    assert train["answers"]["length"] == {
        "unit": "tokens",
        "median": 7,
        "longest": 7,
        "limit": 3,
        "longer": 4,
    }
    assert train["question_length"]["longer"] == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--task=msvd_qa --split=tset", "did you mean 'test'?"),
        ("--task=msvd_qa --sample=-1", "--sample=-1"),
        ("--task=msvd_qa --sample=all", "--sample=all is not a whole number"),
        ("--task=msvd_qa --format=xml", "text|json"),
        ("--task=msvd_qa --gin.SEED=1", "--gin_file"),
        ("--task=a,b", "--task=a --task=b"),
        ("", "--task=NAME"),
    ],
)
def test_a_mistake_is_one_line(root, line, said, capsys):
    assert main(["check-data", *line.split()]) == 2
    err = capsys.readouterr().err
    assert err.startswith("mirasol: ")
    assert err.count("\n") == 1
    assert said in err


def test_other_tasks_are_read_by_seqio(service, toy_root):
    splits = splits_of("toy_both", "train", lambda: service, 5)
    assert {each.task for each in splits} == {"toy_red", "toy_blue"}
    assert [len(list(each.clips())) for each in splits] == [10, 10]
    (missing,) = splits_of("toy_broken", "validation", lambda: service, 1)
    assert list(missing.clips()) == []
    assert missing.report.missing == missing.report.rows == 14
    assert len(missing.report.missing_files) == 1
    with pytest.raises(ValueError, match="did you mean 'toy_red'"):
        splits_of("toy_rad", None, lambda: service, 5)
