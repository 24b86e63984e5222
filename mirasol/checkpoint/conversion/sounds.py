"""AST, the Audio Spectrogram Transformer (arXiv 2104.01778), as our AudioEncoder.

Its patches go through frequency first, ours through time: positions are transposed, and so is the
kernel. What it is given is standardised otherwise than ours, see docs/conversion.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mirasol.checkpoint.conversion.class_tokens import put_class_tokens
from mirasol.checkpoint.conversion.kernels import as_matrix
from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.overlay import vit_overlay
from mirasol.checkpoint.conversion.request import Request
from mirasol.checkpoint.conversion.tower_names import AST
from mirasol.checkpoint.conversion.tower_sizes import AST as AST_SIZES
from mirasol.checkpoint.conversion.tower_sizes import TowerSizes, tower_sizes
from mirasol.checkpoint.conversion.transformers_in import put_transformer


@dataclasses.dataclass(frozen=True)
class Ast:
    """AST's tower."""

    title = "AST"
    takes = ("chunk_bands",)

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters the tower; returns the gin file that goes with it."""
        request.require_only(self.title, self.takes)
        sizes = tower_sizes(config, AST_SIZES)
        root = ledger.weights.root(f"{AST.kernel}.weight")
        bands = request.chunk_bands or sizes.config["max_length"]
        _put_kernel(ledger, root, sizes)
        first = _put_tables(ledger, root, sizes, bands)
        put_transformer(ledger, root, AST, sizes)
        return self._overlay(sizes, bands, first)

    def _overlay(self, sizes: TowerSizes, bands: int, first: int) -> str:
        full, p = sizes.config, sizes.patch
        stride = (full["time_stride"], full["frequency_stride"])
        return vit_overlay(
            self.title,
            "audio_encoder",
            sizes,
            {"CHUNK_BANDS": bands, "MEL_BINS": full["num_mel_bins"], "AUDIO_PATCH": (p, p)},
            {"stride": stride, "learned_positions": True, "class_tokens": first},
            {},
        )


def _put_kernel(ledger: Ledger, root: str, sizes: TowerSizes) -> None:
    name, p = f"{root}{AST.kernel}", sizes.patch
    kernel_DCSA = ledger.weights.take(f"{name}.weight", sizes.width, 1, p, p)
    matrix_DX = as_matrix(kernel_DCSA.transpose(2, 3))
    ledger.put("patches.project.weight", matrix_DX, "transposed", f"{name}.weight")
    bias_D = ledger.weights.take(f"{name}.bias", sizes.width)
    ledger.put("patches.project.bias", bias_D, "renamed", f"{name}.bias")


def _put_tables(ledger: Ledger, root: str, sizes: TowerSizes, bands: int) -> int:
    """Enters the positions of the first `bands` columns; returns the tokens before."""
    full, p = sizes.config, sizes.patch
    if not p <= bands <= full["max_length"]:
        raise ValueError(
            f"--chunk_bands is {bands}; these weights know positions of {p} to "
            f"{full['max_length']} columns"
        )
    in_frequency = (full["num_mel_bins"] - p) // full["frequency_stride"] + 1
    in_time, wanted = (
        (columns - p) // full["time_stride"] + 1 for columns in (full["max_length"], bands)
    )
    count, name = len(AST.class_tokens), root + AST.positions
    table_ND = ledger.weights.take(name, 1, count + in_frequency * in_time, sizes.width)[0]
    grid_SAD = table_ND[count:].unflatten(0, (in_frequency, in_time))
    positions_ND = grid_SAD[:, :wanted].transpose(0, 1).flatten(0, 1)
    ledger.put("patches.positions_ND", positions_ND, "transposed", name)
    return put_class_tokens(ledger, root, AST, sizes, table_ND[:count])
