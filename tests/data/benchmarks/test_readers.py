"""Each reader on made-up rows in the official schema; neither media nor TensorFlow is opened."""

from __future__ import annotations

import json

import pytest
import synthetic
from reading import clips_of, questions_of
from synthetic import COUNTS, make, write_csv, write_json

from mirasol.data.benchmarks.catalog import BENCHMARKS, EVALUATED
from mirasol.data.benchmarks.kinetics_sounds import CLASSES_31, CLASSES_32
from mirasol.data.benchmarks.problems import AnnotationError
from mirasol.data.benchmarks.reading import MissingMediaError, SplitReader

SPLITS = [(name, split) for name, splits in COUNTS.items() for split in splits]


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_a_split_is_read_whole(root, name, split):
    make(root, name)
    clips, report = clips_of(name, split)
    count = COUNTS[name][split]
    assert (len(clips), sum(len(clip.questions) for clip in clips)) == count
    assert (report.rows, report.bad_rows, report.missing) == (count[1], 0, 0)
    assert report.lines() == []
    for clip in clips:
        assert clip.media.startswith(str(root / name))
        for question in clip.questions:
            assert question.row["benchmark"] == name
            assert question.row["split"] == split
            assert " row " in question.row["origin"]
            assert json.loads(json.dumps(question.row)) == question.row
    ids = [question.id for clip in clips for question in clip.questions]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(each, str) for each in ids)


@pytest.mark.parametrize("name", COUNTS)
def test_the_reported_split_is_one_of_the_set(root, name):
    make(root, name)
    reader = SplitReader(BENCHMARKS[name], "reported")
    assert reader.split == BENCHMARKS[name].reported in COUNTS[name]


def test_an_unknown_split_names_the_nearest(root):
    make(root, "msvd_qa")
    with pytest.raises(ValueError, match=r"no split 'validaton'; did you mean 'validation'\?"):
        SplitReader(BENCHMARKS["msvd_qa"], "validaton")


def test_the_type_of_a_word_question_is_its_first_word(root):
    make(root, "msrvtt_qa")
    assert [each.type for each in questions_of("msrvtt_qa", "test")] == ["what", "how", "who"] * 2
    question = questions_of("msrvtt_qa", "test")[0]
    assert (question.answer, question.row["category_id"]) == ("lantern", 30)


def test_other_first_words_are_one_type(root):
    folder = make(root, "msvd_qa")
    row = {"id": 1, "question": "Which boat?", "answer": "red", "video_id": 9020}
    write_json(folder / "test_qa.json", [row])
    assert [each.type for each in questions_of("msvd_qa", "test")] == ["other"]


def test_msvd_finds_a_video_by_its_number_or_by_the_mapping(root):
    make(root, "msvd_qa")
    clips, _ = clips_of("msvd_qa", "validation")
    names = [clip.media.rpartition("/")[2] for clip in clips]
    assert names == ["vid9010.avi", "-made_Up1__3_9.avi"]


def test_activitynet_joins_questions_and_answers_by_id(root):
    make(root, "activitynet_qa")
    questions = questions_of("activitynet_qa", "test")
    assert [each.answer for each in questions] == [f"word {kind}" for kind in range(9)]
    types = " ".join(each.type for each in questions)
    assert types == "Motion Spatial Temporal Yes/No Color Object Location Number Other"
    assert questions[0].prompt == "is sled 0 red"


def test_activitynet_names_what_has_no_partner(root):
    folder = make(root, "activitynet_qa")
    answers = json.loads((folder / "test_a.json").read_text())
    answers[0]["question_id"] = "v_other_1"  # The answer to the last question.
    answers[1]["type"] = 9
    write_json(folder / "test_a.json", answers)
    clips, report = clips_of("activitynet_qa", "test")
    assert sum(len(clip.questions) for clip in clips) == 7
    assert (report.rows, report.bad_rows) == (10, 3)
    assert "test_q.json row 8: type 9 is none of 0..8" in report.bad
    assert "test_q.json row 9: no row of test_a.json answers 'v__mock_2-x_8'" in report.bad
    assert "test_a.json row 1: no row of test_q.json asks 'v_other_1'" in report.bad


def test_nextqa_options_stay_what_they_are(root):
    make(root, "nextqa_mc")
    questions = questions_of("nextqa_mc", "validation")
    second = questions[1]
    assert second.answer == "none"
    assert second.row["answer_index"] == 1
    assert second.row["options"] == ["hums", "none", "paints kites", "naps", "waves"]
    assert second.prompt == ("why did clown 1 stop? options: hums; none; paints kites; naps; waves")
    assert [each.type for each in questions] == ["CW", "CH", "TN", "TN", "TC", "DC", "DL", "DO"]
    assert questions_of("nextqa_mc_question", "validation")[1].prompt == "why did clown 1 stop"


def test_nextqa_reads_the_variant_with_answers_as_text(root):
    folder = make(root, "nextqa_mc")
    head = ["video_id", "question", "answer", "qid", "type", "a0", "a1", "a2", "a3", "a4"]
    options = ["4", "3", "2", "1", "0"]
    rows = [["770001", "how many kites", "4", 0, "DC", *options]]
    write_csv(folder / "val.csv", [head, *rows])
    (question,) = questions_of("nextqa_mc", "validation")
    assert (question.row["answer_index"], question.answer) == (0, "4")


def test_nextqa_takes_a_number_in_the_official_file_for_an_options_number(root):
    folder = make(root, "nextqa_mc")
    head = ["video", "question", "answer", "qid", "type", "a0", "a1", "a2", "a3", "a4"]
    write_csv(
        folder / "val.csv", [head, ["770001", "how many", "4", 0, "DC", "4", "3", "2", "1", "0"]]
    )
    (question,) = questions_of("nextqa_mc", "validation")
    assert (question.row["answer_index"], question.answer) == (4, "0")


def test_open_questions_of_the_test_split_have_a_second_answer(root):
    make(root, "nextqa_oe")
    assert all(each.row["references"] == ["for fun"] for each in questions_of("nextqa_oe", "test"))
    validation = questions_of("nextqa_oe", "validation")
    assert not any("references" in each.row for each in validation)


def test_open_questions_may_share_an_id_in_training_alone(root):
    folder = make(root, "nextqa_oe")
    ids = [each.id for each in questions_of("nextqa_oe", "train")]
    assert ids[-1] == "880000_0#2"
    text = (folder / "train.csv").read_text().replace("880000", "880001")
    (folder / "val.csv").write_text(text)
    _, report = clips_of("nextqa_oe", "validation")
    assert report.bad == ["val.csv row 10: its id '880001_0' stands already in val.csv row 1"]


def test_vggsound_reads_both_of_its_files(root):
    folder = make(root, "vggsound")
    whole = [(each.id, each.answer) for each in questions_of("vggsound", "test")]
    assert whole[0] == ("-_madeup01_000007", "drums, distant")
    assert BENCHMARKS["vggsound"].classes(folder) == [
        "drums, distant",
        "gull crying",
        "kettle singing",
    ]
    (folder / "vggsound.csv").unlink()
    write_csv(folder / "test.csv", [(f"{stem}.mp4", label) for stem, label in whole])
    assert [(each.id, each.answer) for each in questions_of("vggsound", "test")] == whole
    assert BENCHMARKS["vggsound"].classes(folder) == ["drums, distant", "gull crying"] + (
        ["kettle singing"] if any("kettle" in label for _, label in whole) else []
    )


def test_epic_sounds_are_segments_of_their_video(root):
    folder = make(root, "epic_sounds")
    clips, _ = clips_of("epic_sounds", "validation")
    assert [(clip.start_s, clip.end_s) for clip in clips[:2]] == [(0.05, 0.09), (0.15, 0.19)]
    assert [each.row["class_id"] for clip in clips for each in clip.questions] == [0, 1, 2, 0]
    assert BENCHMARKS["epic_sounds"].classes(folder) == ["pan scrape", "tap", "lid / pot clash"]
    hidden = questions_of("epic_sounds", "test")
    assert all(each.row["hidden"] and each.answer == "" for each in hidden)


def test_epic_videos_are_told_apart_by_their_whole_name(root):
    folder = make(root, "epic_sounds")
    (folder / "P91/videos/P91_11.MP4").unlink()
    (folder / "P91/videos/P91_111.MP4").write_bytes(b"")
    with pytest.raises(MissingMediaError, match="4 of 4 rows have no media file"):
        clips_of("epic_sounds", "validation")


def test_epic_refuses_a_list_of_classes_with_holes(root):
    folder = make(root, "epic_sounds")
    (folder / "EPIC_Sounds_train.csv").unlink()
    text = (folder / "EPIC_Sounds_validation.csv").read_text().replace(",tap,1", ",tap,7")
    (folder / "EPIC_Sounds_validation.csv").write_text(text)
    with pytest.raises(AnnotationError, match=r"\[0, 2, 7\].*without a gap"):
        BENCHMARKS["epic_sounds"].classes(folder)


def test_kinetics_sounds_takes_its_classes_alone(root):
    make(root, "kinetics_sounds")
    labels = [each.answer for each in questions_of("kinetics_sounds", "validation")]
    assert labels == ["tap dancing", "strumming guitar", "tickling"]
    fewer = [each.answer for each in questions_of("kinetics_sounds_31", "validation")]
    assert fewer == ["tap dancing", "tickling"]


def test_the_class_lists_have_the_published_sizes():
    assert (len(set(CLASSES_32)), len(set(CLASSES_31))) == (32, 31)
    assert list(CLASSES_32) == sorted(CLASSES_32)
    renamed = {
        "blowing out candles",
        "dribbling basketball",
        "mowing lawn",
        "stomping grapes",
        "strumming guitar",
    }
    assert renamed <= set(CLASSES_32)


def test_kinetics_sounds_reads_a_list_of_class_numbers(root):
    folder = make(root, "kinetics_sounds")
    (folder / "val.csv").unlink()
    rows = [("val/-val0_000000_000010.mp4", 28), ("val/-val2_000006_000016.mp4", 27)]
    write_csv(folder / "val_data_path.csv", rows)
    questions = questions_of("kinetics_sounds", "validation")
    assert [each.answer for each in questions] == ["tap dancing", "strumming guitar"]


def test_kinetics_without_labels_is_refused(root):
    folder = make(root, "kinetics_sounds")
    write_csv(folder / "test.csv", [["youtube_id", "time_start", "time_end", "split"]])
    with pytest.raises(AnnotationError, match="no column 'label'"):
        clips_of("kinetics_sounds", "test")


def test_every_reader_is_tried_here():
    assert set(synthetic.SETS) == {benchmark.name for benchmark in EVALUATED} == set(COUNTS)
