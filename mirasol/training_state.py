"""What a training moves from step to step, and a checkpoint holds.

model.    optimizer.    average.   guard.     the tensors, each by name of parameter or alone
step      run.                                where it is, see training/run_state.py
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from absl import logging

from mirasol.beginning import begin
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import training_state
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol
from mirasol.runtime.base import Runtime
from mirasol.training.averaging import AVERAGE
from mirasol.training.guard import GuardJudge
from mirasol.training.masking import mask_of
from mirasol.training.run_state import RunState


class TrainingState:
    """A model with all that its training keeps beside it, on the runtime.

    Attributes:
      model: as it was given.
      optimizer: of its parameters.
      average: the running mean of its parameters, or what stands for none.
      judge: of the steps.
      run: where the training is.

    Args:
      experiment: the specification.
      runtime: where tensors live.
      model: placed on the runtime.
      pardoned: steps that may be bad once more than the guard says.
    """

    def __init__(
        self, experiment: Experiment, runtime: Runtime, model: Mirasol, pardoned: Collection[int]
    ):
        self._experiment, self._runtime = experiment, runtime
        trainer = experiment.trainer
        self.model = model
        self.optimizer = trainer.optimizer.build(model, runtime.optimizer_options(), trainer.rules)
        self.average = trainer.average(model)
        runtime.lay_out(training_state(model, self.optimizer)["optimizer"])
        runtime.lay_out(self.average.tensors)
        undone = mask_of(self.optimizer)
        self.judge = GuardJudge(trainer.guard, undone, pardoned, runtime.largest)
        self.run = RunState()

    def begin(self, workdir: Path) -> None:
        """Takes another run's parameters, if the experiment begins with some; see beginning.py."""
        begin(self._experiment, self.model, self._runtime, workdir)
        self.average.begin()

    def restore(self, checkpoints: CheckpointManager) -> None:
        """Goes on from the newest sound checkpoint.

        Raises:
          CheckpointError: none is sound, or they do not fit.
        """
        values = self.run.values(self._runtime.scalars) | self._beside()
        report = checkpoints.restore_training(self.model, self.optimizer, values)
        self._runtime.settle(self.optimizer.state_dict())
        self._runtime.settle(self._beside())
        self.run.take(values)
        logging.info("Going on from step %d: %s", self.run.step, report)

    def saved(self) -> dict[str, Any]:
        """Returns what is saved, the tensors live."""
        values = self.run.values(self._runtime.scalars)
        return {**training_state(self.model, self.optimizer), **values, **self._beside()}

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Has the model be what is to be evaluated while the block runs."""
        if not self._experiment.evaluation.averaged:
            yield
            return
        with self.average.in_place():
            self._runtime.end_step()
            yield
        self._runtime.end_step()

    def _beside(self) -> dict[str, Any]:
        """Returns the tensors that are saved beside the model's and the optimizer's, live.

        Where the guard lets none pass, there never is a row of skipped steps.
        """
        beside: dict[str, Any] = {AVERAGE: self.average.tensors} if self.average.tensors else {}
        if self._experiment.trainer.guard.skips:
            beside["guard"] = {"row": self.judge.row}
        return beside
