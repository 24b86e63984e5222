"""One training step: the function that the runtimes compile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import nn

from mirasol.batch import Batch


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    clip_norm: float,
    autocast: Callable[[], AbstractContextManager] = contextlib.nullcontext,
) -> dict[str, torch.Tensor]:
    """Moves the parameters once.

    Args:
      model: in training mode; called with the batch it returns losses, "loss" among them.
      optimizer: its rate already set for this step.
      batch: on the model's device.
      clip_norm: largest norm of all gradients together.
      autocast: context of the forward pass, which sets the precision of its matrix products.

    Returns:
      The losses and "gradient_norm" (before clipping); scalars, detached, still on the device.
    """
    with autocast():
        losses = model(batch)
    losses["loss"].backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    optimizer.zero_grad()
    return {name: value.detach() for name, value in losses.items()} | {"gradient_norm": norm}
