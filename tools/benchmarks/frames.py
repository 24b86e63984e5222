"""Time and memory of a training step against the number of frames, each point in a new process.

Activations are computed again in the backward pass in every transformer that can do so, as one
would train on long clips; questions and all else are those of the gin files.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.clocks import add_repeats_flag, seconds, spread, train_step
from benchmarks.memory import peak_bytes
from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, combiner_file, random_batch, stated
from mirasol.batch import empty_batch
from mirasol.description.operations import train_flops
from mirasol.models.transformer import Transformer
from mirasol.progress import progress_bar

COMBINERS = ("transformer", "token_turing")
CONSTANT = "token_turing"  # Whose time a frame is asked to stay as it is.
FRAMES = (16, 32, 64, 128, 256, 512)
LONG_S = 60  # A step that takes longer is timed once.
ASKED_GROWTH = 0.10


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each Combiner and number of frames."""
    points = [(name, frames) for name in options.combiners for frames in options.frames]
    rows: list[Row] = []
    with progress_bar(total=len(points), title="frames", unit="points") as bar:
        for name, frames in points:
            rows.append(_in_new_process(options, name, frames, torch.get_num_threads()))
            bar.set_postfix(combiner=name, frames=frames)
            bar.update()
    return rows


def _in_new_process(options: argparse.Namespace, name: str, frames: int, threads: int) -> Row:
    """Measures a point where no earlier one has left memory behind."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(point, options, name, frames, threads).result()


def point(options: argparse.Namespace, name: str, frames: int, threads: int) -> Row:
    """Measures one Combiner at one number of frames, in this process.

    Memory is the highest resident size during the steps, the first included, less what is resident
    once model and batch are there.

    Raises:
      ValueError: the frames are no whole number of chunks.
    """
    torch.set_num_threads(threads)
    chunk_frames = stated(options).macros["CHUNK_FRAMES"]
    if frames % chunk_frames:
        raise ValueError(f"--frames={frames} is no multiple of chunks of {chunk_frames} frames")
    spec = stated(options, [combiner_file(name)], CHUNKS=frames // chunk_frames)
    experiment = spec.build()
    shape = experiment.converter.shape
    counted = train_flops(experiment.build_model("meta"), empty_batch(shape, 1, "meta"))
    model = experiment.build_model()
    for module in model.modules():
        if isinstance(module, Transformer):
            module.checkpoint = True
    batch = random_batch(shape, 1, model.text_decoder.vocab_size)
    times: list[float] = []

    def steps() -> None:
        first = seconds(lambda: train_step(model, batch))
        repeats = 1 if first > LONG_S else options.repeats
        times.extend(seconds(lambda: train_step(model, batch)) for _ in range(repeats))

    peak = peak_bytes(steps)
    sizes = {"combiner": name, "frames": frames, "questions": shape.questions}
    return {**sizes, "flops": counted, "seconds": times, "peak_bytes": peak}


def tell(rows: Sequence[Row]) -> str:
    """Returns the table, and how time a frame and memory grow."""
    titles = "Combiner", "frames", "GFLOP a frame", "s a step", "ms a frame", "peak, MB"
    lines = [
        (
            row["combiner"],
            row["frames"],
            f"{row['flops'] / row['frames'] / 1e9:.2f}",
            spread(row["seconds"], 2),
            f"{frame_ms(row):.1f}",
            f"{row['peak_bytes'] / 1e6:,.0f}",
        )
        for row in rows
    ]
    return "\n".join([table(titles, lines), "", *_verdicts(rows)])


def frame_ms(row: Row) -> float:
    """Returns the median time of a step over its frames, in ms."""
    return 1000 * statistics.median(row["seconds"]) / row["frames"]


def _verdicts(rows: Sequence[Row]) -> list[str]:
    found = []
    for name in _names(rows):
        points = sorted((row for row in rows if row["combiner"] == name), key=_frames)
        few, many = points[0], points[-1]
        growth = frame_ms(many) / frame_ms(few) - 1
        memory = many["peak_bytes"] / few["peak_bytes"]
        asked = f" (asked: at most {ASKED_GROWTH:+.0%})" if name == CONSTANT else ""
        found.append(
            f"- {name}, from {few['frames']} to {many['frames']} frames: time a frame "
            f"{growth:+.1%}{asked}; peak memory {memory:.1f} times as much for "
            f"{many['frames'] / few['frames']:.0f} times the frames (asked: no more than these)."
        )
    return found


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["combiner"] for row in rows))


def _frames(row: Row) -> int:
    return row["frames"]


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draws time a frame and peak memory against frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), facecolor="white")
    for name in _names(rows):
        points = sorted((row for row in rows if row["combiner"] == name), key=_frames)
        frames = [row["frames"] for row in points]
        left.plot(frames, [frame_ms(row) for row in points], marker="o", label=name)
        right.plot(frames, [row["peak_bytes"] / 1e9 for row in points], marker="o", label=name)
    left.set(ylabel="time of a training step, ms a frame", ylim=(0, None))
    right.set(ylabel="peak memory above the model's, GB", ylim=(0, None))
    for axes in (left, right):
        axes.set(xlabel="frames of the clip")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    add_model_flags(parser, "mirasol_small")
    add_repeats_flag(parser, 3)
    parser.add_argument(
        "--combiners",
        nargs="+",
        default=list(COMBINERS),
        help="of gin/models/combiners (default: %(default)s)",
    )
    parser.add_argument(
        "--frames", type=int, nargs="+", default=list(FRAMES), help="default: %(default)s"
    )


FRAMES_BENCHMARK = Benchmark(
    purpose="time and peak memory of a step against frames, each point in a new process",
    add_flags=_add_flags,
    measure=measure,
    tell=tell,
    draw=draw,
)
