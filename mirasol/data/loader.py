"""Batches, made by worker processes that hold seqio and the decoders.

Batch i is a function of (stages, split, seed, i) alone. Every worker runs the whole stream of
references, which is cheap, and decodes the batches that are its own, which is not:

    references  r0 r1 r2 r3 | r4 r5 r6 r7 | r8 r9 .. .. |        batch size 4
    worker 0    decodes     | passes over | decodes     |  ...   the parent takes them in turns
    worker 1    passes over | decodes     | passes over |  ...

so the number of workers changes nothing, and a run resumes by passing over what it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mirasol.batch import Batch
from mirasol.data import source
from mirasol.data.converter import Converter
from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference, draw_questions

Item = TypeVar("Item")
EvaluationItem = tuple[Batch, list[ClipReference]]


@dataclass(frozen=True)
class Stage:
    """One stage of a curriculum.

    Attributes:
      task: name of a task or mixture.
      batches: how many batches come from it; None, for the last stage: all that follow.
    """

    task: str
    batches: int | None = None


class WorkerDiedError(RuntimeError):
    """A data worker process ended without a word."""


class BatchStream(Generic[Item]):
    """An iterator over what worker processes make; they start when it is built.

    Raises, from `next`:
      MediaError, ValueError: as raised in the worker.
      WorkerDiedError: a worker process is gone.
    """

    def __init__(self, dataset: _Batches, workers: int) -> None:
        if workers < 0:
            raise ValueError(f"workers is {workers}; it must be 0 (this process) or more")
        options: dict[str, Any] = {}
        if workers:
            options = {"multiprocessing_context": "spawn", "prefetch_factor": 2}
        loader: DataLoader = DataLoader(
            dataset,
            batch_size=None,  # The dataset makes whole batches.
            num_workers=workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # Or it would draw from the training's own.
            **options,
        )
        self._items: Iterator | None = iter(loader)

    def __iter__(self) -> BatchStream[Item]:
        return self

    def __next__(self) -> Item:
        if self._items is None:
            raise StopIteration
        try:
            item = next(self._items)
        except RuntimeError as error:
            if "DataLoader worker" in str(error) and "pid" in str(error):
                raise WorkerDiedError(
                    f"a data worker process died ({error}); if the machine is short of memory, "
                    "lower the number of workers, cache_bytes or the batch size"
                ) from None
            raise
        if isinstance(item, _Failure):
            self.close()
            raise item.error
        return item

    def close(self) -> None:
        """Ends the worker processes."""
        self._items = None


def training_batches(
    stages: Sequence[Stage],
    split: str,
    converter: Converter,
    batch_size: int,
    seed: int,
    workers: int = 1,
    first_batch: int = 0,
    shuffle: bool = True,
    *,
    host: int = 0,
    hosts: int = 1,
    task_modules: Sequence[str] = source.TASK_MODULES,
) -> BatchStream[Batch]:
    """Returns the endless stream of training batches from number `first_batch` on.

    Each time a clip occurs, Q of its questions are drawn, their types as even as can be.

    Args:
      stages: the curriculum; a single stage is the usual case.
      split: name of the split.
      converter: what makes tensors.
      batch_size: clips in a batch, of all hosts together.
      seed: of the order of clips and the choice of questions.
      workers: worker processes; 0 works in this process and imports TensorFlow there.
      first_batch: number of batches already taken.
      shuffle: False keeps the task's own order of clips.
      host, hosts: this host takes its part of every batch.
      task_modules: modules that a worker imports so that their tasks are registered.

    Raises:
      ValueError: a number is out of range; from `next`, an unknown task or split.
      MediaError: from `next`, a broken file.
    """
    stages = tuple(stages)
    if not stages or stages[-1].batches is not None:
        raise ValueError(f"the last stage must have batches=None (all that follow); got {stages}")
    if any(stage.batches is None or stage.batches < 1 for stage in stages[:-1]):
        raise ValueError(f"every stage but the last needs batches above 0; got {stages}")
    if batch_size < 1 or batch_size % hosts or not 0 <= host < hosts:
        raise ValueError(
            f"batch_size {batch_size} must be above 0 and a multiple of hosts {hosts}, and host "
            f"{host} one of 0..{hosts - 1}"
        )
    if first_batch < 0:
        raise ValueError(f"first_batch is {first_batch}; it must be 0 or more")
    size = batch_size // hosts
    clips = slice(host * size, (host + 1) * size)
    dataset = _TrainingBatches(
        stages, split, converter, batch_size, seed, first_batch, shuffle, clips, tuple(task_modules)
    )
    return BatchStream(dataset, workers)


def evaluation_batches(
    task: str,
    split: str,
    converter: Converter,
    batch_size: int,
    max_clips: int | None = None,
    workers: int = 1,
    *,
    task_modules: Sequence[str] = source.TASK_MODULES,
) -> BatchStream[EvaluationItem]:
    """Returns batches that hold every question of a split once, in a fixed order.

    A clip with more than Q questions becomes several examples. Each batch comes with one reference
    an example, cut down to the questions of that example: answer [b, q] belongs to
    `references[b].questions[q]`. The last batch is filled up with repeated examples whose
    `question_BQ` is false and which have no reference.

    Args:
      task: name of a task or mixture.
      split: name of the split.
      converter: what makes tensors.
      batch_size: examples in a batch.
      max_clips: at most so many clips, the first ones; None: all.
      workers: worker processes; 0 works in this process and imports TensorFlow there.
      task_modules: modules that a worker imports so that their tasks are registered.

    Raises:
      ValueError: a number is out of range; from `next`, an unknown task or split.
      MediaError: from `next`, a broken file.
    """
    if batch_size < 1 or (max_clips is not None and max_clips < 1):
        raise ValueError(f"batch_size {batch_size} and max_clips {max_clips} must be above 0")
    dataset = _EvaluationBatches(task, split, converter, batch_size, max_clips, tuple(task_modules))
    return BatchStream(dataset, workers)


@dataclass(frozen=True)
class _Failure:
    """An error on its way from a worker to the parent, without torch's wrapping."""

    error: Exception


class _Batches(IterableDataset):
    """Batches as thunks in their order; a worker calls those that are its own."""

    def _thunks(self) -> Iterable[Callable[[], Any]]:
        raise NotImplementedError

    def __iter__(self) -> Iterator:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        try:
            for index, make in enumerate(self._thunks()):
                if index % workers == worker:
                    yield make()
        except (MediaError, ValueError) as error:
            yield _Failure(error)


@dataclass
class _TrainingBatches(_Batches):
    stages: tuple[Stage, ...]
    split: str
    converter: Converter
    batch_size: int
    seed: int
    first_batch: int
    shuffle: bool
    clips: slice
    task_modules: tuple[str, ...]

    def _thunks(self) -> Iterator[Callable[[], Batch]]:
        passed = self.first_batch
        for number, stage in enumerate(self.stages):
            if stage.batches is not None and passed >= stage.batches:
                passed -= stage.batches
                continue
            first = passed * self.batch_size
            stream = source.training_stream(
                stage.task, self.split, self.seed, first, self.shuffle, self.task_modules
            )
            left = None if stage.batches is None else stage.batches - passed
            for index in _count(left):
                batch = list(islice(stream, self.batch_size))
                if len(batch) < self.batch_size:
                    raise ValueError(f"split {self.split!r} of task {stage.task!r} is empty")
                yield self._thunk(number, first + index * self.batch_size, batch)
            passed = 0

    def _thunk(self, stage: int, first: int, batch: list[source.Features]) -> Callable[[], Batch]:
        def make() -> Batch:
            examples = []
            for occurrence, features in list(enumerate(batch, first))[self.clips]:
                reference = ClipReference.from_features(features)
                rng = np.random.default_rng((self.seed, stage, occurrence))
                count = self.converter.shape.questions
                questions = draw_questions(reference.questions, count, rng)
                examples.append(self.converter.example(reference, questions))
            return self.converter.batch(examples)

        return make


@dataclass
class _EvaluationBatches(_Batches):
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


def _count(limit: int | None) -> Iterator[int]:
    index = 0
    while limit is None or index < limit:
        yield index
        index += 1


def _as_it_is(item: Any) -> Any:
    return item
