"""Rows, files and media that are wrong or not there: counted and named, or the end."""

from __future__ import annotations

import pytest
from reading import clips_of
from synthetic import make, write_json

from mirasol.data.benchmarks.catalog import EVALUATED
from mirasol.data.benchmarks.problems import AnnotationError, BadRowError
from mirasol.data.benchmarks.reading import MissingMediaError, SplitReader


@pytest.mark.parametrize("benchmark", EVALUATED, ids=lambda each: each.name)
@pytest.mark.parametrize("folder_exists", [True, False])
def test_an_empty_folder_says_in_a_line_what_is_expected_where(root, benchmark, folder_exists):
    if folder_exists:
        benchmark.folder.mkdir()
    split = next(iter(benchmark.files))
    with pytest.raises(AnnotationError) as caught:
        SplitReader(benchmark, split)
    line = str(caught.value)
    first_file = benchmark.files[split][0].split("|")[0]
    assert "\n" not in line
    for part in (benchmark.name, first_file, str(benchmark.folder), "MIRASOL_DATA/"):
        assert part in line
    assert benchmark.origin in line
    assert "http" not in line


def test_media_may_have_another_extension_and_folder(root):
    folder = make(root, "msrvtt_qa")
    (folder / "videos" / "deep").mkdir(parents=True)
    (folder / "video90020.mp4").rename(folder / "videos" / "deep" / "video90020.WebM")
    (folder / "video90021.mp4").rename(folder / "videos" / "video90021.mkv")
    clips, _ = clips_of("msrvtt_qa", "test")
    assert [clip.media.removeprefix(f"{folder}/") for clip in clips] == [
        "videos/deep/video90020.WebM",
        "videos/video90021.mkv",
    ]


def test_missing_media_are_counted_and_listed(root, monkeypatch):
    folder = make(root, "msrvtt_qa")
    (folder / "video90020.mp4").unlink()
    clips, report = clips_of("msrvtt_qa", "test")
    assert len(clips) == 1
    assert (report.rows, report.missing, report.bad_rows) == (6, 3, 0)
    assert report.lines() == ["3 of 6 rows have no media file: video90020.mp4"]
    monkeypatch.setenv("MIRASOL_MISSING_MEDIA", "error")
    with pytest.raises(MissingMediaError, match=r"test_qa.json row 1: no media file video90020"):
        clips_of("msrvtt_qa", "test")


def test_no_media_at_all_is_an_error(root):
    folder = make(root, "msvd_qa")
    for path in folder.glob("*.avi"):
        path.unlink()
    with pytest.raises(MissingMediaError, match=r"no clip can be used in .*msvd_qa; the media are"):
        clips_of("msvd_qa", "test")


def test_a_policy_that_does_not_exist_is_refused(root, monkeypatch):
    make(root, "msvd_qa")
    monkeypatch.setenv("MIRASOL_BAD_ROWS", "ignore")
    with pytest.raises(ValueError, match="MIRASOL_BAD_ROWS is 'ignore'; it must be one of skip, e"):
        clips_of("msvd_qa", "test")


BAD_ROWS = [
    ({"question": "what?", "video_id": 9020, "id": 5}, "lacks 'answer'"),
    ({"answer": 3, "question": "what?", "video_id": 9020, "id": 5}, "'answer' is 3, not text"),
    ({"answer": "x", "question": "  ", "video_id": 9020, "id": 5}, "'question' is empty"),
    ({"answer": "x", "question": "what?", "video_id": 1.5, "id": 5}, "'video_id' is 1.5, not text"),
    ({"answer": "x", "question": "what?", "video_id": True, "id": 5}, "'video_id' is True, not"),
    ({"answer": "x", "question": "what?", "video_id": 9020, "id": None}, "lacks 'id'"),
    ({"answer": "\ud800", "question": "what?", "video_id": 9020, "id": 5}, "'answer' is not UTF-8"),
    ({"answer": "x", "question": "what?", "video_id": 9020, "id": 7}, "its id '7' stands already"),
    (["x"], "is ['x'], not an object with named fields"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS, ids=[reason for _, reason in BAD_ROWS])
def test_a_bad_row_is_named_and_skipped_or_fatal(root, monkeypatch, row, reason):
    folder = make(root, "msvd_qa")
    good = {"answer": "otter", "id": 7, "question": "what rows?", "video_id": 9020}
    write_json(folder / "test_qa.json", [good, row])
    clips, report = clips_of("msvd_qa", "test")
    assert [each.id for clip in clips for each in clip.questions] == ["7"]
    assert (report.rows, report.bad_rows) == (2, 1)
    (line,) = report.bad
    assert line.startswith(f"test_qa.json row 2: {reason}")
    monkeypatch.setenv("MIRASOL_BAD_ROWS", "error")
    with pytest.raises(BadRowError) as caught:
        clips_of("msvd_qa", "test")
    assert str(caught.value) == line


TIMES = [
    ("-1", "00:00:02.000", "'start_timestamp' is '-1'; a time is at least 0 s"),
    ("00:00:02.000", "00:00:01.000", "the clip ends at 1 s and begins at 2 s"),
    ("00:00:02.000", "00:00:02.000", "the clip ends at 2 s and begins at 2 s"),
    ("soon", "00:00:02.000", "'start_timestamp' is 'soon', not a time"),
    ("0", "nan", "'stop_timestamp' is 'nan'; a time is at least 0 s"),
    ("0", "inf", "'stop_timestamp' is 'inf'; a time is at least 0 s"),
    ("0", "1:0:0:0", "'stop_timestamp' is '1:0:0:0', not a time"),
]


@pytest.mark.parametrize(("start", "stop", "reason"), TIMES)
def test_times_that_make_no_clip_are_bad_rows(root, start, stop, reason):
    folder = make(root, "epic_sounds")
    text = (folder / "EPIC_Sounds_validation.csv").read_text().splitlines()
    text.append(f"P91_11_9,P91,P91_11,{start},{stop},0,1,made up,tap,1")
    (folder / "EPIC_Sounds_validation.csv").write_text("\n".join(text))
    clips, report = clips_of("epic_sounds", "validation")
    assert len(clips) == 4
    assert report.bad == [f"EPIC_Sounds_validation.csv row 5: {reason}"]


def test_hours_count(root):
    folder = make(root, "epic_sounds")
    text = (folder / "EPIC_Sounds_validation.csv").read_text()
    text = text.replace("00:00:00.350", "01:02:03.5").replace("00:00:00.390", "01:02:04.25")
    (folder / "EPIC_Sounds_validation.csv").write_text(text)
    clips, _ = clips_of("epic_sounds", "validation")
    assert (clips[-1].start_s, clips[-1].end_s) == (3723.5, 3724.25)


def test_csv_rows_of_another_width_or_encoding_are_bad(root):
    folder = make(root, "vggsound")
    lines = [
        b"-_madeup01,7,gull crying,test",
        b"too,few",
        b"-_madeup03,21,m\xf6we,test",
        b"-_madeup05,thirty,gull crying,test",
        b"-_madeup05,35,gull crying,tset",
    ]
    (folder / "vggsound.csv").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    clips, report = clips_of("vggsound", "test")
    assert len(clips) == 1
    assert report.rows == 5
    assert report.bad == [
        "vggsound.csv row 2: has 2 fields, not 4",
        "vggsound.csv row 3: 'label' is not UTF-8",
        "vggsound.csv row 4: 'start' is 'thirty', not a whole number",
        "vggsound.csv row 5: split 'tset' is neither train nor test",
    ]


def test_a_file_of_another_encoding_or_format_is_refused_whole(root):
    folder = make(root, "msvd_qa")
    path = folder / "test_qa.json"
    path.write_text("[]", encoding="utf-16")
    with pytest.raises(AnnotationError, match=r"test_qa.json is UTF-16; save it as UTF-8"):
        clips_of("msvd_qa", "test")
    path.write_text('[{"id": 1}')
    with pytest.raises(AnnotationError, match=r"test_qa.json is not JSON"):
        clips_of("msvd_qa", "test")
    path.write_text('{"id": 1}')
    with pytest.raises(AnnotationError, match=r"test_qa.json must hold a JSON array"):
        clips_of("msvd_qa", "test")


def test_a_csv_without_a_column_is_refused_whole(root):
    folder = make(root, "nextqa_mc")
    text = (folder / "val.csv").read_text().replace("question,", "questoin,")
    (folder / "val.csv").write_text(text)
    with pytest.raises(AnnotationError, match=r"no column 'question'; did you mean 'questoin'"):
        clips_of("nextqa_mc", "validation")
