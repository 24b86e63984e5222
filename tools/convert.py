"""Brings weights of others into a checkpoint of ours, and takes ours out as safetensors.

python tools/convert.py import --source=DIR --part=video_encoder --output=CHECKPOINTS
python tools/convert.py export --workdir=WORKDIR --output=model.safetensors

The same as `python -m mirasol checkpoint convert SOURCE DEST`, with flags for both.

DIR holds config.json and model.safetensors, or its shards, as Hugging Face's save_pretrained writes
them; no pickle is read. The import writes a checkpoint of step 0, from which a warm start takes
parts by name, and model.gin beside it, which makes the model of the matching size. Kernels of
pictures become tubelets of several frames by --tubelet_frames=2 --inflation=average. What fits and
what does not: docs/conversion.md.
"""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Sequence
from pathlib import Path

from mirasol.checkpoint.conversion.converting import Converted, export_checkpoint, import_weights
from mirasol.checkpoint.conversion.kernels import Inflation
from mirasol.checkpoint.conversion.request import Part, Request, inflation_named, part_named
from mirasol.checkpoint.places import place
from mirasol.tool_options import ToolParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Converts as the arguments ask; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        told = given.run(given)
    except (ValueError, OSError) as error:
        print(f"convert: {error}", file=sys.stderr)
        return 2
    print(told.text())
    return 0


def _import(given: argparse.Namespace) -> Converted:
    """Imports; returns what was written."""
    request = Request(
        chunk_frames=given.chunk_frames,
        tubelet_frames=given.tubelet_frames,
        inflation=inflation_named(given.inflation),
        image_size=given.image_size,
        chunk_bands=given.chunk_bands,
    )
    return import_weights(given.source, place(given.output), part_named(given.part), request)


def _export(given: argparse.Namespace) -> Converted:
    """Exports; returns what was written."""
    return export_checkpoint(place(given.workdir), given.output, given.step)


def _parser() -> argparse.ArgumentParser:
    parser = ToolParser(description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="import|export")
    add = commands.add_parser("import", help="safetensors of others into a checkpoint").add_argument
    add("--source", type=Path, required=True, help="a folder with config.json, or a file in one")
    add("--part", help=f"{', '.join(typing.get_args(Part))}; not for what was exported here")
    add("--output", type=Path, required=True, help="folder of checkpoints to write into")
    add("--inflation", help=f"of kernels in time: {', '.join(typing.get_args(Inflation))}")
    add("--tubelet_frames", type=int, help="frames of a tubelet, for towers of pictures; default 1")
    add("--chunk_frames", type=int, help="frames of a chunk; default: of a tubelet, or theirs")
    add("--image_size", type=int, help="px; positions are resampled to it; default: theirs")
    add("--chunk_bands", type=int, help="spectrogram columns of a chunk; default: theirs")
    commands.choices["import"].set_defaults(run=_import)
    add = commands.add_parser("export", help="a checkpoint of ours into safetensors").add_argument
    add("--workdir", type=Path, required=True, help="of a run, or a folder of checkpoints")
    add("--output", type=Path, required=True, help="the file, which must not be there")
    add("--step", type=int, help="of the checkpoint; default: the newest")
    commands.choices["export"].set_defaults(run=_export)
    return parser


if __name__ == "__main__":
    sys.exit(main())
