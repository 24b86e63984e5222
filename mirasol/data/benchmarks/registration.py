"""A benchmark as a seqio task; registering it reads no file.

Beside its metrics every task has `coverage`, so that a score says how much of the split it is of.
"""

from __future__ import annotations

import collections
import contextlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mirasol.data import identity
from mirasol.data.benchmarks.benchmark import Benchmark
from mirasol.data.benchmarks.problems import AnnotationError, Policy
from mirasol.data.benchmarks.reading import MissingMediaError, SplitReader
from mirasol.data.benchmarks.report import Report
from mirasol.data.references import ClipReference
from mirasol.data.source import import_seqio, reference_dataset, reference_features

Metric = Callable[..., Mapping[str, float]]

_registered: dict[str, Benchmark] = {}
_reports: dict[tuple[str, str], Report] = {}


def register(
    benchmark: Benchmark,
    metrics: Sequence[Metric] = (),
    *,
    before_reading: Callable[[Benchmark, str], None] = lambda benchmark, split: None,
) -> None:
    """Registers the task `benchmark.name`, with a split `reported` beside its own.

    Args:
      benchmark: what is read.
      metrics: (annotation rows, predictions or scores) -> values, as seqio tells them apart.
      before_reading: called with the set and the split before its files are looked at; raises
        ValueError if the split cannot be scored, so that this is known before anything is answered.
    """
    seqio = import_seqio()
    _registered[benchmark.name] = benchmark
    identity.state(benchmark.name, lambda split: _identity(benchmark, split))

    def dataset(split: str, shuffle_files: bool = False, seed: int | None = None):
        real = benchmark.real_split(split)
        before_reading(benchmark, real)
        return read_dataset(SplitReader(benchmark, real))

    seqio.TaskRegistry.add(
        benchmark.name,
        seqio.FunctionDataSource(dataset, splits=benchmark.splits),
        preprocessors=[],
        output_features=reference_features(),
        metric_fns=[*metrics, *([coverage] if metrics else [])],
    )


def read_dataset(reader: SplitReader):
    """Returns the `tf.data.Dataset` of a split; what of it cannot be used, `unusable` tells.

    A set whose clips are gathered lies in memory, and seqio goes through it without Python. One
    that is not is read as its clips are wanted; its first clip is looked for now, since an error
    inside of tf.data would lose its type.
    """
    if not reader.benchmark.grouped:
        next(iter(reader))
        return reference_dataset(reader)
    clips = list(reader)
    _reports[reader.benchmark.name, reader.split] = reader.report
    return _in_memory(clips)


def coverage(targets: Sequence[Mapping[str, Any]], predictions: Sequence[str]) -> dict[str, float]:
    """Returns how much of a split was evaluated; a seqio predict metric.

    Args:
      targets: annotation rows of one set and split.
      predictions: one answer a row.

    Returns:
      `num_total` (questions in the annotation), `num_missing` (of them, without a media file) and
      `num_bad_rows` (of them, rows that cannot be used).
    """
    names = {(str(row["benchmark"]), str(row["split"])) for row in targets}
    reports = [_report(name, split) for name, split in sorted(names)]
    return {
        "num_total": float(sum(report.rows for report in reports)),
        "num_missing": float(sum(report.missing for report in reports)),
        "num_bad_rows": float(sum(report.bad_rows for report in reports)),
    }


def unusable(name: str, split: str) -> list[str]:
    """Returns what cannot be used of a split that has been read, a line a kind; of others, none."""
    benchmark = _registered.get(name)
    if benchmark is None:
        return []
    report = _reports.get((name, benchmark.real_split(split)))
    return [f"{name}, split {split}: {line}" for line in (report.lines() if report else ())]


def class_names(name: str) -> list[str] | None:
    """Returns the classes of a registered set of classes; None for any other task."""
    benchmark = _registered.get(name)
    if benchmark is None or benchmark.classes is None:
        return None
    return benchmark.classes(benchmark.folder)


def _identity(benchmark: Benchmark, split: str) -> identity.Identity:
    """Returns what a split is, see identity.py; rows of sets of any length are not counted."""
    split = benchmark.real_split(split)
    patterns = [name for names in benchmark.files[split] for name in names.split("|")]
    files = {path for pattern in patterns for path in benchmark.folder.glob(pattern)}
    report = _reports.get((benchmark.name, split)) or _counted(benchmark, split)
    if report is None:
        return identity.identity(files)
    found = report.rows - report.bad_rows - report.missing
    return identity.identity(files, report.rows, found, report.missing)


def _counted(benchmark: Benchmark, split: str) -> Report | None:
    """Reads a split for its numbers alone; None for a set of any length, and for absent files."""
    if not benchmark.grouped:
        return None
    try:
        reader = SplitReader(benchmark, split, Policy.SKIP)
    except AnnotationError:
        return None
    with contextlib.suppress(MissingMediaError):
        collections.deque(reader, maxlen=0)
    return reader.report


def _report(name: str, split: str) -> Report:
    if (name, split) not in _reports:
        reader = SplitReader(_registered[name], split)
        for _ in reader:
            pass
        _reports[name, split] = reader.report
    return _reports[name, split]


def _in_memory(clips: Iterable[ClipReference]):
    """Returns a dataset of slices; rows are one string, since ragged ones take ten times as long.

    The string is split as it is read, by TensorFlow.
    """
    import tensorflow as tf

    slices: dict[str, list] = {"media": [], "start": [], "end": [], "rows": []}
    for clip in clips:
        slices["media"].append(clip.media)
        slices["start"].append(math.nan if clip.start_s is None else clip.start_s)
        slices["end"].append(math.nan if clip.end_s is None else clip.end_s)
        slices["rows"].append("\n".join(json.dumps(each.row) for each in clip.questions))
    dataset = tf.data.Dataset.from_tensor_slices(slices)
    return dataset.map(lambda clip: {**clip, "rows": tf.strings.split(clip["rows"], "\n")})
