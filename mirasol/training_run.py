"""A training in a working directory: what it goes on from, what it writes, how it ends.

newest sound checkpoint -> the evaluation left undone there -> steps -> the last save
SIGTERM or SIGINT                                           -> save  -> Stopped
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import logging

from mirasol.batch import Batch
from mirasol.beginning import begin
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import training_state
from mirasol.data.loader import BatchStream, training_batches
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol
from mirasol.runtime.base import Runtime
from mirasol.training.evaluations import Evaluations, Scores
from mirasol.training.hooks import Every, Log, is_due
from mirasol.training.loop import train
from mirasol.training.run_state import RunState
from mirasol.training.saving import Saving
from mirasol.training.stopping import Stop, Stopped
from mirasol.training.writers import MetricsWriter, recorded_scores


class TrainingRun:
    """The training of an experiment. Made, it is where the newest sound checkpoint left it.

    Attributes:
      state: where it is.

    Args:
      experiment: the specification.
      workdir: everything is written below it.
      runtime: where tensors live.
      model: placed on the runtime; filled from the checkpoint.
      checkpoints: of the workdir.
      evaluate: (task) -> metrics, of the model as it is.

    Raises:
      CheckpointError: there are checkpoints, and none is sound, or they do not fit.
    """

    def __init__(
        self,
        *,
        experiment: Experiment,
        workdir: Path,
        runtime: Runtime,
        model: Mirasol,
        checkpoints: CheckpointManager,
        evaluate: Callable[[str], dict[str, float]],
    ):
        self.experiment, self.workdir = experiment, workdir
        self.runtime, self.model = runtime, model
        self.checkpoints, self.evaluate = checkpoints, evaluate
        recipe = experiment.trainer.optimizer
        self.optimizer = recipe.build(model, runtime.optimizer_options())
        self.state = RunState()
        if checkpoints.is_empty():
            begin(experiment, model, runtime, workdir)
        else:
            self._restore()

    def train(self, stop: Stop) -> Scores:
        """Trains to the last step; returns the last evaluation's scores, if there was one here.

        Raises:
          Stopped: a signal came; what was trained is saved.
          CheckpointError: a save failed; older checkpoints are as they were.
        """
        trainer, run = self.experiment.trainer, self.state
        if run.step >= trainer.steps and not self._unevaluated():
            logging.info("%s is trained already: %d steps", self.workdir, run.step)
            return {}
        for line in self.experiment.training.unreached(trainer.steps):
            logging.warning(line)
        # What is open is closed after the last save: to end processes may take long.
        with contextlib.ExitStack() as opened, stop.finishing():
            writer = MetricsWriter(self.workdir, run.step)
            opened.callback(writer.close)
            saving, evaluations = self._saving(writer), self._evaluations(writer, stop)
            try:
                if self._unevaluated():
                    evaluations.finish(run.step, self._recorded())
                if run.step < trainer.steps:
                    self._steps(stop, opened, writer, saving, evaluations)
                saving.finish()
            except Stopped as stopped:
                saving.finish()
                raise Stopped(stopped.number, self._outcome()) from None
        return evaluations.scores

    def _restore(self) -> None:
        values = RunState().values(self.runtime.scalars)
        report = self.checkpoints.restore_training(self.model, self.optimizer, values)
        self.runtime.settle(self.optimizer.state_dict())
        self.state.take(values)
        logging.info("Going on from step %d: %s", self.state.step, report)

    def _steps(
        self,
        stop: Stop,
        opened: contextlib.ExitStack,
        writer: MetricsWriter,
        saving: Saving,
        evaluations: Evaluations,
    ) -> None:
        """Makes the steps that are left. The checkpoint comes last of what follows a step."""
        trainer, run = self.experiment.trainer, self.state
        with stop.expendable():  # The workers start, which takes seconds.
            batches = self._batches()
            opened.callback(batches.close)
            saving.prepare()

        def broken() -> int:
            run.broken_media.update(batches.account.files)
            return len(run.broken_media)

        log = self._log(writer, broken)

        def evaluate(step: int) -> None:
            evaluations.at(step)
            log.restart_clock()

        train(
            model=self.model,
            optimizer=self.optimizer,
            recipe=trainer.optimizer,
            batches=batches,
            runtime=self.runtime,
            hooks=[log, Every(trainer.evaluate_every, trainer.steps, evaluate), saving],
            run=run,
            stop=stop,
            last_step=trainer.steps,
            seed=trainer.seed,
            clip_norm=trainer.clip_norm,
        )

    def _batches(self) -> BatchStream[Batch]:
        data = self.experiment.training
        return training_batches(
            stages=data.stages,
            split=data.split,
            converter=self.experiment.converter,
            batch_size=data.batch_size,
            seed=self.experiment.trainer.seed,
            shuffle=data.shuffle,
            workers=data.workers,
            first_batch=self.state.step,
            broken_media=data.broken_media,
            augmentations=data.augmentations,
        )

    def _log(self, writer: MetricsWriter, broken: Callable[[], int]) -> Log:
        trainer = self.experiment.trainer
        return Log(
            interval=trainer.log_every,
            first_step=self.state.step,
            last_step=trainer.steps,
            rate=trainer.optimizer.schedule,
            fetch=self.runtime.scalars,
            graphs=self.runtime.compiled_graphs,
            writer=writer,
            broken=broken,
            sums=self.state.sums,
        )

    def _evaluations(self, writer: MetricsWriter, stop: Stop) -> Evaluations:
        plan = self.experiment.evaluation
        return Evaluations(
            tasks=plan.tasks,
            split=plan.split,
            evaluate=self.evaluate,
            writer=writer,
            run=self.state,
            best=self.experiment.trainer.keep_best,
            stop=stop,
        )

    def _saving(self, writer: MetricsWriter) -> Saving:
        trainer = self.experiment.trainer

        def state() -> dict[str, Any]:
            values = self.state.values(self.runtime.scalars)
            return {**training_state(self.model, self.optimizer), **values}

        return Saving(
            interval=trainer.checkpoint_every,
            interval_s=trainer.checkpoint_every_s or math.inf,
            last_step=trainer.steps,
            run=self.state,
            checkpoints=self.checkpoints,
            state=state,
            before=writer.sync,
        )

    def _unevaluated(self) -> bool:
        """Returns whether a stop came between a step and its evaluation."""
        trainer, run = self.experiment.trainer, self.state
        due = run.step > 0 and is_due(run.step, trainer.evaluate_every, trainer.steps)
        if not due or run.evaluated == run.step:
            return False
        return not self._recorded().keys() >= set(self.experiment.evaluation.tasks)

    def _recorded(self) -> Scores:
        return recorded_scores(self.workdir, self.state.step, self.experiment.evaluation.split)

    def _outcome(self) -> str:
        if self.state.step == 0:
            return "nothing was trained yet; the same command starts again"
        place = self.checkpoints.directory
        return f"step {self.state.step} is saved in {place}; the same command goes on from there"
