"""What an import is asked for."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Literal

from mirasol.checkpoint.conversion.kernels import Inflation
from mirasol.spelling import nearest

Part = Literal["video_encoder", "audio_encoder", "text_decoder"]
"""The parts of our model that weights can be imported for, by their name in it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What the user may choose; None is what the weights themselves have.

    Attributes:
      chunk_frames: F, frames of a chunk; a multiple of the frames of a tubelet.
      tubelet_frames: frames of a tubelet, to which kernels of pictures are inflated.
      inflation: how.
      image_size: H = W, px; positions are resampled to it.
      chunk_bands: A, columns of a chunk; positions of the first are taken.
    """

    chunk_frames: int | None = None
    tubelet_frames: int | None = None
    inflation: Inflation | None = None
    image_size: int | None = None
    chunk_bands: int | None = None

    def require_only(self, title: str, taken: tuple[str, ...]) -> None:
        """Makes sure that nothing is asked for that has no effect, or is no positive number.

        Args:
          title: the kind of weights.
          taken: the fields that have an effect there.

        Raises:
          ValueError: names the flag.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name not in taken:
                allowed = ", ".join(f"--{name}" for name in taken) or "no such flag"
                raise ValueError(
                    f"--{field.name} has no effect on {title}, which takes {allowed}; leave it out"
                )
            if isinstance(value, int) and value < 1:
                raise ValueError(f"--{field.name} is {value}; it must be above 0")


def part_named(name: str | None) -> Part | None:
    """Returns the part of our model that a flag names; ValueError if there is none."""
    return _one_of("--part", name, typing.get_args(Part))


def inflation_named(name: str | None) -> Inflation | None:
    """Returns the inflation that a flag names; ValueError if there is none."""
    return _one_of("--inflation", name, typing.get_args(Inflation))


def _one_of(flag: str, value: str | None, allowed: tuple[str, ...]) -> Any:
    if value is not None and value not in allowed:
        raise ValueError(
            f"{flag} is {value!r}; it must be one of {', '.join(allowed)}{nearest(value, allowed)}"
        )
    return value
