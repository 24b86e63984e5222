"""GPT-2 as our TextDecoder.

The two differ in what ours has besides: cross-attention to the clip, here with an output of zeros,
so that at first the decoder is GPT-2 whatever it looks at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.overlay import overlay
from mirasol.checkpoint.conversion.request import Request
from mirasol.checkpoint.conversion.tower_sizes import (
    ACTIVATION_NAMES,
    no_whole_numbers,
    refuse,
    uneven_heads,
    unknown_activation,
)

# What GPT-2's own configuration says where config.json is silent.
USUAL = {
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_inner": None,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
}


@dataclasses.dataclass(frozen=True)
class Gpt2:
    """GPT-2's decoder."""

    title = "GPT-2"
    takes = ()

    def convert(self, ledger: Ledger, config: Mapping[str, Any], request: Request) -> str:
        """Enters the decoder; returns the gin file that goes with it."""
        request.require_only(self.title, self.takes)
        full = {**USUAL, **config}
        refuse(no_whole_numbers(full, USUAL))
        refuse(_misfits(full))
        root, D = ledger.weights.root("wte.weight"), full["n_embd"]
        for number in range(full["n_layer"]):
            _put_block(ledger, f"blocks.{number}.", f"{root}h.{number}.", D)
        ledger.norm("norm", f"{root}ln_f", D)
        table = ledger.weights.take(f"{root}wpe.weight", full["n_positions"], D)
        ledger.put("positions.table.weight", table, "renamed", f"{root}wpe.weight")
        _put_embeddings(ledger, root, full["vocab_size"], D, full["tie_word_embeddings"])
        return self._overlay(full)

    def _overlay(self, full: Mapping[str, Any]) -> str:
        sizes = {
            "VOCAB_SIZE": full["vocab_size"],
            "DECODER_WIDTH": full["n_embd"],
            "DECODER_LAYERS": full["n_layer"],
            "DECODER_HEADS": full["n_head"],
        }
        arguments = {
            "tied": full["tie_word_embeddings"],
            "activation": ACTIVATION_NAMES[full["activation_function"]],
            "embedding_scale": 1.0,
            "max_positions": full["n_positions"],
            "causal_prompt": True,
        }
        decoder = {"decoder.TextDecoder": arguments}
        return overlay(self.title, "text_decoder", ("decoder",), sizes, decoder)


def _put_embeddings(ledger: Ledger, root: str, vocab_size: int, D: int, tied: bool) -> None:
    read = f"{root}wte.weight"
    written = read if tied else "lm_head.weight"
    for ours, theirs in (("embedding.weight", read), ("out.weight", written)):
        ledger.put(ours, ledger.weights.take(theirs, vocab_size, D), "renamed", theirs)


def _put_block(ledger: Ledger, ours: str, theirs: str, D: int) -> None:
    ledger.norm(f"{ours}self_norm", f"{theirs}ln_1", D)
    joint = f"{theirs}attn.c_attn"
    weight = ledger.weights.take(f"{joint}.weight", D, 3 * D).T
    bias = ledger.weights.take(f"{joint}.bias", 3 * D)
    for name, rows in (("query", slice(0, D)), ("key_value", slice(D, 3 * D))):
        own = f"{ours}self_attention.{name}"
        ledger.put(f"{own}.weight", weight[rows].clone(), "transposed", f"{joint}.weight")
        ledger.put(f"{own}.bias", bias[rows].clone(), "renamed", f"{joint}.bias")
    _put_conv1d(ledger, f"{ours}self_attention.out", f"{theirs}attn.c_proj", D, D)
    ledger.norm(f"{ours}feed_forward_norm", f"{theirs}ln_2", D)
    _put_conv1d(ledger, f"{ours}feed_forward.0", f"{theirs}mlp.c_fc", D, 4 * D)
    _put_conv1d(ledger, f"{ours}feed_forward.2", f"{theirs}mlp.c_proj", 4 * D, D)
    ledger.put(f"{ours}cross_attention.out.weight", torch.zeros(D, D), "made")
    ledger.put(f"{ours}cross_attention.out.bias", torch.zeros(D), "made")


def _put_conv1d(ledger: Ledger, ours: str, theirs: str, inputs: int, outputs: int) -> None:
    """Enters a linear map that GPT-2 keeps transposed."""
    weight = ledger.weights.take(f"{theirs}.weight", inputs, outputs).T
    ledger.put(f"{ours}.weight", weight, "transposed", f"{theirs}.weight")
    ledger.put(
        f"{ours}.bias", ledger.weights.take(f"{theirs}.bias", outputs), "renamed", f"{theirs}.bias"
    )


def _misfits(full: Mapping[str, Any]) -> list[str]:
    lines = unknown_activation(full["activation_function"])
    inner, width = full["n_inner"], full["n_embd"]
    lines += uneven_heads(width, full["n_head"])
    if inner not in (None, 4 * width):
        lines.append(f"n_inner is {inner}: ours is 4 * n_embd, {4 * width}")
    if full["layer_norm_epsilon"] != 1e-5:
        lines.append(f"layer_norm_epsilon is {full['layer_norm_epsilon']}: ours is 1e-5")
    if not full["scale_attn_weights"] or full["scale_attn_by_inverse_layer_idx"]:
        lines.append("attention is not scaled by 1 / sqrt(D / K) alone")
    return lines
