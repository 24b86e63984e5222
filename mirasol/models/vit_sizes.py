"""The usual sizes of a ViT by their letter.

Encoders take width, layers and heads one by one; a gin file writes them as macros, and this table
says which belong together. The feed-forward network is four times as wide in all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from mirasol.spelling import nearest


@dataclasses.dataclass(frozen=True)
class ViTSize:
    """Width D, blocks and heads K of a ViT."""

    width: int
    layers: int
    heads: int


# B, L and H: ViT (arXiv 2010.11929, table 1), which TubeViT uses too. S and Ti: DeiT (arXiv
# 2012.12877, table 1). The sizes in Mirasol3B are not known.
VIT_SIZES: Mapping[str, ViTSize] = MappingProxyType(
    {
        "Ti": ViTSize(width=192, layers=12, heads=3),
        "S": ViTSize(width=384, layers=12, heads=6),
        "B": ViTSize(width=768, layers=12, heads=12),
        "L": ViTSize(width=1024, layers=24, heads=16),
        "H": ViTSize(width=1280, layers=32, heads=16),
    }
)


def vit_size(name: str) -> ViTSize:
    """Returns the size of that name.

    Raises:
      ValueError: there is none; names those there are, and the nearest.
    """
    if name not in VIT_SIZES:
        raise ValueError(
            f"no ViT size {name!r} (there are {', '.join(VIT_SIZES)}){nearest(name, VIT_SIZES)}"
        )
    return VIT_SIZES[name]
