"""Parts put together without memory or arithmetic, to learn whether they fit.

    the whole experiment   a batch of each stage's sizes, of at most three chunks, through the
                           model, on torch's meta device
    where it is not whole  what of it can be tried by itself: the vocabulary with the decoder, the
                           optimizer, the Combiner with what the encoders make

    a warm start           its checkpoint is there, its tensors have the model's names and shapes

Each attempt raises ValueError with what does not fit.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from mirasol.batch import ExampleShape, empty_batch
from mirasol.checkpoint.warm_start import WarmStart
from mirasol.data.batches import Stage
from mirasol.data.converter import Converter
from mirasol.data.vocabulary import Vocabulary
from mirasol.findings import ExperimentError, Finding
from mirasol.models.combiners import Combiner
from mirasol.models.decoder import TextDecoder
from mirasol.models.encoders import AudioEncoder, TubeVideoEncoder, VideoEncoder
from mirasol.models.mirasol3b import Mirasol
from mirasol.training.optimizers import Optimizer

Attempt = Callable[[], None]

# A first, a middle and a last one. No size of a model depends on how many more there are, and a
# Token Turing Machine takes them one by one: 64 of them, a quarter of a minute.
_CHUNKS = 3


def without_batch(parts: Sequence[Any]) -> Iterator[Attempt]:
    """Yields what can be tried with the parts that there are, whatever else is missing."""
    vocabularies = [*_of(Vocabulary, parts), *(each.vocabulary for each in _of(Converter, parts))]
    for decoder in _of(TextDecoder, parts):
        for vocabulary in {id(each): each for each in vocabularies}.values():
            yield functools.partial(require_room, vocabulary, decoder)
    for optimizer in _of(Optimizer, parts):
        yield functools.partial(try_optimizer, optimizer)


def without_model(parts: Sequence[Any]) -> Iterator[Attempt]:
    """Yields what else can be tried where the parts make no model; their widths must agree."""
    for combiner in _of(Combiner, parts):
        for video in (*_of(VideoEncoder, parts), *_of(TubeVideoEncoder, parts)):
            for audio in _of(AudioEncoder, parts):
                yield functools.partial(try_combiner, combiner, video, audio)


def of_sources(parts: Sequence[Any]) -> Iterator[Attempt]:
    """Yields what can be tried of a warm start alone: whether what it begins with is there."""
    for start in _of(WarmStart, parts):
        yield start.find


def require_room(vocabulary: Vocabulary, decoder: TextDecoder) -> None:
    """Checks that the decoder knows every piece of the vocabulary."""
    pieces, room = vocabulary.size, decoder.vocab_size
    if pieces > room:
        raise ValueError(
            f"the vocabulary has {pieces} pieces and TextDecoder.vocab_size is {room}; "
            f"set VOCAB_SIZE to at least {pieces}"
        )


def try_optimizer(optimizer: Optimizer) -> None:
    """Builds it, for torch to refuse its numbers."""
    try:
        optimizer.build(torch.nn.Linear(1, 1), {})  # Torch's refuses the meta device.
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{type(optimizer).__name__}: {error}") from error


def try_combiner(
    combiner: Combiner, video: VideoEncoder | TubeVideoEncoder, audio: AudioEncoder
) -> None:
    """Runs the Combiner on the tokens of one chunk.

    Raises:
      ValueError: they do not fit.
    """
    tokens = video.tokens + audio.tokens
    tokens_BTND = torch.zeros((1, 1, tokens, video.out.out_features), device="meta")
    try:
        combiner(tokens_BTND, torch.ones((1, 1, tokens), dtype=torch.bool, device="meta"))
    except RuntimeError as error:
        raise ValueError(
            f"{type(combiner).__name__}: does not fit {tokens} tokens of width "
            f"{video.out.out_features} from the encoders: {error}"
        ) from error


def try_batches(
    model: Mirasol, stages: Sequence[Stage], shape: ExampleShape, batch_size: int
) -> None:
    """Runs a batch of each stage's sizes, of at most three chunks, through a model on "meta".

    Raises:
      ValueError: the parts of the model do not fit each other or the batch.
    """
    for stage in stages:
        sizes = stage.shape(shape)
        few = dataclasses.replace(sizes, chunks=min(sizes.chunks, _CHUNKS))
        try:
            model(empty_batch(few, stage.examples(batch_size, shape), "meta"))
        except RuntimeError as error:
            raise ValueError(
                f"the parts of the model do not fit each other or a batch of {stage.task!r}: "
                f"{error}; do widths, out_width, in_width and context_width agree, and the "
                "sizes of ExampleShape with those of the encoders?"
            ) from error


def try_warm_start(start: WarmStart, model: Mirasol) -> None:
    """Compares what a warm start reads with a model on "meta"; no tensor is read.

    Raises:
      ExperimentError: with each thing that does not fit, or that there is no such checkpoint.
    """
    misfits = start.misfits(model)
    if misfits:
        raise ExperimentError(Finding("", line) for line in misfits)


def _of(kind: type, parts: Sequence[Any]) -> list[Any]:
    return [part for part in parts if isinstance(part, kind)]
