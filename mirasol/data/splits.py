"""A split of a task as clips: benchmarks without TensorFlow, other tasks through seqio.

msvd_qa      -> its reader, in this process
av_shapes_4  -> the task service: its members, and each one's references
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.catalog import BENCHMARKS
from mirasol.data.benchmarks.manifest import MANIFEST
from mirasol.data.benchmarks.problems import Policy
from mirasol.data.benchmarks.reading import SplitReader
from mirasol.data.benchmarks.report import Report
from mirasol.data.references import ClipReference

if TYPE_CHECKING:
    from mirasol.data.task_service import TaskService

_READABLE = {**BENCHMARKS, MANIFEST.name: MANIFEST}


class Split(abc.ABC):
    """A split of one task.

    Args:
      task: its name.
      split: its name.

    Attributes:
      report: what is left out; complete once `clips` has come to its end.
    """

    def __init__(self, task: str, split: str) -> None:
        self.task, self.split = task, split
        self.report = Report()

    @abc.abstractmethod
    def clips(self) -> Iterator[ClipReference]:
        """Yields the clips whose media are there.

        Raises:
          ValueError, OSError: the annotation cannot be read.
        """


class BenchmarkSplit(Split):
    """Read from its official files, whatever the environment says of bad rows."""

    def __init__(self, benchmark: Benchmark, split: str, kept: int) -> None:
        super().__init__(benchmark.name, benchmark.real_split(split))
        self._benchmark, self._kept = benchmark, kept

    def clips(self) -> Iterator[ClipReference]:
        """Yields the clips; a split without any is an error that says where media should lie."""
        reader = SplitReader(self._benchmark, self.split, Policy.SKIP, self._kept)
        try:
            yield from reader
        finally:
            self.report = reader.report


class RegisteredSplit(Split):
    """Read by seqio, in the task service's process."""

    def __init__(self, service: TaskService, task: str, split: str, kept: int) -> None:
        super().__init__(task, split)
        self._service, self._kept = service, kept

    def clips(self) -> Iterator[ClipReference]:
        """Yields the clips; a set that is made on first use is made."""
        self.report = report = Report(kept=self._kept)
        for clip in self._service.references(self.task, self.split):
            report.rows += len(clip.questions)
            if Path(clip.media).is_file():
                yield clip
                continue
            for _ in clip.questions:
                report.add_missing(clip.media, clip.origin)


def splits_of(
    task: str, split: str | None, service: Callable[[], TaskService], kept: int
) -> list[Split]:
    """Returns the splits of a task or of each task of a mixture.

    Args:
      task: name of a task or mixture.
      split: name of a split; None: all of them.
      service: opens the task service, for those that seqio alone knows.
      kept: so many bad rows and missing files are named.

    Raises:
      ValueError: an unknown task or split; names the nearest.
    """
    if task in _READABLE:
        return _of_benchmark(_READABLE[task], split, kept)
    if split:
        service().check(task, split)
    found: list[Split] = []
    for member in service().describe(task).members:
        if member not in _READABLE:
            there = service().describe(member).splits
            names = [name for name in there if split in (None, name)]
            found += [RegisteredSplit(service(), member, name, kept) for name in names]
        elif split is None or split in _READABLE[member].splits:
            found += _of_benchmark(_READABLE[member], split, kept)
    return found


def _of_benchmark(benchmark: Benchmark, split: str | None, kept: int) -> list[Split]:
    names = [split] if split else list(benchmark.files)
    return [BenchmarkSplit(benchmark, name, kept) for name in names]
