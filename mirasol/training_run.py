"""A training in a working directory: what it goes on from, what it writes, how it ends.

newest sound checkpoint -> the evaluation left undone there -> steps -> the last save
none of its own         -> perhaps another run's parameters (beginning.py)
SIGTERM or SIGINT                                           -> save  -> Stopped
a step without an update to make                            -> back to the step before it -> save
                                                            -> BadStepError
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from absl import logging

from mirasol.batch import Batch
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.data.loader import BatchStream, training_batches
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol
from mirasol.runtime.base import Runtime
from mirasol.telling import device_measures, open_metrics, profiles
from mirasol.training.bad_steps import BadStepError, BadStepFile, BadSteps, Clips
from mirasol.training.evaluations import Evaluations, Scores
from mirasol.training.hooks import Every, Log, is_due
from mirasol.training.loop import train
from mirasol.training.profiling import ProfiledSteps
from mirasol.training.saving import Saving
from mirasol.training.stopping import Stop, Stopped
from mirasol.training.writers import Metrics, recorded_scores
from mirasol.training_state import TrainingState


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
      profile: steps to trace; None: none.

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
        profile: ProfiledSteps | None = None,
    ):
        self.experiment, self.workdir, self.runtime = experiment, workdir, runtime
        self.checkpoints, self.evaluate, self.profile = checkpoints, evaluate, profile
        self._bad_step_file = BadStepFile(workdir)
        pardoned = runtime.decided(self._bad_step_file.stopped_at)
        self.trained = TrainingState(experiment, runtime, model, pardoned)
        self.state = self.trained.run
        if runtime.decided(checkpoints.is_empty):
            self.trained.begin(workdir)
        else:
            self.trained.restore(checkpoints)

    def train(self, stop: Stop) -> Scores:
        """Trains to the last step; returns the last evaluation's scores, if there was one here.

        Raises:
          Stopped: a signal came; what was trained is saved.
          CheckpointError: the last save failed, again and again; older checkpoints are there.
          BadStepError: a step had no update to make, and the guard lets no more pass; the state
            before it is saved.
        """
        trainer, run = self.experiment.trainer, self.state
        if run.step >= trainer.steps and not self._unevaluated():
            logging.info("%s is trained already: %d steps", self.workdir, run.step)
            return {}
        if self.runtime.leads:
            for line in [*self.experiment.training.unreached(trainer.steps), *trainer.doubts()]:
                logging.warning(line)
        # What is open is closed after the last save: to end processes may take long.
        with contextlib.ExitStack() as opened, stop.finishing():
            writer = open_metrics(self.experiment, self.runtime, self.workdir, run.step)
            opened.callback(writer.close)
            bad_steps = self._bad_steps()
            saving = self._saving(writer, bad_steps)
            evaluations = self._evaluations(writer, stop)
            with self._saved_at_the_end(saving):
                if self._unevaluated():
                    with self.trained.answering():
                        evaluations.finish(run.step, self._recorded())
                if run.step < trainer.steps:
                    self._steps(stop, opened, writer, bad_steps, saving, evaluations)
                saving.finish()
        return evaluations.scores

    @contextlib.contextmanager
    def _saved_at_the_end(self, saving: Saving) -> Iterator[None]:
        try:
            try:
                yield
            except Stopped as stopped:
                saving.finish()  # Which may find a bad step that nobody has read yet.
                raise Stopped(stopped.number, self._outcome()) from None
        except BadStepError as bad:
            self.state.rewind(bad.step - 1)
            saving.finish()
            raise bad.with_outcome(self._outcome()) from None

    def _steps(
        self,
        stop: Stop,
        opened: contextlib.ExitStack,
        writer: Metrics,
        bad_steps: BadSteps,
        saving: Saving,
        evaluations: Evaluations,
    ) -> None:
        """Makes the steps that are left. The checkpoint comes last of what follows a step."""
        trainer, run = self.experiment.trainer, self.state
        with stop.expendable():  # The workers start, which takes seconds.
            batches = self._batches()
            opened.callback(batches.close)
            self._opened_at, self._account = run.step, batches.account
            saving.prepare()

        def broken() -> int:
            for files in self.runtime.gathered(sorted(batches.account.files)):
                run.broken_media.update(files)
            return len(run.broken_media)

        log = self._log(writer, broken, bad_steps)

        def evaluate(step: int) -> None:
            bad_steps.check()
            with self.trained.answering():
                evaluations.at(step)
            log.restart_clock()

        train(
            model=self.trained.model,
            optimizer=self.trained.optimizer,
            recipe=trainer.optimizer,
            judge=self.trained.judge,
            average=self.trained.average,
            batches=batches,
            runtime=self.runtime,
            hooks=[
                bad_steps,
                log,
                Every(trainer.evaluate_every, trainer.steps, evaluate),
                saving,
                *profiles(self.profile, self.runtime, self.workdir, run.step),
            ],
            run=run,
            stop=stop,
            last_step=trainer.steps,
            seed=trainer.seed,
            clip_norm=trainer.clip_norm,
            microbatches=trainer.microbatches,
            shapes=self.experiment.shapes(),
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
            host=self.runtime.share[0],
            hosts=self.runtime.share[1],
            broken_media=data.broken_media,
            augmentations=data.augmentations,
        )

    def _bad_steps(self) -> BadSteps:
        def note(*bad: Any) -> None:
            self.runtime.decided(lambda: self._bad_step_file.add(*bad))

        return BadSteps(fetch=self.runtime.scalars, note=note, clips=self._clips)

    def _clips(self, step: int) -> Clips:
        """Returns the clips of a step, of all processes; they must all ask."""
        own = self._account.clips.get(step - 1 - self._opened_at, ())
        each = self.runtime.gathered(own)
        alike = len(each) // self.runtime.share[1]  # So many read the same.
        return list(itertools.chain.from_iterable(each[::alike]))

    def _log(self, writer: Metrics, broken: Callable[[], int], bad_steps: BadSteps) -> Log:
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
            before=bad_steps.check,
            measures=device_measures(self.experiment, self.runtime),
        )

    def _evaluations(self, writer: Metrics, stop: Stop) -> Evaluations:
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

    def _saving(self, writer: Metrics, bad_steps: BadSteps) -> Saving:
        trainer = self.experiment.trainer

        def state() -> dict[str, Any]:
            bad_steps.check()
            return self.trained.saved()

        return Saving(
            interval=trainer.checkpoint_every,
            interval_s=trainer.checkpoint_every_s or math.inf,
            last_step=trainer.steps,
            run=self.state,
            checkpoints=self.checkpoints,
            state=state,
            before=writer.sync,
            decided=self.runtime.decided,
        )

    def _unevaluated(self) -> bool:
        """Returns whether a stop came between a step and its evaluation."""
        trainer, run = self.experiment.trainer, self.state
        due = run.step > 0 and is_due(run.step, trainer.evaluate_every, trainer.steps)
        if not due or run.evaluated == run.step:
            return False
        return not self._recorded().keys() >= set(self.experiment.evaluation.tasks)

    def _recorded(self) -> Scores:
        step, split = self.state.step, self.experiment.evaluation.split
        return self.runtime.decided(lambda: recorded_scores(self.workdir, step, split))

    def _outcome(self) -> str:
        if self.state.step == 0:
            return "nothing was trained yet; the same command starts again"
        place = self.checkpoints.place
        return f"step {self.state.step} is saved in {place}; the same command goes on from there"
