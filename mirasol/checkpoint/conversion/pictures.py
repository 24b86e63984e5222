"""Towers of pictures as our VideoEncoder.

kernel     inflated to tubelets, takes our pixels (pixels.py)
positions  learned ones of a picture, repeated for the times of a chunk
tokens     class tokens with their positions, then registers (class_tokens.py)
blocks     name by name (transformers_in.py)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mirasol.checkpoint.conversion.class_tokens import put_class_tokens
from mirasol.checkpoint.conversion.geometry import frames_of, macros, side_of
from mirasol.checkpoint.conversion.kernels import Inflation, inflated
from mirasol.checkpoint.conversion.ledger import How, Ledger
from mirasol.checkpoint.conversion.overlay import vit_overlay
from mirasol.checkpoint.conversion.pixels import Scaling, put_kernel
from mirasol.checkpoint.conversion.position_tables import resampled
from mirasol.checkpoint.conversion.request import Request
from mirasol.checkpoint.conversion.tower_names import TowerNames
from mirasol.checkpoint.conversion.tower_sizes import TowerSizes, tower_sizes
from mirasol.checkpoint.conversion.transformers_in import put_transformer


@dataclasses.dataclass(frozen=True)
class PictureTower:
    """A kind of tower of pictures.

    Attributes:
      title: what people call it.
      names: of its tensors.
      usual: what its config.json may leave out.
      pixels: how they are scaled, unless the preprocessor says otherwise.
      kernel_bias: whether the kernel has one.
      antialias: whether its positions are smoothed before they are resampled to fewer.
    """

    title: str
    names: TowerNames
    usual: Mapping[str, Any]
    pixels: Scaling
    kernel_bias: bool = True
    antialias: bool = False

    takes = ("chunk_frames", "tubelet_frames", "inflation", "image_size")

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters the tower; returns the gin file that goes with it."""
        request.require_only(self.title, self.takes)
        sizes = tower_sizes(config, self.usual)
        root = ledger.weights.root(f"{self.names.kernel}.weight")
        tubelet_frames, chunk_frames = frames_of(request)
        side = side_of(request.image_size or sizes.config["image_size"], sizes.patch)
        self._put_kernel(ledger, root, sizes, tubelet_frames, request.inflation or "average")
        first = self._put_tables(ledger, root, sizes, side, chunk_frames // tubelet_frames)
        put_transformer(ledger, root, self.names, sizes)
        tubelet = (tubelet_frames, sizes.patch, sizes.patch)
        return vit_overlay(
            self.title,
            "video_encoder",
            sizes,
            macros(chunk_frames, side * sizes.patch, tubelet),
            {"learned_positions": True, "class_tokens": first},
            {"input_norm": bool(self.names.input_norm)},
        )

    def _put_kernel(
        self, ledger: Ledger, root: str, sizes: TowerSizes, frames: int, inflation: Inflation
    ) -> None:
        """Enters the kernel, as one of tubelets of so many frames."""
        theirs, p = f"{root}{self.names.kernel}", sizes.patch
        kernel_DCHW = ledger.weights.take(f"{theirs}.weight", sizes.width, 3, p, p)
        kernel = inflated(kernel_DCHW, frames, inflation)
        bias = f"{theirs}.bias" if self.kernel_bias else ""
        how: How = "inflated" if frames > 1 else "folded"
        put_kernel(ledger, kernel, bias, self.pixels, how, f"{theirs}.weight")

    def _put_tables(
        self, ledger: Ledger, root: str, sizes: TowerSizes, side: int, times: int
    ) -> int:
        """Enters positions for `times` pictures of side x side patches; returns class tokens."""
        names, table_name = self.names, root + self.names.positions
        # Their convolution leaves out what is over: 384 px of patches of 14 px are 27 of them.
        before = sizes.config["image_size"] // sizes.patch
        count = len(names.class_tokens)
        one = () if names.flat else (1,)
        table_ND = ledger.weights.take(table_name, *one, count + before**2, sizes.width)
        table_ND = table_ND.reshape(-1, sizes.width)
        positions_ND = resampled(table_ND[count:], before, side, self.antialias)
        made: How = "inflated" if times > 1 else "renamed"
        how = "resampled" if side != before else made
        ledger.put("patches.positions_ND", positions_ND.repeat(times, 1), how, table_name)
        return put_class_tokens(ledger, root, names, sizes, table_ND[:count])
