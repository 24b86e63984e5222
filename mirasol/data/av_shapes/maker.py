"""Making a set: all its clips and annotation files, or nothing.

    <root>/av_shapes_4/            train_qa.json  validation_qa.json  test_qa.json  set.json
                       videos/     video0.mp4 ... (numbered through the splits)
    <root>/.av_shapes_4.lock       held by the process that makes it
    <root>/.av_shapes_4.<pid>      what it has so far; renamed to av_shapes_4 when complete

The lock is the kernel's: it ends with its process, however that ends. So whoever holds it knows
that an unfinished folder belongs to nobody, and may clear it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import functools
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mirasol.data.av_shapes.files import (
    annotation_path,
    mean_levels,
    number_rows,
    write_clips,
    write_rows,
)
from mirasol.data.av_shapes.spec import CHUNK_S, SPLITS, AVShapes
from mirasol.data.processes import end_with_parent
from mirasol.progress import progress_bar

# Counts up when the same spec would give other clips, questions or levels.
_EDITION = 5
# Measured on the sets of 4 to 64 chunks, which hold 43 kB to 470 kB a clip.
_CLIP_BYTES = 14_000
_CLIP_BYTES_PER_S = 22_300
_CLIPS_A_JOB = 10


def ensure_made(spec: AVShapes, root: Path, processes: int | None = None) -> Path:
    """Returns the folder of the set, after making it if it is not there.

    Several processes may ask at once: one makes it, the others wait.

    Args:
      spec: the set; `spec.name` is the folder's name.
      root: the folder that data sets live in; created if missing.
      processes: that draw and encode; None means one for each core.

    Raises:
      ValueError: there is a folder of this name that holds something else.
    """
    folder = root / spec.name
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        with _lock(root / f".{spec.name}.lock"):
            if not folder.exists():
                _make(spec, folder, processes or os.cpu_count() or 1)
    _check(spec, folder)
    return folder


def _make(spec: AVShapes, folder: Path, processes: int) -> None:
    for abandoned in folder.parent.glob(f".{spec.name}.[0-9]*"):
        shutil.rmtree(abandoned)
    clips = sum(spec.clips.values())
    clip_s = spec.chunks * CHUNK_S
    size_mb = clips * (_CLIP_BYTES + clip_s * _CLIP_BYTES_PER_S) / 1e6
    print(
        f"Making {spec.name}: {clips} clips of {clip_s:.2f} s with their questions "
        f"in {folder.absolute()}, because it is not there yet (about {size_mb:.0f} MB).",
        file=sys.stderr,
    )
    unfinished = folder.parent / f".{spec.name}.{os.getpid()}"
    (unfinished / "videos").mkdir(parents=True)
    try:
        _write_all(spec, unfinished, processes)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_all(spec: AVShapes, folder: Path, processes: int) -> None:
    """Writes clips, annotation files and, last, the description of the set."""
    jobs = [
        (split, range(first, min(first + _CLIPS_A_JOB, clips)))
        for split, clips in spec.clips.items()
        for first in range(0, clips, _CLIPS_A_JOB)
    ]
    rows: dict[str, list[dict]] = {split: [] for split in SPLITS}
    with (
        progress_bar(total=sum(spec.clips.values()), title=spec.name, unit="clip") as progress,
        _workers(min(processes, len(jobs))) as map_jobs,
    ):
        for (split, indices), made in zip(
            jobs, map_jobs(functools.partial(write_clips, spec, folder), jobs), strict=True
        ):
            rows[split].extend(made)
            progress.update(len(indices))
    for split, split_rows in rows.items():
        write_rows(annotation_path(folder, split), number_rows(split_rows))
    description = {
        "edition": _EDITION,
        "spec": dataclasses.asdict(spec),
        "levels": {split: mean_levels(split_rows) for split, split_rows in rows.items()},
    }
    (folder / "set.json").write_text(json.dumps(description, indent=2) + "\n")


def _check(spec: AVShapes, folder: Path) -> None:
    """Raises ValueError unless the folder holds a set of this edition and length of clip."""
    try:
        found = json.loads((folder / "set.json").read_text())
    except FileNotFoundError:
        found = {"edition": None, "spec": {"chunks": None}}
    if (found["edition"], found["spec"]["chunks"]) != (_EDITION, spec.chunks):
        raise ValueError(
            f"{folder} holds AV-Shapes edition {found['edition']} with "
            f"{found['spec']['chunks']} chunks a clip, but edition {_EDITION} with {spec.chunks} "
            f"chunks is wanted: move that folder away, or set MIRASOL_DATA to another one"
        )


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for the process that makes {path.name[1:-5]}.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _workers(processes: int) -> Iterator:
    """Yields a `map` that runs over so many processes and keeps the order.

    A daemonic process, such as a loader's worker, may have no children: it works alone.
    """
    if processes <= 1 or multiprocessing.current_process().daemon:
        yield map
        return
    with concurrent.futures.ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=end_with_parent
    ) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
