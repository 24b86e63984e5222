"""The loop. It reads as prose; everything that it does between steps is a hook."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from mirasol.batch import Batch
from mirasol.runtime.base import Runtime
from mirasol.training.averaging import Average
from mirasol.training.guard import Judge
from mirasol.training.hooks import Hook
from mirasol.training.optimizers import Optimizer
from mirasol.training.run_state import RunState
from mirasol.training.step import train_step
from mirasol.training.stopping import Stop


def step_seed(seed: int, step: int) -> int:
    """Returns the seed of one step's randomness; a run resumed at any step draws the same."""
    return (seed * 1_000_003 + step) % 2**31


def train(
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Optimizer,
    judge: Judge,
    average: Average,
    batches: Iterator[Batch],
    runtime: Runtime,
    hooks: Sequence[Hook],
    run: RunState,
    stop: Stop,
    last_step: int,
    seed: int,
    clip_norm: float,
    microbatches: int = 1,
    shapes: int = 1,
) -> None:
    """Trains from where `run` is to `last_step`.

    Between two steps the state is whole, so there a signal ends the loop, by Stopped; and within
    the first one, of which nothing need be kept.

    Args:
      model: placed by the runtime.
      optimizer: built by `recipe` on the model.
      recipe: sets the learning rate of each step.
      judge: decides whether the update of a step is made.
      average: follows the parameters.
      batches: the first one is that of the first step; on the host.
      runtime: where the step runs.
      hooks: called after every step, in order; closed at the end in any case.
      run: where the training is; its step counts on.
      stop: hears the signals.
      last_step: steps in all.
      seed: of the run.
      clip_norm: largest norm of the gradients.
      microbatches: parts that a step is computed in.
      shapes: how many different ones the batches have.
    """

    def step_function(batch: Batch) -> dict[str, torch.Tensor]:
        return train_step(
            model,
            optimizer,
            batch,
            clip_norm,
            runtime.autocast,
            microbatches=microbatches,
            total=runtime.total,
            judge=judge,
            average=average,
        )

    compiled_step = runtime.compile(step_function, shapes)

    def move(step: int, batch: Batch) -> dict[str, torch.Tensor]:
        batch = runtime.transfer(batch)
        model.train()
        runtime.seed(step_seed(seed, step))
        recipe.set_rate(optimizer, step)
        judge.set_step(step + 1)
        average.set_step(step + 1)
        values = compiled_step(batch)
        runtime.end_step()
        return values

    first_step = run.step
    with contextlib.ExitStack() as stack:
        for hook in hooks:
            stack.callback(hook.close)
        for step in range(first_step, last_step):
            with stop.interruptible(patiently=True):
                batch = next(batches)
            stop.check()
            with stop.expendable() if step == first_step else contextlib.nullcontext():
                values = move(step, batch)
            run.step = step + 1
            for hook in hooks:
                hook.after_step(run.step, len(batch.question_BQ) * runtime.share[1], values)
