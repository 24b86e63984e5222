"""One training step: the function that the runtimes compile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.runtime.base import Total
from mirasol.training.averaging import NO_AVERAGE, Average
from mirasol.training.clipping import clip_gradients
from mirasol.training.guard import NO_JUDGE, Judge

Values = dict[str, torch.Tensor]


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    clip_norm: float,
    autocast: Callable[[], AbstractContextManager] = contextlib.nullcontext,
    *,
    microbatches: int = 1,
    total: Total | None = None,
    judge: Judge = NO_JUDGE,
    average: Average = NO_AVERAGE,
) -> Values:
    """Moves the parameters once.

    In microbatches, and on several processes, the step is that of the whole batch at once: each
    loss is the mean over all that the step has of it, wherever that lies.

    Args:
      model: in training mode; called with the batch it returns losses, "loss" among them.
      optimizer: its rate already set for this step.
      batch: on the model's device.
      clip_norm: largest norm of all gradients together.
      autocast: context of the forward pass, which sets the precision of its matrix products.
      microbatches: how many parts the batch is computed in, one after the other: the activations in
        memory are those of one.
      total: adds scalars up over the processes that have other clips of the same step; None: this
        process has all of them. It is expected that their gradients are added up, too.
      judge: decides on the device whether the update is made.
      average: follows the parameters.

    Returns:
      The losses and "gradient_norm" (before clipping), and what the judge says; scalars, detached,
      still on the device.
    """
    if microbatches == 1 and total is None:
        losses = _backward(model, batch, None, autocast)
    else:
        parts = batch.microbatches(microbatches)
        losses = _backward_in_parts(model, parts, autocast, total or _as_they_are)
    norm = clip_gradients(model, clip_norm)
    values = judge.judge(losses | {"gradient_norm": norm})
    optimizer.step()
    average.follow(optimizer)
    optimizer.zero_grad()
    return values


def _backward(
    model: nn.Module,
    batch: Batch,
    shares: Values | None,
    autocast: Callable[[], AbstractContextManager],
) -> Values:
    with autocast():
        losses = model(batch) if shares is None else model(batch, shares)
    losses["loss"].backward()
    return {name: value.detach() for name, value in losses.items()}


def _backward_in_parts(
    model: Any,
    batches: list[Batch],
    autocast: Callable[[], AbstractContextManager],
    total: Total,
) -> Values:
    counts = [model.counts(batch) for batch in batches]
    totals = total(_sum(counts))
    losses = []
    for batch, count in zip(batches, counts, strict=True):
        shares = {name: count[name] / totals[name].clamp(min=1) for name in count}
        losses.append(_backward(model, batch, shares, autocast))
    return total(_sum(losses))


def _sum(dicts: list[Values]) -> Values:
    return {name: torch.stack([each[name] for each in dicts]).sum(0) for name in dicts[0]}


def _as_they_are(values: Values) -> Values:
    return values
