"""Training steps as a trainer makes them, on batches of noise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch

from benchmarks.sizes import random_batch
from mirasol.batch import Batch
from mirasol.experiment import Experiment
from mirasol.runtime.base import Runtime
from mirasol.training.step import train_step
from mirasol.training_state import TrainingState


class Steps:
    """The training steps of an experiment.

    Attributes:
      noise: a batch of it on the host.
      runtime: where the steps run.

    Args:
      experiment: its model, optimizer, guard, mean, and what a step is computed in.
      runtime: where.
      compiled: whether as the runtime compiles; False: operation by operation.
    """

    def __init__(self, experiment: Experiment, runtime: Runtime, compiled: bool = True):
        self.runtime = runtime
        self._trainer = experiment.trainer
        model = runtime.place(experiment.build_model()).train()
        self._state = TrainingState(experiment, runtime, model, ())
        self.noise = random_batch(
            experiment.converter.shape,
            experiment.training.batch_size,
            model.text_decoder.vocab_size,
        )
        self._ready = itertools.repeat(runtime.transfer(self.noise))
        self._step = runtime.compile(self._function) if compiled else self._function
        self._number = 0

    def take(self, count: int, batches: Iterator[Batch] | None = None) -> None:
        """Takes so many steps and waits for the last.

        Args:
          count: how many.
          batches: on the host, one a step; None: the noise, which lies on the device already.
        """
        values: dict[str, torch.Tensor] = {}
        on_device = self._ready if batches is None else map(self.runtime.transfer, batches)
        for batch in itertools.islice(on_device, count):
            values = self._move(batch)
        self.runtime.scalars(values)

    def begin(self) -> dict[str, torch.Tensor]:
        """Takes a step on the noise; what it returns is waited for by whoever reads it."""
        return self._move(next(self._ready))

    def _move(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.runtime.seed(self._number)
        self._trainer.optimizer.set_rate(self._state.optimizer, self._number)
        self._number += 1
        self._state.judge.set_step(self._number)
        self._state.average.set_step(self._number)
        values = self._step(batch)
        self.runtime.end_step()
        return values

    def _function(self, batch: Batch) -> dict[str, torch.Tensor]:
        return train_step(
            self._state.model,
            self._state.optimizer,
            batch,
            self._trainer.clip_norm,
            self.runtime.autocast,
            microbatches=self._trainer.microbatches,
            total=self.runtime.total,
            judge=self._state.judge,
            average=self._state.average,
        )
