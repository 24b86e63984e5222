import dataclasses
import pickle

import numpy as np
import pytest
import torch
from toy_media import frame_numbers, shape, write_media

from mirasol.batch import empty_batch
from mirasol.data.converter import Converter
from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference, Question
from mirasol.data.spectrogram import LogMel
from mirasol.data.vocabulary import ByteVocabulary

SHAPE = shape(questions=3, answer_length=4)


def converter(frame_rate=25.0, **options) -> Converter:
    return Converter(SHAPE, ByteVocabulary(), frame_rate, LogMel(mel_bins=24), **options)


def question(prompt="what?", answer="red") -> Question:
    return Question("1", prompt, answer, "what", {})


def reference(path, start_s=None, end_s=None) -> ClipReference:
    return ClipReference(str(path), start_s, end_s, (question(),), "val_qa.json row 7")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("converter")


@pytest.fixture(scope="module")
def clip(folder):
    return write_media(folder / "clip.mp4")


@pytest.fixture(scope="module")
def short(folder):
    return write_media(folder / "short.mp4", frames=18)


def test_an_example_fills_every_chunk_in_order(clip):
    example = converter().example(reference(clip), [question()])
    frames = example["video_TFHWC"].reshape(32, 32, 32, 3)
    assert frame_numbers(frames).tolist() == [i % 24 for i in range(32)]
    assert example["has_video_T"].all()
    assert example["has_audio_T"].all()
    # The click is 0.1 s into each chunk of 0.32 s: column 5 of 16.
    loudness_TA = example["audio_TAS"].mean(axis=-1)
    assert loudness_TA.argmax(axis=1).tolist() == [5, 5, 5, 5]


def test_no_frame_rate_spreads_the_frames_over_the_clip(folder):
    path = write_media(folder / "spread.mp4", frames=16, fps=10)
    frames = converter(frame_rate=None).example(reference(path), [])["video_TFHWC"]
    assert frame_numbers(frames).reshape(-1).tolist() == [i // 2 for i in range(32)]


def test_chunks_past_the_end_are_absent(short):
    example = converter().example(reference(short), [])
    # 18 frames: two chunks of 8, and a third whose last frame stays to its end.
    assert example["has_video_T"].tolist() == [True, True, True, False]
    assert example["has_audio_T"].tolist() == [True, True, True, False]
    assert frame_numbers(example["video_TFHWC"][2]).tolist() == [16] + [17] * 7
    assert not example["video_TFHWC"][3].any()
    assert not example["audio_TAS"][3].any()


def test_a_clip_is_cut_out_of_its_file(clip):
    example = converter().example(reference(clip, 0.32, 0.96), [])
    assert example["has_video_T"].tolist() == [True, True, False, False]
    assert frame_numbers(example["video_TFHWC"][0]).tolist() == list(range(8, 16))
    assert example["has_audio_T"].tolist() == [True, True, False, False]


@pytest.mark.parametrize("streams", [{"audio": False}, {"video": False}])
def test_an_input_left_out_is_absent_and_the_other_unchanged(clip, streams):
    whole = converter().example(reference(clip), [])
    part = converter(**streams).example(reference(clip), [])
    (gone,) = streams
    kept = {"audio": "video", "video": "audio"}[gone]
    names = {"video": "video_TFHWC", "audio": "audio_TAS"}
    assert not part[f"has_{gone}_T"].any()
    assert not part[names[gone]].any()
    assert (part[names[kept]] == whole[names[kept]]).all()


def test_the_question_alone_opens_no_file(folder):
    example = converter(video=False, audio=False).example(reference(folder / "none"), [question()])
    assert not example["has_video_T"].any()
    assert example["question_Q"].tolist() == [True, False, False]


def test_a_file_without_sound_has_none(folder):
    path = write_media(folder / "silent.mp4", audio=False)
    example = converter().example(reference(path), [])
    assert example["has_video_T"].all()
    assert not example["has_audio_T"].any()


def test_long_texts_keep_the_end_of_the_prompt_and_the_head_of_the_answer(clip):
    vocabulary = ByteVocabulary()
    asked = [question("abcdefghij", "yellow"), question("ab", "no")]
    example = converter(video=False, audio=False).example(reference(clip), asked)
    assert example["prompt_QP"].tolist() == [
        vocabulary.encode("efghij"),
        [*vocabulary.encode("ab"), 0, 0, 0, 0],
        [0] * 6,
    ]
    assert example["answer_QR"].tolist() == [
        [*vocabulary.encode("yel"), 1],
        [*vocabulary.encode("no"), 1, 0],
        [0] * 4,
    ]
    assert example["question_Q"].tolist() == [True, True, False]


def test_a_batch_has_the_shapes_and_types_of_the_legend(clip):
    made = converter()
    batch = made.batch([made.example(reference(clip), [question()])] * 2)
    for field in dataclasses.fields(batch):
        got, wanted = getattr(batch, field.name), getattr(empty_batch(SHAPE, 2), field.name)
        assert got.shape == wanted.shape, field.name
        assert got.dtype == wanted.dtype, field.name
    assert torch.equal(batch.video_BTFHWC[0], batch.video_BTFHWC[1])


def test_cached_clips_are_decoded_once(folder):
    path = write_media(folder / "cached.mp4")
    caching, plain = converter(cache_bytes=10**7), converter()
    first = caching.example(reference(path), [])
    path.unlink()
    again = caching.example(reference(path), [])
    assert (first["video_TFHWC"] == again["video_TFHWC"]).all()
    with pytest.raises(MediaError):
        plain.example(reference(path), [])


def test_the_cache_keeps_to_its_budget(folder, clip):
    gone = write_media(folder / "gone.mp4")
    size = sum(array.nbytes for array in converter().decode(reference(clip)).values())
    small = converter(cache_bytes=size + size // 2)
    small.decode(reference(clip))
    small.decode(reference(gone))
    gone.unlink()
    with pytest.raises(MediaError):
        small.decode(reference(gone))


def test_a_broken_file_names_the_annotation_row(folder):
    with pytest.raises(
        MediaError, match=r"no\.mp4: no such file \(asked for by val_qa.json row 7\)"
    ):
        converter().example(reference(folder / "no.mp4"), [])


def test_errors_and_converters_travel_between_processes(clip):
    error = pickle.loads(pickle.dumps(MediaError("a.mp4", "gone", "row 3")))
    assert (error.path, error.reason, error.origin) == ("a.mp4", "gone", "row 3")
    made = pickle.loads(pickle.dumps(converter()))
    example = made.example(reference(clip), [])
    assert np.array_equal(
        example["audio_TAS"], converter().example(reference(clip), [])["audio_TAS"]
    )


def test_a_spectrogram_of_other_bins_is_refused():
    with pytest.raises(ValueError, match=r"LogMel\.mel_bins is 64 and ExampleShape\.mel_bins 24"):
        Converter(SHAPE, ByteVocabulary(), 25.0, LogMel())
    with pytest.raises(ValueError, match="frame_rate=0"):
        converter(frame_rate=0.0)
