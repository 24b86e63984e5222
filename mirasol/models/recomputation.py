"""Activation checkpointing: what lies inside a block is computed again in the backward pass.

Memory falls from all the activations of every block to one tensor a block and those of a single
block; the price is one more forward pass, a third more arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils import checkpoint

from mirasol.models.chunk_masks import ChunkMasks


def recomputed(
    function: Callable[..., torch.Tensor], x: torch.Tensor, *rest: torch.Tensor | ChunkMasks | None
) -> torch.Tensor:
    """Returns function(x, *rest), keeping only its arguments for the backward pass.

    Dropout draws the same numbers the second time.
    """
    if x.device.type != "xla":
        return checkpoint.checkpoint(function, x, *rest, use_reentrant=False)
    # torch's own fails there (2.9: "torch has no attribute xla"), and XLA would merge both passes
    # into one again; torch_xla's puts a barrier between them. A tensor on XLA has loaded it.
    from torch_xla.utils.checkpoint import checkpoint as checkpoint_on_xla

    return checkpoint_on_xla(function, x, *rest, use_reentrant=True)
