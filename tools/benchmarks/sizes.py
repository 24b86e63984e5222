"""The models that benchmarks are about: from gin files, with random clips."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from mirasol import config
from mirasol.batch import EOS_ID, Batch, ExampleShape, empty_batch
from mirasol.config import Spec

RUN = "runs/av_shapes.gin"  # A root and a trainer; the files after it decide the sizes.


def add_model_flags(parser: argparse.ArgumentParser, size: str, frames: int = 128) -> None:
    """Adds the flags that say which model."""
    files = [RUN, f"models/{size}.gin", f"data/frames_{frames}.gin"]
    parser.add_argument(
        "--gin_file",
        action="append",
        metavar="FILE",
        help=f"a run, then sizes; may be repeated (default: {' '.join(files)})",
    )
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a macro or parameter over the files; may be repeated",
    )
    parser.set_defaults(default_gin_files=files)


def stated(options: argparse.Namespace, files: Sequence[str] = (), **macros: Any) -> Spec:
    """Returns what the flags say, with further gin files and macros over it.

    gin's state is global: build from one before the next is read.
    """
    own = [binding.replace("=", " = ", 1) for binding in options.bind]
    over = [f"{name} = {value!r}" for name, value in macros.items()]
    names = [*(options.gin_file or options.default_gin_files), *files]
    return config.load(names, [*own, *over])


def combiner_file(name: str) -> str:
    """Returns the gin file of a Combiner."""
    return f"models/combiners/{name}.gin"


def random_batch(shape: ExampleShape, batch_size: int, vocab_size: int, seed: int = 0) -> Batch:
    """Returns clips of noise with questions and answers of full length."""
    generator = torch.Generator().manual_seed(seed)
    batch = empty_batch(shape, batch_size)
    batch.video_BTFHWC.random_(0, 256, generator=generator)
    batch.audio_BTAS.normal_(generator=generator)
    for tokens in (batch.prompt_BQP, batch.answer_BQR):
        tokens.random_(EOS_ID + 1, vocab_size, generator=generator)
    batch.answer_BQR[..., -1] = EOS_ID
    return batch
