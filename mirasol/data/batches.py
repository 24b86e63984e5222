"""What a worker process runs: the batches that are its own, from the references that they are of.

    batch          0     1     2     3   ...   the parent takes them in turns
    worker 0     makes       makes             references 0-3, 8-11, ... of the training's order
    worker 1           makes       makes       references 4-7, 12-15, ...

A training batch finds its references by number (training_order.py). An evaluation is a stream,
which every worker runs whole; that is cheap, since only a worker's own batches are decoded.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from mirasol.batch import Batch, ExampleShape
from mirasol.data import source
from mirasol.data.augmentation import Augmentation
from mirasol.data.broken_media import BrokenMedia, BrokenMediaError, Watch
from mirasol.data.converter import Converter, Example
from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference, draw_questions
from mirasol.data.training_order import TrainingOrder
from mirasol.named import TaskName
from mirasol.numbers import require_positive

EvaluationItem = tuple[Batch, list[ClipReference]]

# Stand-ins tried for one clip. Fewer are broken in a row unless next to all are.
_STAND_INS = 100


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


@dataclass(frozen=True)
class Delivery:
    """A batch on its way from a worker to the parent.

    Attributes:
      item: the batch; None where none of its clips could be decoded.
      broken: the errors of the clips that were skipped.
      left_out: questions that are not asked because of them.
      clips: of a training batch, as `ClipReference.told` has them.
    """

    item: Any
    broken: tuple[MediaError, ...]
    left_out: int = 0
    clips: tuple[dict[str, Any], ...] = ()


class Batches(IterableDataset, abc.ABC):
    """Batches as thunks in their order; a worker calls those that are its own."""

    broken_media: BrokenMedia

    @abc.abstractmethod
    def _thunks(self, watch: Watch) -> Iterable[Callable[[], Delivery]]:
        """Yields what makes each batch, in order; clips are decoded under the watch."""

    def __iter__(self) -> Iterator[Delivery | Failure]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        try:
            for index, make in enumerate(self._thunks(Watch(self.broken_media))):
                if index % workers == worker:
                    yield make()
        except ValueError as error:
            yield Failure(error)


@dataclass
class TrainingBatches(Batches):
    """The endless batches of a curriculum, from `first_batch` on; a delivery holds a `Batch`.

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
    broken_media: BrokenMedia
    augmentations: tuple[Augmentation, ...]

    def _thunks(self, watch: Watch) -> Iterator[Callable[[], Delivery]]:
        passed = self.first_batch
        for number, stage in enumerate(self.stages):
            if stage.batches is not None and passed >= stage.batches:
                passed -= stage.batches
                continue
            order = source.training_order(
                stage.task, self.split, self.seed, self.shuffle, self.task_modules
            )
            part = stage.size(self.batch_size) // self.hosts
            for index in count(passed) if stage.batches is None else range(passed, stage.batches):
                first = (index * self.hosts + self.host) * part
                yield partial(self._make, watch, order, number, range(first, first + part))
            passed = 0

    def _make(self, watch: Watch, order: TrainingOrder, stage: int, mine: range) -> Delivery:
        made = [self._examples(watch, order, stage, number) for number in mine]
        examples = [example for _, several in made for example in several]
        clips = tuple(reference.told() for reference, _ in made)
        return Delivery(self.converter.batch(examples), watch.found(), clips=clips)

    def _examples(
        self, watch: Watch, order: TrainingOrder, stage: int, number: int
    ) -> tuple[ClipReference, list[Example]]:
        """Returns reference `number`, or the first stand-in that is whole, and what is made of it.

        Raises:
          MediaError, BrokenMediaError: as the policy says; or no stand-in is whole.
        """
        for stand_in in range(_STAND_INS + 1):
            reference = ClipReference.from_features(order.at(number, stand_in))
            examples = watch.attempt(reference, partial(self._of_clip, reference, stage, number))
            if examples is not None:
                return reference, examples
        raise BrokenMediaError(
            f"{_STAND_INS} clips in a row are missing or broken, the last one {reference.media}"
        )

    def _of_clip(self, reference: ClipReference, stage: int, number: int) -> list[Example]:
        converter, chunk_questions = self.converter, self.stages[stage].chunk_questions
        rng = np.random.default_rng((self.seed, stage, number))
        if chunk_questions is not None:
            examples = converter.chunk_examples(reference, chunk_questions, rng)
        else:
            questions = draw_questions(reference.questions, converter.shape.questions, rng)
            examples = [converter.example(reference, questions, rng)]
        for augmentation in self.augmentations:  # After the questions: these stay as they were.
            examples = [augmentation(example, rng) for example in examples]
        return examples


@dataclass
class EvaluationBatches(Batches):
    """Every question of a split once; a delivery holds an `EvaluationItem`.

    Attributes: as the arguments of `loader.evaluation_batches`.
    """

    task: str
    split: str
    converter: Converter
    batch_size: int
    max_clips: int | None
    task_modules: tuple[str, ...]
    broken_media: BrokenMedia
    host: int = 0
    hosts: int = 1

    def _thunks(self, watch: Watch) -> Iterator[Callable[[], Delivery]]:
        stream = source.evaluation_stream(self.task, self.split, self.task_modules)
        references = (
            part
            for features in islice(stream, self.max_clips)
            for part in ClipReference.from_features(features).split(self.converter.shape.questions)
        )
        number = 0
        while batch := list(islice(references, self.batch_size)):
            if number % self.hosts == self.host:
                yield partial(self._make, watch, batch)
            number += 1

    def _make(self, watch: Watch, references: list[ClipReference]) -> Delivery:
        asked, examples, left_out = [], [], 0
        for reference in references:
            make = partial(self.converter.example, reference, reference.questions)
            example = watch.attempt(reference, make)
            if example is None:
                left_out += len(reference.questions)
                continue
            asked.append(reference)
            examples.append(example)
        if not asked:
            return Delivery(None, watch.found(), left_out)
        filler = examples[-1] | {"question_Q": np.zeros_like(examples[-1]["question_Q"])}
        examples += [filler] * (self.batch_size - len(examples))
        return Delivery((self.converter.batch(examples), asked), watch.found(), left_out)
