"""Operations of a training's steps, for what a run tells of its speed."""

from __future__ import annotations

from mirasol.batch import empty_batch
from mirasol.description.operations import train_flops
from mirasol.experiment import Experiment


class StepOperations:
    """(step) -> operations of one example of that step, forward and backward, as `describe` has it.

    Each stage of the curriculum is counted when its first step is asked for, on the meta device:
    seconds for a large model.

    Args:
      experiment: of the steps.
    """

    def __init__(self, experiment: Experiment):
        self._experiment = experiment
        self._counts: dict[int, int] = {}

    def __call__(self, step: int) -> int:
        """Returns the operations of an example of `step`, of which the first is 1."""
        number = self._stage(step)
        if number not in self._counts:
            stage = self._experiment.training.stages[number]
            shape = stage.shape(self._experiment.converter.shape)
            model = self._experiment.build_model("meta").train()
            self._counts[number] = train_flops(model, empty_batch(shape, 1, "meta"))
        return self._counts[number]

    def _stage(self, step: int) -> int:
        last = 0
        for number, stage in enumerate(self._experiment.training.stages):
            last += stage.batches or 0
            if stage.batches is None or step <= last:
                return number
        raise AssertionError("the last stage has no end")
