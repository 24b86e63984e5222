"""From a reference to tensors: decoding, spectrogram and tokens at fixed sizes.

The road after shuffle, mixture and shard (references.py):

    ClipReference -> pictures on screen at T*F times, uint8 -> video_TFHWC
                  -> sound -> T*A log-mel columns           -> audio_TAS
    Questions     -> ids                                    -> prompt_QP, answer_QR
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from mirasol.batch import EOS_ID, Batch, ExampleShape
from mirasol.data.media import MediaError, MediaFile
from mirasol.data.media_cache.cache import DECODING, ClipSource
from mirasol.data.media_cache.entries import Clip
from mirasol.data.references import ClipReference, Question, draw_questions
from mirasol.data.sampling import FixedRateSampling, Sampling, UniformSampling, Window
from mirasol.data.spectrogram import LogMel
from mirasol.data.vocabulary import ByteVocabulary, Vocabulary

# Of a chunk that ends after the clip does, the frames beyond are those of this much before its end.
_LAST_S = 1e-3

Example = dict[str, np.ndarray]


class Converter:
    """Turns references into examples, and examples into a batch.

    Args:
      shape: the sizes of an example.
      vocabulary: text to ids; by default bytes.
      frame_rate: short for sampling=FixedRateSampling(frame_rate): the T*F frames start at the
        clip's beginning, what is beyond them is not used, and chunks past the clip's end are marked
        absent.
      spectrogram: sound to columns; its bins must be the shape's, as they are by default.
      video: False leaves the pictures absent and decodes none.
      audio: False leaves the sound absent and decodes none. A file without a track of sound, or of
        pictures, gives the same.
      cache_bytes: memory that this process spends on keeping decoded clips, first come first kept;
        decoding is deterministic, so a small set is decoded once and later epochs cost nothing.
        Clips of which the sampling draws a part are not kept.
      media_cache: where clips come from: the media files, or a folder of clips decoded before.
      sampling: which part of a clip is looked at (sampling.py); by default UniformSampling, all of
        it, however long.

    Raises:
      ValueError: if the spectrogram and the shape disagree, a number is out of range, both
        `frame_rate` and `sampling` are given, or a cache with a sampling that draws.
    """

    def __init__(
        self,
        shape: ExampleShape,
        vocabulary: Vocabulary | None = None,
        frame_rate: float | None = None,
        spectrogram: LogMel | None = None,
        video: bool = True,
        audio: bool = True,
        cache_bytes: int = 0,
        media_cache: ClipSource = DECODING,
        sampling: Sampling | None = None,
    ) -> None:
        vocabulary = ByteVocabulary() if vocabulary is None else vocabulary
        spectrogram = LogMel(mel_bins=shape.mel_bins) if spectrogram is None else spectrogram
        if spectrogram.mel_bins != shape.mel_bins:
            raise ValueError(
                f"LogMel.mel_bins is {spectrogram.mel_bins} and ExampleShape.mel_bins "
                f"{shape.mel_bins}: they must be equal"
            )
        if cache_bytes < 0:
            raise ValueError(f"Converter(cache_bytes={cache_bytes}): it must be at least 0")
        self.shape = shape
        self.vocabulary = vocabulary
        self.sampling = _sampling(frame_rate, sampling)
        if self.sampling.draws and media_cache is not DECODING:
            raise ValueError(
                f"{type(self.sampling).__name__} draws another window each time and a media_cache "
                "keeps one a clip; use UniformSampling or FixedRateSampling, or no cache"
            )
        self.spectrogram = spectrogram
        self.video, self.audio = video, audio
        self.media_cache = media_cache
        self._cache_left_bytes = cache_bytes
        self._cache: dict[tuple, Clip] = {}

    def window(
        self, start_s: float, end_s: float, rng: np.random.Generator | None = None
    ) -> Window:
        """Returns which part of a clip is looked at; see `Sampling.window`."""
        return self.sampling.window(start_s, end_s, self.shape.frames, rng)

    def example(
        self,
        reference: ClipReference,
        questions: Sequence[Question],
        rng: np.random.Generator | None = None,
    ) -> Example:
        """Returns one example: the clip and at most Q of its questions, named as in `Batch`.

        Prompts longer than P keep their last P tokens, answers longer than R their first R - 1;
        every answer ends in the end token. Slots without a question are marked so.

        Args:
          reference: of the clip.
          questions: of these, in order.
          rng: what the sampling draws comes from it; None, as in evaluation: nothing is drawn.

        Raises:
          MediaError: the file is missing or broken; it names the annotation row.
        """
        return self.decode(reference, rng) | self._texts(questions, self.shape.questions)

    def chunk_examples(
        self, reference: ClipReference, count: int, rng: np.random.Generator
    ) -> list[Example]:
        """Returns every chunk as an example: a clip of one chunk, with questions about it alone.

        The sampling draws nothing here, so that chunks are those that the rows mean.

        Args:
          reference: of a clip whose questions' rows name a chunk by `part`, from 1.
          count: Q of these examples; where a chunk has more questions, so many are drawn.
          rng: draws them.

        Raises:
          MediaError: as `example`.
        """
        clip = self.decode(reference)
        examples = []
        for chunk in range(self.shape.chunks):
            about = [each for each in reference.questions if each.row.get("part") == chunk + 1]
            alone = {name: array[chunk : chunk + 1] for name, array in clip.items()}
            examples.append(alone | self._texts(draw_questions(about, count, rng), count))
        return examples

    def _texts(self, questions: Sequence[Question], slots: int) -> Example:
        shape = self.shape
        assert len(questions) <= slots, (len(questions), slots)
        prompt_QP = np.zeros((slots, shape.prompt_length), np.int64)
        answer_QR = np.zeros((slots, shape.answer_length), np.int64)
        for slot, question in enumerate(questions):
            prompt = self.vocabulary.encode(question.prompt)[-shape.prompt_length :]
            answer = self.vocabulary.encode(question.answer)[: shape.answer_length - 1]
            prompt_QP[slot, : len(prompt)] = prompt
            answer_QR[slot, : len(answer) + 1] = [*answer, EOS_ID]
        question_Q = np.arange(slots) < len(questions)
        return {"prompt_QP": prompt_QP, "answer_QR": answer_QR, "question_Q": question_Q}

    def batch(self, examples: Sequence[Mapping[str, np.ndarray]]) -> Batch:
        """Returns examples stacked: `video_TFHWC` of each becomes `video_BTFHWC`.

        In a worker process they are stacked in the memory that it shares with its parent, so they
        are copied once.
        """

        def stacked(name: str) -> torch.Tensor:
            return default_collate([torch.from_numpy(example[name]) for example in examples])

        return Batch(
            video_BTFHWC=stacked("video_TFHWC"),
            audio_BTAS=stacked("audio_TAS"),
            has_video_BT=stacked("has_video_T"),
            has_audio_BT=stacked("has_audio_T"),
            prompt_BQP=stacked("prompt_QP"),
            answer_BQR=stacked("answer_QR"),
            question_BQ=stacked("question_Q"),
        )

    def decode(self, reference: ClipReference, rng: np.random.Generator | None = None) -> Clip:
        """Returns the clip's pictures and sound, from memory if they are kept there.

        Raises:
          MediaError: the file is missing or broken; it names the annotation row.
        """
        if not (self.video or self.audio):
            return self._empty()
        key = (reference.media, reference.start_s, reference.end_s)
        lasting = rng is None or not self.sampling.draws
        clip = self._cache.get(key) if lasting else None
        if clip is None:
            try:
                clip = self.media_cache.clip(
                    reference,
                    self.decoding_settings(),
                    self._empty,
                    functools.partial(self._decode, rng=rng),
                )
            except MediaError as error:
                raise MediaError(error.path, error.reason, reference.origin) from None
            size = sum(array.nbytes for array in clip.values())
            if lasting and size <= self._cache_left_bytes:
                self._cache_left_bytes -= size
                self._cache[key] = clip
        return clip

    def decoding_settings(self) -> dict[str, Any]:
        """Returns all that decoding a reference depends on, as JSON takes it.

        A parameter that changes what `decode` returns must stand here: under these settings clips
        decoded before are kept.
        """
        shape = self.shape
        return {
            "chunks": shape.chunks,
            "chunk_frames": shape.chunk_frames,
            "image_size": shape.image_size,
            "chunk_bands": shape.chunk_bands,
            "sampling": type(self.sampling).__name__,
            **{f"sampling_{key}": value for key, value in vars(self.sampling).items()},
            "video": self.video,
            "audio": self.audio,
            **{f"spectrogram_{key}": value for key, value in self.spectrogram.settings.items()},
        }

    def from_files(self) -> Converter:
        """Returns the same converter on media files alone: clips decoded before are not used."""
        other = copy.copy(self)
        other.media_cache = DECODING
        other._cache, other._cache_left_bytes = {}, 0
        return other

    def _empty(self) -> Clip:
        return _absent(self.shape)

    def _decode(self, reference: ClipReference, rng: np.random.Generator | None) -> Clip:
        clip = self._empty()
        with MediaFile(reference.media) as media:
            clip_start_s, end_s = media.span(reference.start_s, reference.end_s)
            start_s, window_s = self.window(clip_start_s, end_s, rng)
            if self.video:
                self._see(media, start_s, window_s, end_s, clip)
            if self.audio:
                self._hear(media, start_s, window_s, end_s, clip)
        return clip

    def _see(
        self, media: MediaFile, start_s: float, window_s: float, end_s: float, clip: Clip
    ) -> None:
        """Fills the chunks whose first frame lies within the clip."""
        shape = self.shape
        end_s = min(end_s, media.video_end_s)
        times_s = start_s + (np.arange(shape.frames) + 0.5) * (window_s / shape.frames)
        clip["has_video_T"][:] = times_s[:: shape.chunk_frames] < end_s
        present = int(clip["has_video_T"].sum())
        if present:
            wanted_s = np.minimum(times_s[: present * shape.chunk_frames], end_s - _LAST_S)
            seen_TFHWC = clip["video_TFHWC"][:present]
            seen_XHWC = seen_TFHWC.reshape(-1, *seen_TFHWC.shape[2:])
            media.video(wanted_s, shape.image_size, out=seen_XHWC)

    def _hear(
        self, media: MediaFile, start_s: float, window_s: float, end_s: float, clip: Clip
    ) -> None:
        """Fills the chunks whose first column lies within the clip."""
        shape, spectrogram = self.shape, self.spectrogram
        end_s = min(end_s, media.audio_end_s)
        columns = shape.chunks * shape.chunk_bands
        hop_s = window_s / columns
        times_s = start_s + (np.arange(columns) + 0.5) * hop_s
        clip["has_audio_T"][:] = times_s[:: shape.chunk_bands] < end_s
        present = int(clip["has_audio_T"].sum())
        if present:
            wanted_s = min(end_s, start_s + present * shape.chunk_bands * hop_s)
            margin_s = spectrogram.margin_s
            samples = media.audio(start_s - margin_s, wanted_s + margin_s, spectrogram.sample_rate)
            heard = spectrogram.columns(samples, hop_s, present * shape.chunk_bands)
            clip["audio_TAS"][:present] = heard.reshape(clip["audio_TAS"][:present].shape)


def _sampling(frame_rate: float | None, sampling: Sampling | None) -> Sampling:
    if frame_rate is None:
        return UniformSampling() if sampling is None else sampling
    if sampling is not None:
        raise ValueError(
            f"Converter(frame_rate={frame_rate}, sampling={type(sampling).__name__}): give one of "
            "them; frame_rate is short for sampling=FixedRateSampling(frame_rate)"
        )
    return FixedRateSampling(frame_rate)


def _absent(shape: ExampleShape) -> Clip:
    """Returns a clip with neither pictures nor sound."""
    T, size = shape.chunks, shape.image_size
    return {
        "video_TFHWC": np.zeros((T, shape.chunk_frames, size, size, 3), np.uint8),
        "audio_TAS": np.zeros((T, shape.chunk_bands, shape.mel_bins), np.float32),
        "has_video_T": np.zeros(T, bool),
        "has_audio_T": np.zeros(T, bool),
    }
