"""A parsed command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

Number = TypeVar("Number", int, float)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A parsed command line; flags that were not given are None or empty.

    Attributes:
      arguments: the whole line, for the record.
      bindings: "NAME = VALUE" of each --gin.NAME=VALUE.
      operands: words that are no flags.

    Raises:
      ValueError: the workdir is no path.
    """

    arguments: Sequence[str] = ()
    bindings: Sequence[str] = ()
    gin_file: Sequence[str] = ()
    workdir: str | None = None
    runtime: str = "auto"
    profile: str | None = None
    task: Sequence[str] = ()
    split: str | None = None
    video: str | None = None
    question: str | None = None
    output: str | None = None
    devices: str | None = None
    steps_per_second: str | None = None
    dry_run: bool = False
    operands: Sequence[str] = ()
    sample: str = "64"
    format: str = "text"
    strict: bool = False
    list_all: bool = False
    step: str | None = None
    part: str | None = None
    inflation: str | None = None
    tubelet_frames: str | None = None
    chunk_frames: str | None = None
    image_size: str | None = None
    chunk_bands: str | None = None

    def __post_init__(self) -> None:
        if "://" in (self.workdir or ""):
            raise ValueError(
                f"--workdir={self.workdir} is an address, and a workdir is a folder; mount the "
                "bucket, and give the folder"
            )


def number(flag: str, given: str | None, kind: Callable[[str], Number]) -> Number | None:
    """Returns the number that a flag was given, None where it was not.

    Raises:
      ValueError: it is no such number.
    """
    if given is None:
        return None
    try:
        return kind(given)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"--{flag}={given} is not {what}") from None
