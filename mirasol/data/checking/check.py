"""The check whole: every annotation read, every media file looked for, a sample of them probed.

task, split -> clips -> counted, sampled -> probed in processes -> findings
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence

from mirasol.data.checking.findings import Findings
from mirasol.data.checking.probe import Probe
from mirasol.data.checking.probing import probe_all
from mirasol.data.checking.tally import Tally, TextMeasure
from mirasol.data.references import ClipReference
from mirasol.data.splits import Split, splits_of
from mirasol.progress import progress_bar

Wanted = Sequence[tuple[str, str | None]]


def check(
    wanted: Wanted, *, sample: int, measure: TextMeasure, kept: int, processes: int | None = None
) -> list[Findings]:
    """Returns what is found in each split of each task.

    Args:
      wanted: (task or mixture, split or None for all of its splits).
      sample: clips of each split whose media are probed.
      measure: how texts are measured.
      kept: so many refused rows and missing files of each split are named.
      processes: that probe; None: one a core.

    Raises:
      ValueError: an unknown task or split; names the nearest.
    """
    with contextlib.ExitStack() as stack:
        service = functools.cache(lambda: stack.enter_context(_task_service()))
        splits = [each for task, split in wanted for each in splits_of(task, split, service, kept)]
        counted = []
        with progress_bar(total=None, title="annotations", unit="clip", leave=False) as progress:
            for each in splits:
                tally = Tally(measure, sample)
                counted.append((each, tally, _count(each, tally, progress)))
    probes = _probed([tally.sample for _, tally, _ in counted], processes or os.cpu_count() or 1)
    return [
        Findings(each.task, each.split, error, each.report, tally, probed)
        for (each, tally, error), probed in zip(counted, probes, strict=True)
    ]


def _count(split: Split, tally: Tally, progress) -> str:
    """Counts the clips of a split; returns why they could not be read to the end, or ""."""
    try:
        for clip in split.clips():
            tally.add(clip)
            progress.update()
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def _probed(samples: Sequence[Sequence[ClipReference]], processes: int) -> Iterator[list[Probe]]:
    """Yields the probes of each sample; all are made by the same processes."""
    clips = [clip for sample in samples for clip in sample]
    found: dict[int, Probe] = {}
    if clips:
        with progress_bar(total=len(clips), title="media", unit="file", leave=False) as progress:
            for index, probe in probe_all(clips, processes):
                found[index] = probe
                progress.update()
    inorder = iter(found[index] for index in range(len(clips)))
    for sample in samples:
        yield [next(inorder) for _ in sample]


def _task_service():
    """Opens the process in which seqio lives; imported here, for it brings torch."""
    from mirasol.data.task_service import TaskService

    return TaskService()
