"""Counted operations of the Combiners, and how long the model takes to be built on paper.

The paper: the Token Turing Machine needs 18 % less compute than the Transformer Combiner. It does
not state of what, at which sizes, nor how operations were counted. Here: one forward pass of one
clip, of the Combiner alone and of the whole model with its losses and all its questions.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from benchmarks.report import Benchmark, Row, table
from benchmarks.sizes import add_model_flags, combiner_file, stated
from mirasol.batch import empty_batch
from mirasol.config import Spec
from mirasol.description.operations import flops
from mirasol.description.parts import parameters
from mirasol.progress import progress_bar

TOKEN_TURING = "token_turing"
TRANSFORMERS = ("transformer", "transformer_chunk_alone")
SIZES = ("layers", "heads", "width", "out_tokens", "memory_tokens")
ASKED_SHARE = 0.18
ASKED_BUILD_S = 10


def measure(options: argparse.Namespace) -> list[Row]:
    """Returns a row for each Combiner."""
    rows: list[Row] = []
    names = (*TRANSFORMERS, TOKEN_TURING)
    with progress_bar(total=len(names), title="ops", unit="Combiners") as bar:
        for name in names:
            rows.append({"combiner": name, **_counted(stated(options, [combiner_file(name)]))})
            bar.update()
    return rows


@torch.no_grad()
def _counted(spec: Spec) -> Row:
    started = time.perf_counter()
    experiment = spec.build()
    model = experiment.build_model("meta").eval()
    built_s = time.perf_counter() - started
    shape = experiment.converter.shape
    batch = empty_batch(shape, 1, "meta")
    media = batch.video_BTFHWC, batch.audio_BTAS, batch.has_video_BT, batch.has_audio_BT
    tokens_BTND, valid_BTN = model.media_tokens(*media)
    return {
        **_sizes(spec, type(model.combiner).__name__),
        "chunks": shape.chunks,
        "chunk_frames": shape.chunk_frames,
        "in_tokens": tokens_BTND.shape[2],
        "combiner_parameters": parameters(model.combiner),
        "model_parameters": parameters(model),
        "combiner_flops": flops(lambda: model.combiner(tokens_BTND, valid_BTN)),
        "model_flops": flops(lambda: model(batch)),
        "build_s": built_s,
    }


def _sizes(spec: Spec, combiner: str) -> dict[str, str]:
    """Returns the Combiner's own sizes as the specification states them."""
    values = {
        name.rpartition(".")[2]: value
        for name, value in spec.meaning.items()
        if name.rpartition(".")[0].endswith(f".{combiner}")
    }
    return {name: values[name] for name in SIZES if name in values}


def tell(rows: Sequence[Row]) -> str:
    """Returns the table, and what the Token Turing Machine saves of each Transformer."""
    titles = "Combiner", "parameters", "Combiner, GFLOP", "whole model, GFLOP", "built in"
    lines = [
        (
            row["combiner"],
            f"{row['combiner_parameters'] / 1e6:.0f}M",
            f"{row['combiner_flops'] / 1e9:,.0f}",
            f"{row['model_flops'] / 1e9:,.0f}",
            f"{row['build_s']:.1f} s",
        )
        for row in rows
    ]
    return "\n".join([table(titles, lines), "", _stated_sizes(rows), "", *_savings(rows)])


def _stated_sizes(rows: Sequence[Row]) -> str:
    first = rows[0]
    clip = (
        f"One clip, forward: {first['chunks']} chunks of {first['chunk_frames']} frames, "
        f"{first['in_tokens']} tokens a chunk into the Combiner."
    )
    sizes = (
        f"{row['combiner']}: {', '.join(f'{name} {row[name]}' for name in SIZES if name in row)}."
        for row in rows
    )
    return " ".join([clip, *sizes])


def _savings(rows: Sequence[Row]) -> list[str]:
    by_name = {row["combiner"]: row for row in rows}
    ours = by_name[TOKEN_TURING]
    lines = [
        f"- {TOKEN_TURING} needs {difference(ours, by_name[other], 'combiner_flops')} than {other} "
        f"in the Combiner, {difference(ours, by_name[other], 'model_flops')} in the whole model "
        f"(asked: {ASKED_SHARE:.0%} less in the Combiner)."
        for other in TRANSFORMERS
    ]
    slowest = max(row["build_s"] for row in rows)
    return [*lines, f"- Built on paper in {slowest:.1f} s at most (asked: {ASKED_BUILD_S} s)."]


def difference(ours: Row, theirs: Row, what: str) -> str:
    """Tells how much less `ours` needs than `theirs`, or more."""
    share = ours[what] / theirs[what] - 1
    return f"{abs(share):.1%} {'less' if share <= 0 else 'more'}"


OPS = Benchmark(
    purpose="counted operations of the Combiners; nothing is computed",
    add_flags=lambda parser: add_model_flags(parser, "mirasol_3b"),
    measure=measure,
    tell=tell,
)
