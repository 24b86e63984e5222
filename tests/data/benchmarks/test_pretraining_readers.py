"""The sets for pre-training, on made-up rows in their schemas."""

from __future__ import annotations

import json

import pytest
from synthetic import write_csv, write_json

from mirasol.data.benchmarks.catalog import BENCHMARKS, PRETRAINING
from mirasol.data.benchmarks.howto100m import merge
from mirasol.data.benchmarks.problems import AnnotationError
from mirasol.data.benchmarks.reading import SplitReader


def read(name, split="train"):
    reader = SplitReader(BENCHMARKS[name], split)
    return list(reader), reader.report


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_webvid_finds_videos_by_page(root):
    folder = root / "webvid"
    head = ["videoid", "name", "page_idx", "page_dir", "duration", "contentUrl"]
    rows = [
        [9001, "Mock gulls, at dusk", 0, "000_049", "PT00H00M09S", "made up"],
        [9002, "Mock raft", 0, "050_099", "PT00H00M09S", "made up"],
        [9003, "", 0, "050_099", "PT00H00M09S", "made up"],
    ]
    write_csv(folder / "results_2M_train.csv", [head, *rows])
    write_csv(folder / "results_2M_val.csv", [head, [9009, "Mock pier", 0, "", "", ""]])
    touch(folder, "videos/000_049/9001.mp4", "videos/9009.mp4")
    clips, report = read("webvid")
    assert [clip.media.removeprefix(str(folder)) for clip in clips] == ["/videos/000_049/9001.mp4"]
    assert clips[0].questions[0].answer == "Mock gulls, at dusk"
    assert (report.rows, report.missing, report.bad_rows) == (3, 1, 1)
    assert report.bad == ["results_2M_train.csv row 3: 'name' is empty"]
    assert len(read("webvid", "validation")[0]) == 1


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (
            [(0, 4, "a"), (4, 9, "b"), (9, 12, "c"), (12, 23, "d")],
            [(0, 12, "a b c"), (12, 23, "d")],
        ),
        ([(0, 11, "a"), (11, 14, "b")], [(0, 14, "a b")]),  # What is left over goes to the last.
        ([(5, 8, "a")], [(5, 8, "a")]),
        ([(9, 20, "b"), (0, 10, "a")], [(0, 10, "a"), (9, 20, "b")]),  # Overlapping, out of order.
    ],
)
def test_speech_is_merged_to_clips_of_ten_seconds(segments, expected):
    assert merge(segments) == expected


def test_howto100m_reads_one_file_or_a_csv_a_video(root):
    folder = root / "howto100m"
    spoken = {"start": [0.5, 6.0, 11.25], "end": [6, 11.25, 24], "text": ["knit", "one", "row"]}
    broken = {"start": [1], "end": [2, 3], "text": ["x"]}
    write_json(folder / "caption.json", {"-mock_1": spoken, "-mock_2": broken})
    touch(folder, "-mock_1.webm", "-mock_2.mp4")
    clips, report = read("howto100m")
    found = [(clip.start_s, clip.end_s, clip.questions[0].answer) for clip in clips]
    assert found == [(0.5, 11.25, "knit one"), (11.25, 24.0, "row")]
    assert (report.rows, report.bad_rows) == (3, 1)
    assert "must have one length above 0" in report.bad[0]

    (folder / "caption.json").unlink()
    rows = zip(spoken["start"], spoken["end"], spoken["text"], strict=True)
    write_csv(folder / "captions" / "-mock_1.csv", [["start", "end", "text"], *rows])
    again, _ = read("howto100m")
    assert [(clip.start_s, clip.end_s, clip.questions[0].answer) for clip in again] == found


def test_internvid_takes_cut_clips_or_spans_of_the_whole(root):
    folder = root / "internvid"
    rows = [
        {
            "YoutubeID": f"-mock{i}",
            "Start_timestamp": "00:00:02.500",
            "End_timestamp": "00:00:07.000",
            "Caption": f"a mock gull {i}",
            "UMT_Score": 0.4,
        }
        for i in range(2)
    ]
    folder.mkdir()
    lines = [json.dumps(row) for row in rows]
    (folder / "InternVid-mock.jsonl").write_text("\n".join([*lines, "{broken"]))
    touch(folder, "-mock0_00:00:02.500_00:00:07.000.mp4", "-mock1.mp4")
    clips, report = read("internvid")
    assert [(clip.start_s, clip.end_s) for clip in clips] == [(None, None), (2.5, 7.0)]
    assert report.bad_rows == 1
    assert report.bad[0].startswith("InternVid-mock.jsonl row 3: is not JSON")


def test_valor_and_vast_gather_the_texts_about_a_clip(root):
    write_json(
        root / "valor" / "desc_train.json",
        [{"video_id": "mock_a", "desc": ["one gull", "two gulls"]}, {"video_id": "mock_b"}],
    )
    touch(root / "valor", "mock_a.mp4", "mock_b.mp4")
    clips, report = read("valor")
    assert [question.answer for question in clips[0].questions] == ["one gull", "two gulls"]
    assert (report.rows, report.bad_rows) == (3, 1)

    row = {
        "clip_id": "mock_c.1",
        "clip_span": ["00:00:01", "00:00:09"],
        "vision_cap": ["a pier"],
        "audio_cap": ["a horn", "waves"],
        "vast_cap": "a horn at a pier",
        "subtitle": "",
    }
    write_json(root / "vast" / "annotations.json", [row])
    touch(root / "vast", "mock_c.1.mp4")
    (clip,), _ = read("vast")
    assert [(question.type, question.answer) for question in clip.questions] == [
        ("caption", "a horn at a pier"),
        ("sight", "a pier"),
        ("sound", "a horn"),
        ("sound1", "waves"),
    ]
    assert len({question.prompt for question in clip.questions}) == 3
    assert (clip.start_s, clip.end_s) == (None, None)


@pytest.mark.parametrize("benchmark", PRETRAINING, ids=lambda each: each.name)
def test_an_empty_folder_says_what_is_expected(root, benchmark):
    with pytest.raises(AnnotationError, match=rf"{benchmark.name}, split 'train': no file "):
        SplitReader(benchmark, "train")
