"""The blocks and norms of a tower as our Transformer."""

from __future__ import annotations

import torch

from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.tower_names import BlockNames, TowerNames
from mirasol.checkpoint.conversion.tower_sizes import TowerSizes


def put_transformer(
    ledger: Ledger, root: str, names: TowerNames, sizes: TowerSizes, final_norm: bool = True
) -> None:
    """Enters all of a transformer, as "transformer.".

    Args:
      ledger: takes it.
      root: what stands before every name of theirs.
      names: theirs.
      sizes: of the tower.
      final_norm: whether theirs has one.
    """
    for number in range(sizes.layers):
        theirs = f"{root}{names.blocks}.{number}."
        _put_block(ledger, f"transformer.blocks.{number}.", theirs, names.block, sizes)
    if names.input_norm:
        ledger.norm("transformer.input_norm", root + names.input_norm, sizes.width)
    if final_norm:
        ledger.norm("transformer.norm", root + names.norm, sizes.width)


def _put_block(
    ledger: Ledger, ours: str, theirs: str, names: BlockNames, sizes: TowerSizes
) -> None:
    D, hidden = sizes.width, sizes.hidden
    ledger.norm(ours + "attention_norm", theirs + names.attention_norm, D)
    _put_queries_and_keys(ledger, ours + "attention", theirs, names, sizes)
    scale = names.attention_scale and theirs + names.attention_scale
    ledger.linear(ours + "attention.out", theirs + names.out, D, D, scale)
    ledger.norm(ours + "feed_forward_norm", theirs + names.feed_forward_norm, D)
    ledger.linear(ours + "feed_forward.0", theirs + names.expand, hidden, D)
    scale = names.feed_forward_scale and theirs + names.feed_forward_scale
    ledger.linear(ours + "feed_forward.2", theirs + names.contract, D, hidden, scale)


def _put_queries_and_keys(
    ledger: Ledger, ours: str, theirs: str, names: BlockNames, sizes: TowerSizes
) -> None:
    D = sizes.width
    query, *key_value = (
        f"{theirs}{module}.weight" for module in (names.query, names.key, names.value)
    )
    ledger.put(f"{ours}.query.weight", ledger.weights.take(query, D, D), "renamed", query)
    joined = torch.cat([ledger.weights.take(name, D, D) for name in key_value])
    ledger.put(f"{ours}.key_value.weight", joined, "joined", *key_value)
    named = [
        theirs + name if name and sizes.biased else ""
        for name in (names.query_bias, names.key_bias, names.value_bias)
    ]
    query_D, *rest = (ledger.weights.take(name, D) if name else torch.zeros(D) for name in named)
    there = [name for name in named[1:] if name]
    ledger.put(
        f"{ours}.query.bias", query_D, "renamed" if named[0] else "made", *filter(None, named[:1])
    )
    ledger.put(f"{ours}.key_value.bias", torch.cat(rest), "joined" if there else "made", *there)
