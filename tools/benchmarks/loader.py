"""The data road of a training against bare PyAV with as many processes, and the memory it takes.

What a worker needs to start (importing seqio with TensorFlow, reading the annotation) is not timed.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.clocks import add_repeats_flag, spread
from benchmarks.loader_clips import FPS, HEIGHT_PX, WIDTH_PX, write_clips, write_manifest
from benchmarks.loader_roads import CHUNK_FRAMES, ROADS, Setting, resident_bytes
from benchmarks.report import Benchmark, Row, table
from mirasol.batch import EOS_ID, Batch
from mirasol.data.benchmarks.manifest import use_manifest
from mirasol.data.loader import Stage, evaluation_batches, training_batches
from mirasol.evaluation.evaluator import evaluate
from mirasol.evaluation.predictions import Observer, Writer
from mirasol.progress import progress_bar

YARDSTICK = "bare PyAV"
ASKED_SHARES = {"loader": 0.85, "cached": 3.0}
ASKED_BYTES = 2.5e9
_READINGS = 20


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each road, and one for the memory of training and of evaluation."""
    per_turn = options.processes * options.batch_size
    if options.frames % CHUNK_FRAMES or options.turn_clips % per_turn:
        raise ValueError(
            f"--frames={options.frames} must be a multiple of {CHUNK_FRAMES}, and --turn_clips="
            f"{options.turn_clips} one of --processes times --batch_size, {per_turn}"
        )
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(
            paths=write_clips(Path(folder), options.files, options.clip_s),
            clip_s=options.clip_s,
            frames=options.frames,
            image_size=options.image_size,
            processes=options.processes,
            batch_size=options.batch_size,
        )
        use_manifest(str(write_manifest(list(setting.paths), options.clips, options.clip_s)))
        times = _in_turns(options, setting)
        sizes = {
            "clip_s": options.clip_s,
            "frames": options.frames,
            "image_size": options.image_size,
            "processes": options.processes,
            "batch_size": options.batch_size,
        }
        timed = {"what": "speed", "turn_clips": options.turn_clips, **sizes}
        return [
            *({**timed, "road": name, "seconds": found} for name, found in times.items()),
            {"what": "memory", "of": "training", **sizes, **_training_memory(options, setting)},
            {"what": "memory", "of": "evaluation", **sizes, **_evaluation_memory(options, setting)},
        ]


def _in_turns(options: argparse.Namespace, setting: Setting) -> dict[str, list[float]]:
    """Returns the seconds of each road's turns, A B C A B C ..., by name."""
    found: dict[str, list[float]] = {name: [] for name in options.roads}
    with contextlib.ExitStack() as stack:
        roads = {}
        for name in options.roads:
            roads[name] = ROADS[name](setting)
            stack.callback(roads[name].close)
        bar = progress_bar(total=options.repeats * len(roads), title="loader", unit="turns")
        with bar:
            for _ in range(options.repeats):
                for name, road in roads.items():
                    found[name].append(road.read(options.turn_clips))
                    bar.update()
    return found


class Memory(Observer):
    """Reads the memory at even distances while clips go by."""

    def __init__(self, clips: int) -> None:
        self._every, self._seen = max(1, clips // _READINGS), 0
        self.clips: list[int] = []
        self.bytes: list[int] = []
        self._bar = progress_bar(total=clips, title="memory", unit="clips")

    def count(self, clips: int) -> None:
        """Counts clips that went by."""
        self._bar.update(clips)
        if (self._seen + clips) // self._every > self._seen // self._every:
            self.clips.append(self._seen + clips)
            self.bytes.append(resident_bytes())
        self._seen += clips

    def see(self, batch: Batch, answered: Sequence[Sequence[object]]) -> None:
        """Counts the clips of an evaluated batch."""
        self.count(len(answered))

    def finish(self) -> None:
        """Ends the progress line."""
        self._bar.close()

    def row(self) -> Row:
        """Returns what was read."""
        return {"clips": self.clips, "bytes": self.bytes}


def _training_memory(options: argparse.Namespace, setting: Setting) -> Row:
    memory = Memory(options.clips)
    stream = training_batches(
        [Stage("manifest")],
        "train",
        setting.converter(),
        setting.batch_size,
        seed=0,
        workers=setting.processes,
    )
    with contextlib.closing(stream):
        for _ in range(options.clips // setting.batch_size):
            next(stream)
            memory.count(setting.batch_size)
    memory.finish()
    return memory.row()


def _evaluation_memory(options: argparse.Namespace, setting: Setting) -> Row:
    """Runs the evaluator with a model that says nothing; what the metric would take is not in."""
    memory, converter = Memory(options.clips), setting.converter()
    stream = evaluation_batches(
        "manifest", "validation", converter, setting.batch_size, workers=setting.processes
    )
    with contextlib.closing(stream), tempfile.TemporaryDirectory() as folder:
        evaluate(
            answer=Writer(_nothing_said, converter.vocabulary),
            batches=stream,
            score=lambda targets, texts: {},
            task="manifest",
            split="validation",
            step=0,
            directory=Path(folder),
            total=options.clips,
            observers=[memory],
        )
    return memory.row()


def _nothing_said(batch: Batch) -> torch.Tensor:
    return torch.full((*batch.question_BQ.shape, 1), EOS_ID)


def tell(rows: Sequence[Row]) -> str:
    """Returns the table of speeds, their shares of the yardstick, and what the memory does."""
    speeds = [row for row in rows if row["what"] == "speed"]
    one = rows[0]
    titles = "road", "s a turn, median (least-greatest)", "clips a second"
    lines = [(row["road"], spread(row["seconds"], 2), f"{_rate(row):.1f}") for row in speeds]
    sizes = (
        f"{one['frames']} frames at {one['image_size']} px of clips of {one['clip_s']:g} s, "
        f"{WIDTH_PX}x{HEIGHT_PX}, {FPS} frames a second, H.264 and AAC; {one['processes']} "
        f"processes; batches of {one['batch_size']}; {one['turn_clips']} clips a turn."
    )
    return "\n".join([table(titles, lines), "", sizes, "", *_shares(speeds), *_memory(rows)])


def _rate(row: Row) -> float:
    return row["turn_clips"] / statistics.median(row["seconds"])


def _shares(speeds: Sequence[Row]) -> Iterator[str]:
    for bare in speeds:
        if bare["road"] != YARDSTICK:
            continue
        for row in speeds:
            if row is not bare:
                turns = [b / a for a, b in zip(row["seconds"], bare["seconds"], strict=True)]
                yield (
                    f"- {row['road']} delivers {_rate(row) / _rate(bare):.0%} of what "
                    f"{YARDSTICK} does, from turn to turn {min(turns):.0%} to {max(turns):.0%} "
                    f"(asked: at least {ASKED_SHARES[row['road']]:.0%})."
                )


def _memory(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row["what"] == "memory":
            half = len(row["bytes"]) // 2
            early, late = max(row["bytes"][:half]), max(row["bytes"][half:])
            yield (
                f"- Memory of {row['of']}, workers included, over {row['clips'][-1]:,} clips: at "
                f"most {max(early, late) / 1e9:.2f} GB (asked: under {ASKED_BYTES / 1e9:.1f}); the "
                f"most of the second half over that of the first {late / early - 1:+.1%}."
            )


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_repeats_flag(parser, 7)
    for name, default, text in [
        ("processes", 2, "that decode"),
        ("batch_size", 8, "clips in a batch"),
        ("frames", 32, "of a clip"),
        ("image_size", 224, "px"),
        ("turn_clips", 64, "clips in a timed turn"),
        ("clips", 400, "rows of the manifest: clips over which memory is watched"),
        ("files", 16, "different clips that are made"),
    ]:
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (%(default)s)")
    parser.add_argument("--clip_s", type=float, default=10.0, help="of a clip (%(default)s)")
    parser.add_argument(
        "--roads",
        nargs="+",
        choices=list(ROADS),
        default=list(ROADS),
        help="what is set side by side (default: all)",
    )


LOADER = Benchmark(
    purpose="the data road against bare PyAV, and its memory",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
)
