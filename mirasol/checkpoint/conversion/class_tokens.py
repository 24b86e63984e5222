"""Class tokens and registers, which stand before the patches."""

from __future__ import annotations

import torch

from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.tower_names import TowerNames
from mirasol.checkpoint.conversion.tower_sizes import TowerSizes


def put_class_tokens(
    ledger: Ledger,
    root: str,
    names: TowerNames,
    sizes: TowerSizes,
    positions_ND: torch.Tensor,
) -> int:
    """Enters class tokens with their positions added, and registers, which have none.

    Args:
      ledger: takes them.
      root: what stands before every name of theirs.
      names: theirs.
      sizes: of the tower.
      positions_ND: of the class tokens.

    Returns:
      How many tokens these are.
    """
    D, one = sizes.width, () if names.flat else (1, 1)
    sources = [root + name for name in names.class_tokens]
    found = [
        ledger.weights.take(name, *one, D).reshape(1, D) + position_D
        for name, position_D in zip(sources, positions_ND, strict=True)
    ]
    if names.registers:
        sources.append(root + names.registers)
        count = sizes.config["num_register_tokens"]
        found.append(ledger.weights.take(sources[-1], 1, count, D)[0])
    if not found:
        return 0
    tokens_ND = torch.cat(found)
    ledger.put("patches.first.tokens_ND", tokens_ND, "folded", *sources)
    return len(tokens_ND)
