"""Sizes on the way of one batch: tensors in, what each part makes of them, losses out."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from mirasol.batch import Batch, ExampleShape, empty_batch
from mirasol.description.parts import PARTS
from mirasol.models.mirasol3b import Mirasol


def tokens(model: Mirasol) -> dict[str, int]:
    """Returns the tokens of a chunk: of each encoder, and what the Combiner makes of them."""
    return {
        "video": model.video_encoder.tokens,
        "audio": model.audio_encoder.tokens,
        "combined": model.combiner.out_tokens,
    }


def walk(model: Mirasol, shape: ExampleShape, examples: int) -> list[dict[str, Any]]:
    """Returns {"name", "shape", "dtype"} of each tensor of a batch, each part's output, each loss.

    Args:
      model: in evaluation mode, on the meta device.
      shape: of an example.
      examples: in the batch, B.
    """
    batch = empty_batch(shape, examples, "meta")
    steps = [_told(each.name, getattr(batch, each.name)) for each in dataclasses.fields(Batch)]
    hooks = [
        getattr(model, part).register_forward_hook(
            lambda module, inputs, output, part=part: steps.append(_told(part, output))
        )
        for part in PARTS
    ]
    with torch.no_grad():
        losses = model(batch)
    for hook in hooks:
        hook.remove()
    return steps + [_told(name, value) for name, value in losses.items()]


def _told(name: str, tensor: torch.Tensor) -> dict[str, Any]:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return {"name": name, "shape": list(tensor.shape), "dtype": dtype}
