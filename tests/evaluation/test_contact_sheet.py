from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from mirasol.batch import ExampleShape, empty_batch
from mirasol.data.references import ClipReference, Question
from mirasol.evaluation.contact_sheet import ContactSheet, clip_title, varied
from mirasol.evaluation.predictions import Prediction
from mirasol.evaluation.sheet_drawing import FRAMES, MAX_FRAME_PX, SheetAnswer, SheetClip, draw

SHAPE = ExampleShape(
    chunks=4,
    chunk_frames=4,
    image_size=8,
    chunk_bands=8,
    mel_bins=8,
    questions=2,
    prompt_length=4,
    answer_length=4,
)


def reference(media, start_s=None, end_s=None):
    return ClipReference(media, start_s, end_s, (), origin="")


def prediction(media, kind, text="red", answer="red"):
    question = Question(f"{media}-{kind}", "what colour?", answer, kind, {})
    return Prediction(reference(media), question, text)


def type_of(each):
    return each.question.type


def answer(correct, given="red"):
    return SheetAnswer("sight", "what colour is it?", "red", given, correct)


def sheet_clip(answers, chunks=4, video_level=0, audio_level=0.0):
    return SheetClip.from_arrays(
        "video1.mp4",
        np.full((chunks, 4, 8, 8, 3), video_level, np.uint8),
        np.full((chunks, 8, 8), audio_level, np.float32),
        answers,
    )


def pixels(path):
    return (imread(path)[..., :3] * 255).round().astype(int)


def share(image, colour):
    return (np.abs(image - np.array(colour)).max(axis=-1) < 8).mean()


def test_frames_lie_evenly_across_the_clip_and_shrink():
    video_TFHWC = np.arange(16, dtype=np.uint8).reshape(4, 4, 1, 1, 1)
    video_TFHWC = np.broadcast_to(video_TFHWC, (4, 4, 400, 448, 3))
    clip = SheetClip.from_arrays("a", video_TFHWC, np.zeros((4, 8, 8), np.float32), [])
    assert clip.frames_FHWC[:, 0, 0, 0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert len(clip.frames_FHWC) == FRAMES
    assert max(clip.frames_FHWC.shape[1:3]) <= MAX_FRAME_PX


@pytest.mark.parametrize("chunks", [1, 3, 4, 20])
def test_a_sheet_is_a_png_of_the_expected_size(tmp_path, chunks):
    path = tmp_path / "sheet.png"
    clips = [sheet_clip([answer(True)], chunks)] * 2
    draw(path, clips)
    # 110 px an inch: 13 in wide; a head of 0.7 in and two rows of 1.79 in with gaps of 0.3 in.
    assert pixels(path).shape == (int((0.7 + 2 * (1.79 + 0.3)) * 110), 1430, 3)
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.png"]


def test_rows_grow_with_their_text():
    assert sheet_clip([answer(True)] * 9).height > sheet_clip([answer(True)] * 3).height


def test_frames_and_colours_of_the_answers_reach_the_paper(tmp_path):
    right, wrong = tmp_path / "right.png", tmp_path / "wrong.png"
    draw(right, [sheet_clip([answer(True)], video_level=77)])
    draw(wrong, [sheet_clip([answer(False, given="blue")], video_level=77)])
    green, red = (26, 127, 55), (207, 34, 46)
    assert share(pixels(right), green) > 0 == share(pixels(right), red)
    assert share(pixels(wrong), red) > 0 == share(pixels(wrong), green)
    frames_share = 7.2 * 0.9 / (13 * (0.7 + 1.79 + 0.3))
    assert share(pixels(right), (77, 77, 77)) == pytest.approx(frames_share, rel=0.1)


def test_a_wrong_answer_shows_both_and_unprintable_letters_as_dots():
    assert answer(False, given="bl\x00ue").verdict == "✗ bl·ue   (right: red)"
    assert answer(False, given="").verdict == "✗ (nothing)   (right: red)"
    assert answer(True).verdict == "✓ red"


def test_letters_outside_the_font_and_dollars_do_not_stop_the_drawing(tmp_path):
    odd = SheetAnswer("類", "what costs $5 and $6 in 東京?", "犬", "犬", True)
    draw(tmp_path / "odd.png", [sheet_clip([odd])])
    assert (tmp_path / "odd.png").stat().st_size > 1000


def test_no_clips_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no clips"):
        draw(tmp_path / "sheet.png", [])


def test_the_sheet_of_an_evaluation_shows_its_first_clips(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "mirasol.evaluation.contact_sheet.draw", lambda path, clips: drawn.append((path, clips))
    )
    sheet = ContactSheet(tmp_path / "sheet.png", clips=3, questions=1)
    video_BTFHWC = (
        torch.arange(2, dtype=torch.uint8).view(2, 1, 1, 1, 1, 1).repeat(1, 4, 4, 8, 8, 3)
    )
    batch = dataclasses.replace(empty_batch(SHAPE, 2), video_BTFHWC=video_BTFHWC)
    # video2 comes twice: its questions did not fit one example.
    for names in (["video1.mp4", "video2.mp4"], ["video2.mp4", "video3.mp4"], ["video4.mp4"]):
        sheet.see(batch, [[prediction(name, "sight", text="blue")] for name in names])
    sheet.finish()
    ((path, clips),) = drawn
    assert path == tmp_path / "sheet.png"
    assert [clip.title for clip in clips] == ["video1.mp4", "video2.mp4", "video3.mp4"]
    assert [clip.frames_FHWC.max() for clip in clips] == [0, 1, 1]
    assert clips[0].answers == (SheetAnswer("sight", "what colour?", "red", "blue", False),)


def test_questions_shown_are_of_as_many_types_as_there_are():
    kinds = ["sight", "sight", "sight", "hearing", "order"]
    chosen = varied([prediction("a", kind) for kind in kinds], 4, turn=0, kind=type_of)
    assert [each.question.type for each in chosen] == ["sight", "hearing", "order", "sight"]


def test_each_row_of_a_sheet_begins_with_another_question():
    asked = [prediction("a", "sight", answer=text) for text in ("red", "ring", "left")]
    chosen = [
        [each.question.answer for each in varied(asked, 2, turn, type_of)] for turn in range(4)
    ]
    assert chosen == [["red", "ring"], ["ring", "left"], ["left", "red"], ["red", "ring"]]


def test_titles_name_the_file_and_the_span():
    assert clip_title(reference("data/clips/video1.mp4")) == "video1.mp4"
    assert clip_title(reference("a.mp4", 1.5, 3.0)) == "a.mp4, 1.5 s to 3 s"
    assert clip_title(reference("a.mp4", 2.0, None)) == "a.mp4, 2 s to end"
