"""What a worker process runs: from the stream of references to the batches that are its own.

Every worker runs the whole stream, which is cheap, and decodes its own batches, which is not:

    references  r0 r1 r2 r3 | r4 r5 r6 r7 | r8 r9 .. .. |        batch size 4
    worker 0    decodes     | passes over | decodes     |  ...   the parent takes them in turns
    worker 1    passes over | decodes     | passes over |  ...
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from mirasol.batch import Batch, ExampleShape
from mirasol.data import source
from mirasol.data.converter import Converter
from mirasol.data.references import ClipReference, draw_questions
from mirasol.named import TaskName
from mirasol.numbers import require_positive

EvaluationItem = tuple[Batch, list[ClipReference]]


@dataclass(frozen=True)
class Stage:
    """One stage of a curriculum.

    Attributes:
      task: name of a task or mixture.
      batches: how many batches come from it; None, for the last stage: all that follow.
      batch_size: clips in a batch of this stage; None: the experiment's.
      chunk_questions: if given, every chunk of a clip becomes an example of its own, a clip of one
        chunk with so many of the questions whose row names it (`part`, from 1). For learning first
        what a chunk shows, and then when.

    Raises:
      ValueError: a number is below 1.
    """

    task: TaskName
    batches: int | None = None
    batch_size: int | None = None
    chunk_questions: int | None = None

    def __post_init__(self) -> None:
        numbers = {"batch_size": self.batch_size, "chunk_questions": self.chunk_questions}
        require_positive("Stage", batches=self.batches, **numbers)

    def shape(self, shape: ExampleShape) -> ExampleShape:
        """Returns the sizes of its examples, where those of the experiment have `shape`."""
        if self.chunk_questions is None:
            return shape
        return replace(shape, chunks=1, questions=self.chunk_questions)

    def examples(self, batch_size: int, shape: ExampleShape) -> int:
        """Returns the examples of its batches, B."""
        return self.size(batch_size) * (shape.chunks // self.shape(shape).chunks)

    def size(self, batch_size: int) -> int:
        """Returns the clips of its batches, where those of the experiment have `batch_size`."""
        return batch_size if self.batch_size is None else self.batch_size


@dataclass(frozen=True)
class Failure:
    """An error on its way from a worker to the parent, without torch's wrapping."""

    error: Exception


class Batches(IterableDataset, abc.ABC):
    """Batches as thunks in their order; a worker calls those that are its own."""

    @abc.abstractmethod
    def _thunks(self) -> Iterable[Callable[[], Any]]:
        """Yields what makes each batch, in order."""

    def __iter__(self) -> Iterator:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        try:
            for index, make in enumerate(self._thunks()):
                if index % workers == worker:
                    yield make()
        except ValueError as error:
            yield Failure(error)


@dataclass
class TrainingBatches(Batches):
    """The endless batches of a curriculum, from `first_batch` on; yields `Batch`.

    Attributes: as the arguments of `loader.training_batches`.
    """

    stages: tuple[Stage, ...]
    split: str
    converter: Converter
    batch_size: int
    seed: int
    first_batch: int
    shuffle: bool
    host: int
    hosts: int
    task_modules: tuple[str, ...]

    def _thunks(self) -> Iterator[Callable[[], Batch]]:
        passed = self.first_batch
        for number, stage in enumerate(self.stages):
            if stage.batches is not None and passed >= stage.batches:
                passed -= stage.batches
                continue
            size = stage.size(self.batch_size)
            first = passed * size
            stream = source.training_stream(
                stage.task, self.split, self.seed, first, self.shuffle, self.task_modules
            )
            left = None if stage.batches is None else stage.batches - passed
            for index in count() if left is None else range(left):
                batch = list(islice(stream, size))
                if len(batch) < size:
                    raise ValueError(f"split {self.split!r} of task {stage.task!r} is empty")
                yield self._thunk(number, first + index * size, batch)
            passed = 0

    def _thunk(self, stage: int, first: int, batch: list[source.Features]) -> Callable[[], Batch]:
        converter, chunk_questions = self.converter, self.stages[stage].chunk_questions
        part = len(batch) // self.hosts
        mine = slice(self.host * part, (self.host + 1) * part)

        def make() -> Batch:
            examples = []
            for occurrence, features in list(enumerate(batch, first))[mine]:
                reference = ClipReference.from_features(features)
                rng = np.random.default_rng((self.seed, stage, occurrence))
                if chunk_questions is not None:
                    examples += converter.chunk_examples(reference, chunk_questions, rng)
                    continue
                questions = draw_questions(reference.questions, converter.shape.questions, rng)
                examples.append(converter.example(reference, questions))
            return converter.batch(examples)

        return make


@dataclass
class EvaluationBatches(Batches):
    """Every question of a split once; yields `EvaluationItem`.

    Attributes: as the arguments of `loader.evaluation_batches`.
    """

    task: str
    split: str
    converter: Converter
    batch_size: int
    max_clips: int | None
    task_modules: tuple[str, ...]

    def _thunks(self) -> Iterator[Callable[[], EvaluationItem]]:
        stream = source.evaluation_stream(self.task, self.split, self.task_modules)
        references = (
            part
            for features in islice(stream, self.max_clips)
            for part in ClipReference.from_features(features).split(self.converter.shape.questions)
        )
        while batch := list(islice(references, self.batch_size)):
            yield self._thunk(batch)

    def _thunk(self, references: list[ClipReference]) -> Callable[[], EvaluationItem]:
        def make() -> EvaluationItem:
            examples = [self.converter.example(each, each.questions) for each in references]
            filler = examples[-1] | {"question_Q": np.zeros_like(examples[-1]["question_Q"])}
            examples += [filler] * (self.batch_size - len(examples))
            return self.converter.batch(examples), references

        return make
