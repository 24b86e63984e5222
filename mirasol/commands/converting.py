"""The command that converts: weights of others into a checkpoint of ours, and ours into a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from mirasol.commands.printing import print_as
from mirasol.commands.request import Request, number

_NUMBERS = ("tubelet_frames", "chunk_frames", "image_size", "chunk_bands")
_FLAGS = ("part", "inflation", *_NUMBERS)
_SUFFIX = ".safetensors"


def convert(names: Sequence[str], request: Request) -> int:
    """Converts the first into the second; which way is told by what they are.

    Raises:
      ValueError: there is no such source, the two do not go together, or something is in the way;
        nothing was written.
    """
    source, output = names
    to_file = output.endswith(_SUFFIX)
    if "://" in source or Path(source).exists():  # What is not there is told by who reads it.
        _require_other_kind(source, output, to_file)
    (_export if to_file else _import)(source, output, request)
    return 0


def refuse_conversion_flags(action: str, request: Request) -> None:
    """Raises ValueError if a flag is given that `action`, which converts nothing, would ignore."""
    for flag in _FLAGS:
        if getattr(request, flag) is not None:
            raise ValueError(f"--{flag} has no effect on checkpoint {action}; it is for convert")


def _require_other_kind(source: str, output: str, to_file: bool) -> None:
    from mirasol.checkpoint.conversion.converting import is_weights

    weights = is_weights(source)
    if weights and to_file:
        raise ValueError(
            f"{source} holds safetensors, which convert to a folder of checkpoints, and {output} "
            "is the name of a file"
        )
    if not weights and not to_file:
        raise ValueError(
            f"{source} holds no safetensors; a checkpoint of ours converts to a file whose name "
            f"ends in {_SUFFIX}, and {output} does not"
        )


def _export(source: str, output: str, request: Request) -> None:
    from mirasol.checkpoint.conversion.converting import export_checkpoint
    from mirasol.checkpoint.places import place

    refuse_conversion_flags(f"convert into {_SUFFIX}", request)
    step = number("step", request.step, int)
    written = export_checkpoint(place(source), Path(output), step)
    print_as(dataclasses.asdict(written), lambda _: written.text(), request.format)


def _import(source: str, output: str, request: Request) -> None:
    from mirasol.checkpoint.conversion import request as asked
    from mirasol.checkpoint.conversion.converting import import_weights
    from mirasol.checkpoint.places import place

    if request.step is not None:
        raise ValueError(f"{source} is no checkpoint: leave out --step={request.step}")
    numbers = {flag: number(flag, getattr(request, flag), int) for flag in _NUMBERS}
    options = asked.Request(inflation=asked.inflation_named(request.inflation), **numbers)
    part = asked.part_named(request.part)
    written = import_weights(Path(source), place(output), part, options)
    print_as(dataclasses.asdict(written), lambda _: written.text(), request.format)
