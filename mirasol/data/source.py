"""The stream of references: the only file of the data road that imports seqio, with TensorFlow.

Only data workers, the task service and task files import it. TensorFlow must stay out of the
training process: loaded before torch_xla it aborts the process.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import itertools
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mirasol.data.references import ClipReference
from mirasol.data.stretches import Features, Listed, Streamed, Stretches
from mirasol.data.table import Block
from mirasol.data.training_order import TaskOrder, TrainingOrder
from mirasol.spelling import nearest

TASK_MODULES = ("mirasol.tasks",)
"""Modules that a worker imports so that their tasks are registered."""

# A set that is read as it is needed, however long its file, is shuffled in stretches of so many.
STRETCH = 100_000

_BLOCK = 32
_LARGE_BLOCK = 1_000  # Of which STRETCH is a multiple.
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

FEATURES = ("media", "start", "end", "rows")


class UnknownTaskError(ValueError):
    """No task or mixture has that name."""


class UnknownSplitError(ValueError):
    """The task has no split of that name."""


def import_seqio():
    """Returns the module seqio, imported in silence, its TensorFlow on one thread and no GPU.

    Raises:
      RuntimeError: torch_xla is loaded, so this is a training process.
    """
    if "tensorflow" not in sys.modules:
        if "torch_xla" in sys.modules:
            raise RuntimeError(
                "TensorFlow was about to be imported beside torch_xla, in the training process; "
                "load data with workers=1 or more, and ask about tasks through TaskService"
            )
        if os.environ.get(_LOG_LEVEL, "1") == "1":  # torch_xla's default, which its children get.
            os.environ[_LOG_LEVEL] = "3"
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # Its notice cannot be silenced else.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import seqio
            import tensorflow as tf
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    import absl.logging
    import seqio

    absl.logging.set_verbosity(absl.logging.ERROR)
    return seqio


def reference_features() -> dict[str, Any]:
    """Returns the `output_features` of a seqio task of references (see references.py)."""
    seqio = import_seqio()
    import tensorflow as tf

    kinds = [(tf.string, 0), (tf.float32, 0), (tf.float32, 0), (tf.string, 1)]
    return {
        name: seqio.ContinuousFeature(dtype=dtype, rank=rank)
        for name, (dtype, rank) in zip(FEATURES, kinds, strict=True)
    }


def reference_dataset(references: Iterable[ClipReference]):
    """Returns a `tf.data.Dataset` of references, for a task's `seqio.FunctionDataSource`.

    Args:
      references: something that can be iterated over again and again.
    """
    import tensorflow as tf

    signature = {
        "media": tf.TensorSpec([], tf.string),
        "start": tf.TensorSpec([], tf.float32),
        "end": tf.TensorSpec([], tf.float32),
        "rows": tf.TensorSpec([None], tf.string),
    }
    return tf.data.Dataset.from_generator(
        lambda: (reference.to_features() for reference in references), output_signature=signature
    )


def all_tasks(task_modules: Sequence[str] = TASK_MODULES) -> dict[str, tuple[str, ...]]:
    """Returns the splits of every task and mixture that the modules register."""
    seqio = import_seqio()
    for module in task_modules:
        importlib.import_module(module)
    names = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
    return {name: tuple(sorted(seqio.get_mixture_or_task(name).splits)) for name in sorted(names)}


def find_task(name: str, task_modules: Sequence[str] = TASK_MODULES):
    """Returns the seqio task or mixture of that name.

    Raises:
      UnknownTaskError: there is none; the message names the nearest.
    """
    seqio = import_seqio()
    for module in task_modules:
        importlib.import_module(module)
    names = {*seqio.TaskRegistry.names(), *seqio.MixtureRegistry.names()}
    if name not in names:
        raise UnknownTaskError(
            f"no task or mixture {name!r}{nearest(name, names)} (the nearest of {len(names)}: "
            f"{', '.join(difflib.get_close_matches(name, sorted(names), n=4, cutoff=0.0))})"
        )
    return seqio.get_mixture_or_task(name)


def tasks_of(provider) -> list:
    """Returns the tasks of a mixture; of a task, the task."""
    return list(getattr(provider, "tasks", [provider]))


def members(provider, split: str) -> list:
    """Returns the tasks of a mixture that have the split; of a task, the task.

    Raises:
      UnknownSplitError: no member has it; the message names the nearest.
    """
    if split not in provider.splits:
        raise UnknownSplitError(
            f"task {provider.name!r} has no split {split!r}{nearest(split, provider.splits)} "
            f"(it has: {_listed(provider.splits)})"
        )
    return [task for task in tasks_of(provider) if split in task.splits]


def training_order(
    task: str,
    split: str,
    seed: int,
    shuffle: bool = True,
    task_modules: Sequence[str] = TASK_MODULES,
) -> TrainingOrder:
    """Returns the references of a task or mixture by number, in an order fixed by the seed.

    Each task goes through its whole set, newly shuffled each epoch, before any clip returns; a
    mixture draws from its tasks by their rates. A task's preprocessors must not draw at random:
    what they would draw for a reference could not be told from its number.

    Args:
      task: name of a task or mixture.
      split: name of a split.
      seed: of the order.
      shuffle: False keeps the order of the tasks' sources.
      task_modules: modules that register tasks.

    Raises:
      UnknownTaskError, UnknownSplitError: naming the nearest.
    """
    provider = find_task(task, task_modules)
    tasks = members(provider, split)
    orders = []
    for index, member in enumerate(tasks):
        name = f"split {split!r} of task {member.name!r}"
        orders.append(TaskOrder(name, _stretches(member, split), (seed, index), shuffle))
    rates = [provider.get_rate(member) for member in tasks] if len(tasks) > 1 else [1.0]
    return TrainingOrder(orders, rates, seed)


def evaluation_stream(
    task: str, split: str, task_modules: Sequence[str] = TASK_MODULES
) -> Iterator[Features]:
    """Yields the features of every reference once; the tasks of a mixture take turns.

    Raises:
      UnknownTaskError, UnknownSplitError: naming the nearest.
    """
    tasks = members(find_task(task, task_modules), split)
    turns = itertools.zip_longest(*(_drawn(_dataset(member, split)) for member in tasks))
    return (features for turn in turns for features in turn if features is not None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _dataset(task, split: str):
    dataset = task.get_dataset(sequence_length=None, split=split, shuffle=False, num_epochs=1)
    return dataset.map(lambda example: {name: example[name] for name in FEATURES})


def _stretches(task, split: str) -> Stretches:
    """Returns the references of a task: listed where tf.data can look any of them up."""
    import tensorflow as tf

    dataset = _dataset(task, split)
    size = int(dataset.cardinality())
    try:
        if size > 0:
            tf.data.experimental.at(dataset, 0)
            return Listed(_InMemory(dataset, size))
    except tf.errors.UnimplementedError:
        pass  # A generator whose length is told.
    return Streamed(functools.partial(_blocks_from, task, split), STRETCH)


# References that are kept once looked up: megabytes, and the small sets whole.
_KEPT = 16_384


class _InMemory:
    """References looked up in a `tf.data.Dataset`, each in less than a millisecond the first time.

    To read a set through costs a tenth of that for each reference, and so seconds for a large one.
    """

    def __init__(self, dataset, size: int) -> None:
        self._dataset, self._size = dataset, size
        self._look_up = functools.lru_cache(_KEPT)(self._from_dataset)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Features:
        return self._look_up(int(index))

    def _from_dataset(self, index: int) -> Features:
        import tensorflow as tf

        found = tf.data.experimental.at(self._dataset, index)
        return {name: found[name].numpy() for name in FEATURES}


def _blocks_from(task, split: str, first: int) -> Iterator[Block]:
    """Yields the references from number `first` on in large blocks."""
    return _blocks(_dataset(task, split).skip(first), _LARGE_BLOCK)


def _blocks(dataset, size: int) -> Iterator[Block]:
    return dataset.ragged_batch(size).with_options(_options()).as_numpy_iterator()


def _drawn(dataset) -> Iterator[Features]:
    """Yields the elements one by one; drawn in blocks, each costs a tenth of the time."""
    for block in _blocks(dataset, _BLOCK):
        for index in range(len(block["media"])):
            yield {name: block[name][index] for name in FEATURES}


def _options():
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    return options
