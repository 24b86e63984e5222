"""Batches of the toy tasks, and what is told of them; all of it runs beside seqio (workers=0)."""

from __future__ import annotations

from mirasol.batch import ExampleShape
from mirasol.data.converter import Converter
from mirasol.data.loader import Stage, evaluation_batches, training_batches
from mirasol.data.spectrogram import LogMel
from mirasol.data.vocabulary import ByteVocabulary

MODULES = ("toy_tasks",)


SHAPE = ExampleShape(
    chunks=2,
    chunk_frames=4,
    image_size=16,
    chunk_bands=8,
    mel_bins=16,
    questions=2,
    prompt_length=12,
    answer_length=4,
)


RED = (Stage("toy_red"),)


def converter(**options) -> Converter:
    return Converter(SHAPE, ByteVocabulary(), 25.0, LogMel(mel_bins=16), **options)


def blind() -> Converter:
    """Returns a converter that opens no file: enough where clips are told by their questions."""
    return converter(video=False, audio=False)


def prompts(batch) -> list[list[str]]:
    """Returns the prompts of each example, such as "clip 7 0?"."""
    decode = ByteVocabulary().decode
    return [
        [decode(prompt) for prompt, real in zip(prompt_QP, question_Q, strict=True) if real]
        for prompt_QP, question_Q in zip(
            batch.prompt_BQP.tolist(), batch.question_BQ.tolist(), strict=True
        )
    ]


def take(count: int, stages=RED, batch_size=4, seed=0, **options) -> list:
    """Returns the prompts of `count` batches; runs beside seqio."""
    stream = training_batches(
        stages, "train", blind(), batch_size, seed, workers=0, task_modules=MODULES, **options
    )
    return [prompts(next(stream)) for _ in range(count)]


def evaluate(task: str, max_clips=None, batch_size=4) -> list:
    """Returns (prompts, ids of the references' questions) of every batch; runs beside seqio."""
    stream = evaluation_batches(
        task, "validation", blind(), batch_size, max_clips, workers=0, task_modules=MODULES
    )
    return [
        (prompts(batch), [[question.id for question in clip.questions] for clip in clips])
        for batch, clips in stream
    ]


def clips(batches: list) -> list[str]:
    """Returns the clip's number of each example."""
    return [example[0].split(" ")[1] for batch in batches for example in batch]
