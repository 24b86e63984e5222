"""VideoMAE's encoder (arXiv 2203.12602) as our VideoEncoder: its kernel is of tubelets already."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mirasol.checkpoint.conversion.geometry import macros, require_multiple, side_of
from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.overlay import vit_overlay
from mirasol.checkpoint.conversion.pixels import IMAGENET, put_kernel
from mirasol.checkpoint.conversion.position_tables import videomae_table
from mirasol.checkpoint.conversion.request import Request
from mirasol.checkpoint.conversion.tower_names import VIDEOMAE
from mirasol.checkpoint.conversion.tower_sizes import VIDEOMAE as VIDEOMAE_SIZES
from mirasol.checkpoint.conversion.tower_sizes import TowerSizes, tower_sizes
from mirasol.checkpoint.conversion.transformers_in import put_transformer


@dataclasses.dataclass(frozen=True)
class VideoMae:
    """VideoMAE's encoder."""

    title = "VideoMAE"
    takes = ("chunk_frames", "image_size")

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters the tower; returns the gin file that goes with it."""
        request.require_only(self.title, self.takes)
        sizes = tower_sizes(config, VIDEOMAE_SIZES)
        frames, p = sizes.config["tubelet_size"], sizes.patch
        chunk_frames = request.chunk_frames or sizes.config["num_frames"]
        require_multiple(chunk_frames, frames)
        side = side_of(request.image_size or sizes.config["image_size"], p)
        root = ledger.weights.root(f"{VIDEOMAE.kernel}.weight")
        _put_kernel(ledger, root, sizes)
        table_ND = videomae_table(chunk_frames // frames * side**2, sizes.width)
        ledger.put("patches.positions_ND", table_ND, "made")
        # With mean pooling the norm stands behind the mean, in the head.
        final_norm = not sizes.config["use_mean_pooling"]
        put_transformer(ledger, root, VIDEOMAE, sizes, final_norm)
        return vit_overlay(
            self.title,
            "video_encoder",
            sizes,
            macros(chunk_frames, side * p, (frames, p, p)),
            {"learned_positions": True, "class_tokens": 0},
            {"final_norm": final_norm},
        )


def _put_kernel(ledger: Ledger, root: str, sizes: TowerSizes) -> None:
    name, p = f"{root}{VIDEOMAE.kernel}", sizes.patch
    shape = (sizes.width, 3, sizes.config["tubelet_size"], p, p)
    kernel = ledger.weights.take(f"{name}.weight", *shape)
    put_kernel(ledger, kernel, f"{name}.bias", IMAGENET, "folded", f"{name}.weight")
