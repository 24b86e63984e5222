"""Batches, made by worker processes that hold seqio and the decoders.

Batch i is a function of (stages, split, seed, i) and the media alone: the number of workers changes
nothing, and a run resumes at any batch at once (training_order.py says how).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from absl import logging
from torch.utils.data import DataLoader

from mirasol.batch import Batch
from mirasol.data import source
from mirasol.data.augmentation import Augmentation
from mirasol.data.batches import (
    Batches,
    Delivery,
    EvaluationBatches,
    EvaluationItem,
    Failure,
    Stage,
    TrainingBatches,
)
from mirasol.data.broken_media import EVERY_ONE, FEW, BrokenMedia
from mirasol.data.converter import Converter
from mirasol.data.processes import data_processes

Item = TypeVar("Item")

PREFETCHED = 2
"""Batches that each worker makes ahead."""
_REMEMBERED = 1000  # Batches whose clips are known, some hundred bytes a clip.


class WorkerDiedError(RuntimeError):
    """A data worker process ended without a word."""


@dataclass
class Account:
    """The media that a stream could not decode, each told once in the log.

    Attributes:
      files: path -> what is wrong, of all batches so far.
      left_out: questions not asked because of them, in this pass through the batches.
      batches: that have been delivered.
      clips: of the last _REMEMBERED training batches, by their number from 0.
    """

    files: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    batches: int = 0
    clips: dict[int, tuple[dict[str, Any], ...]] = field(default_factory=dict)

    def add(self, delivery: Delivery) -> None:
        """Counts what a batch had to do without."""
        self.left_out += delivery.left_out
        self.clips[self.batches] = delivery.clips
        self.clips.pop(self.batches - _REMEMBERED, None)
        self.batches += 1
        for error in delivery.broken:
            if error.path not in self.files:
                self.files[error.path] = error.reason
                logging.warning("Skipped: %s", error)


class BatchStream(Generic[Item]):
    """An iterator over what worker processes make; they start when it is built.

    Attributes:
      account: of the media that could not be decoded.

    Where the batches have an end, iterating again goes through them again, in the same processes
    and with the clips that those keep decoded. The first stream of a program waits for the imports
    that all are forked with, some seconds (processes.py).

    Raises, from `next`:
      ValueError: as raised in the worker; MediaError is one.
      WorkerDiedError: a worker process is gone.
    """

    def __init__(self, dataset: Batches, workers: int) -> None:
        if workers < 0:
            raise ValueError(f"workers is {workers}; it must be 0 (this process) or more")
        options: dict[str, Any] = {}
        if workers:
            options = {
                "multiprocessing_context": data_processes(),
                "prefetch_factor": PREFETCHED,
                "persistent_workers": True,
            }
        self._loader: DataLoader | None = DataLoader(
            dataset,
            batch_size=None,  # The dataset makes whole batches.
            num_workers=workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # Or it would draw from the training's own.
            **options,
        )
        self._items: Iterator = iter(self._loader)
        self._spent = False
        self.account = Account()

    def __iter__(self) -> BatchStream[Item]:
        if self._spent and self._loader is not None:
            with _death_explained():
                self._items = iter(self._loader)
            self._spent, self.account.left_out = False, 0
        return self

    def __next__(self) -> Item:
        while (delivery := self._delivery()).item is None:
            pass  # A batch of broken media alone; it is counted.
        return delivery.item

    def _delivery(self) -> Delivery:
        if self._spent:
            raise StopIteration
        try:
            with _death_explained():
                delivery = next(self._items)
        except StopIteration:
            self._spent = True
            raise
        if isinstance(delivery, Failure):
            self.close()
            raise delivery.error
        self.account.add(delivery)
        return delivery

    def close(self) -> None:
        """Ends the worker processes; nothing comes after."""
        self._spent = True
        self._items = iter(())
        self._loader = None


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
    broken_media: BrokenMedia = FEW,
    augmentations: Sequence[Augmentation] = (),
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
      broken_media: what becomes of clips that cannot be decoded. If they are skipped, others of the
        same task stand in, drawn by the seed and the number of the clip.
      augmentations: applied to each example in turn.
      task_modules: modules that a worker imports so that their tasks are registered.

    Raises:
      ValueError: a number is out of range; from `next`, an unknown task or split.
      MediaError, BrokenMediaError: from `next`, as `broken_media` says.
    """
    stages = tuple(stages)
    if not stages or stages[-1].batches is not None:
        raise ValueError(f"the last stage must have batches=None (all that follow); got {stages}")
    if any(stage.batches is None for stage in stages[:-1]):
        raise ValueError(f"every stage but the last needs a number of batches; got {stages}")
    sizes = [stage.size(batch_size) for stage in stages]
    if any(size < 1 or size % hosts for size in sizes) or not 0 <= host < hosts:
        raise ValueError(
            f"batch sizes {sizes} must be above 0 and multiples of hosts {hosts}, and host {host} "
            f"one of 0..{hosts - 1}"
        )
    if first_batch < 0:
        raise ValueError(f"first_batch is {first_batch}; it must be 0 or more")
    dataset = TrainingBatches(
        stages=stages,
        split=split,
        converter=converter,
        batch_size=batch_size,
        seed=seed,
        first_batch=first_batch,
        shuffle=shuffle,
        host=host,
        hosts=hosts,
        broken_media=broken_media,
        augmentations=tuple(augmentations),
        task_modules=tuple(task_modules),
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
    host: int = 0,
    hosts: int = 1,
    broken_media: BrokenMedia = EVERY_ONE,
    task_modules: Sequence[str] = source.TASK_MODULES,
) -> BatchStream[EvaluationItem]:
    """Returns batches that hold every question of a split once, in a fixed order.

    To evaluate again and again, keep the stream and iterate again.

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
      host, hosts: this host takes every batch whose number, modulo hosts, is host.
      broken_media: what becomes of clips that cannot be decoded. If they are skipped, their
        questions are not asked; `account.left_out` counts them.
      task_modules: modules that a worker imports so that their tasks are registered.

    Raises:
      ValueError: a number is out of range; from `next`, an unknown task or split.
      MediaError, BrokenMediaError: from `next`, as `broken_media` says.
    """
    if not 0 <= host < hosts:
        raise ValueError(f"host {host} must be one of 0..{hosts - 1}")
    if batch_size < 1 or (max_clips is not None and max_clips < 1):
        raise ValueError(f"batch_size {batch_size} and max_clips {max_clips} must be above 0")
    dataset = EvaluationBatches(
        task,
        split,
        converter,
        batch_size,
        max_clips,
        tuple(task_modules),
        broken_media,
        host,
        hosts,
    )
    return BatchStream(dataset, workers)


@contextlib.contextmanager
def _death_explained() -> Iterator[None]:
    """Turns torch's word that a worker is gone into one that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise WorkerDiedError(
            f"a data worker process died ({error}); if the machine is short of memory, lower the "
            "number of workers, cache_bytes or the batch size"
        ) from None


def _as_it_is(item: Any) -> Any:
    return item
