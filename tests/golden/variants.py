"""The variants of the model whose first losses are kept, each as the gin files that make it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirasol import config
from mirasol.config import Spec
from mirasol.gin_files import shipped_folder

_RUN = "runs/av_shapes_tiny.gin"
_LAST = "overlays/deterministic.gin"  # Neither masking nor dropout: both would draw from torch.
_SIZES = ("small", "base", "1b", "3b")
_THINNER, _SHALLOWER = 16, 8


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to state the model.

    Attributes:
      name: of its file of losses.
      files: what the run is given, the last to win last.
      shrunk: whether widths, depths and pictures are made smaller, so that a large size takes a
        moment.
    """

    name: str
    files: tuple[str, ...]
    shrunk: bool = False

    @property
    def path(self) -> Path:
        """Its file of losses."""
        return Path(__file__).parent / f"{self.name}.txt"

    def load(self) -> Spec:
        """Reads its gin files."""
        files = [_RUN, *self.files, _LAST]
        return config.load(files, _shrink(config.load(files).macros) if self.shrunk else ())


def _shrink(macros: Mapping[str, Any]) -> list[str]:
    """Returns bindings of a sixteenth of each width, an eighth of each depth, half the picture.

    Depths are rounded up. The sizes stay different from one another, their heads as many as they
    are, and the picture's side 7 patches, no power of two.
    """
    widths = [name for name in macros if name.endswith("WIDTH")]
    layers = [name for name in macros if name.endswith("_LAYERS")]
    return [
        f"IMAGE_SIZE = {macros['IMAGE_SIZE'] // 2}",
        *(f"{name} = {macros[name] // _THINNER}" for name in widths),
        *(f"{name} = {math.ceil(macros[name] / _SHALLOWER)}" for name in layers),
    ]


def _swaps() -> list[Variant]:
    """Returns the tiny model with each gin file that changes a part of it, or the weights."""
    folders = {
        "combiners": "models/combiners",
        "encoders": "models/encoders",
        "reconstruction": "models/reconstruction",
        "presets": "presets",
    }
    return [
        Variant(f"{kind}-{path.stem}", (f"{folder}/{path.name}",))
        for kind, folder in folders.items()
        for path in sorted((shipped_folder() / folder).glob("*.gin"))
    ]


def _sizes() -> list[Variant]:
    """Returns each larger size with either Combiner, on clips of 16 frames."""
    return [
        Variant(
            f"{size}-{combiner}",
            (
                f"models/mirasol_{size}.gin",
                f"models/combiners/{combiner}.gin",
                "data/frames_16.gin",
                "overlays/tiny.gin",
            ),
            shrunk=True,
        )
        for size in _SIZES
        for combiner in ("transformer", "token_turing")
    ]


def every_variant() -> dict[str, Variant]:
    """Returns name -> variant."""
    return {variant.name: variant for variant in (Variant("tiny", ()), *_swaps(), *_sizes())}
