"""Converters and clips that the tests of the cache share."""

from __future__ import annotations

import numpy as np

from mirasol.batch import ExampleShape
from mirasol.data.converter import Converter
from mirasol.data.media_cache.cache import DECODING
from mirasol.data.references import ClipReference, Question
from mirasol.data.spectrogram import LogMel

SHAPE = ExampleShape(
    chunks=4,
    chunk_frames=8,
    image_size=32,
    chunk_bands=16,
    mel_bins=24,
    questions=3,
    prompt_length=6,
    answer_length=4,
)


def converter(media_cache=DECODING, frame_rate=25.0, spectrogram=None, **options) -> Converter:
    spectrogram = spectrogram or LogMel(mel_bins=24)
    return Converter(SHAPE, None, frame_rate, spectrogram, media_cache=media_cache, **options)


def clip(path, start_s=None, end_s=None) -> ClipReference:
    question = Question("1", "what?", "red", "what", {})
    return ClipReference(str(path), start_s, end_s, (question,), "val_qa.json row 7")


def assert_same(got, wanted, pictures_within: float) -> None:
    """Asserts that all of a clip is the same, pictures but for so much in the mean."""
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape), name
        if name != "video_TFHWC":
            assert np.array_equal(got[name], array), name
    difference = np.abs(got["video_TFHWC"].astype(int) - wanted["video_TFHWC"])
    assert difference.mean() <= pictures_within
