"""The sizes of a tower, from config.json, and what in it our transformer cannot be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mirasol.models.activations import Activation

# Their names of a nonlinearity -> ours. "gelu_new" and "gelu_fast" are the tanh formula, too.
ACTIVATION_NAMES: Mapping[str, Activation] = MappingProxyType(
    {
        "gelu": "gelu",
        "gelu_new": "gelu_tanh",
        "gelu_fast": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "quick_gelu": "quick_gelu",
    }
)
_SQUARE = dict.fromkeys(("image_size", "patch_size"), "one whole number above 0, ours are square")
# What the types' own configurations say where config.json is silent; nested ones mostly are.
_EVERY_TOWER = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}
VIT = _EVERY_TOWER
CLIP = {**_EVERY_TOWER, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
SIGLIP = {**_EVERY_TOWER, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
DINOV2 = {**_EVERY_TOWER, "patch_size": 14, "layer_norm_eps": 1e-6, "mlp_ratio": 4.0}
VIDEOMAE = {**_EVERY_TOWER, "num_frames": 16, "tubelet_size": 2, "use_mean_pooling": True}
AST = {
    **_EVERY_TOWER,
    "num_channels": 1,
    "frequency_stride": 10,
    "time_stride": 10,
    "max_length": 1024,
    "num_mel_bins": 128,
}


@dataclasses.dataclass(frozen=True)
class TowerSizes:
    """A tower's sizes; `config` has the rest, with the type's own values filled in.

    Attributes:
      width: D.
      layers: blocks.
      heads: K.
      hidden: width inside the feed-forward networks.
      activation: by our name.
      norm_eps: of every norm.
      patch: side of a patch, px, or columns and bins.
      biased: whether queries, keys and values have biases.
      config: their words for everything.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    activation: Activation
    norm_eps: float
    patch: int
    biased: bool
    config: Mapping[str, Any]


def tower_sizes(config: Mapping[str, Any], usual: Mapping[str, Any]) -> TowerSizes:
    """Reads the sizes.

    Args:
      config: of config.json, or its part about the tower.
      usual: what the type has where config is silent.

    Raises:
      ValueError: lists all that our transformer cannot be.
    """
    full = {**usual, **config}
    refuse(no_whole_numbers(full, usual))
    refuse(_misfits(full, usual["num_channels"]))
    width = full["hidden_size"]
    hidden = width * full["mlp_ratio"] if "mlp_ratio" in usual else full["intermediate_size"]
    return TowerSizes(
        width=width,
        layers=full["num_hidden_layers"],
        heads=full["num_attention_heads"],
        hidden=int(hidden),
        activation=ACTIVATION_NAMES[full["hidden_act"]],
        norm_eps=full["layer_norm_eps"],
        patch=full["patch_size"],
        # VideoMAE's word for it was that of the others, and is now its own.
        biased=full.get("qkv_bias", True) and full.get("qv_bias", True),
        config=full,
    )


def refuse(misfits: list[str]) -> None:
    """Raises one ValueError for all that does not fit, if anything does not."""
    if misfits:
        raise ValueError("config.json does not fit our model: " + "; ".join(misfits))


def unknown_activation(name: Any) -> list[str]:
    """Returns what is wrong with a nonlinearity: one line, or none."""
    if name in ACTIVATION_NAMES:
        return []
    return [f"the nonlinearity {name!r} (there are {', '.join(ACTIVATION_NAMES)})"]


def no_whole_numbers(full: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    """Returns a line for each size that is no whole number above 0."""
    sizes = {name: full[name] for name, value in usual.items() if type(value) is int}
    return [
        f"{name} is {size!r}: it must be {_SQUARE.get(name, 'a whole number above 0')}"
        for name, size in sizes.items()
        if type(size) is not int or size < 1
    ]


def uneven_heads(width: int, heads: int) -> list[str]:
    """Returns what is wrong with a number of heads: one line, or none."""
    return [f"{heads} heads do not divide a width of {width}"] if width % heads else []


def _misfits(full: Mapping[str, Any], channels: int) -> list[str]:
    lines = unknown_activation(full["hidden_act"])
    lines += uneven_heads(full["hidden_size"], full["num_attention_heads"])
    if full.get("use_swiglu_ffn"):
        lines.append("use_swiglu_ffn: our feed-forward network has no gate")
    if full["num_channels"] != channels:
        lines.append(f"num_channels is {full['num_channels']}, and ours take {channels}")
    return lines
