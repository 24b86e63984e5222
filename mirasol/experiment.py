"""Experiment: the frozen root of the specification, and what can be done with it.

gin file -> Experiment -> train | evaluate | infer
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from absl import logging

from mirasol import rehearsal
from mirasol.checkpoint.warm_start import WarmStart
from mirasol.data.augmentation import Augmentation
from mirasol.data.broken_media import EVERY_ONE, FEW, BrokenMedia
from mirasol.data.converter import Converter
from mirasol.data.loader import Stage
from mirasol.data.references import ClipReference, Question
from mirasol.evaluation.answers import WRITING, Answers
from mirasol.models.mirasol3b import Mirasol
from mirasol.named import SplitName, TaskName
from mirasol.numbers import require_positive
from mirasol.runtime.base import Precision, precision_dtype
from mirasol.runtime.sharding import WHOLE, Sharding
from mirasol.shareable import require_shareable
from mirasol.training.averaging import NO_AVERAGE, Average, Averaging
from mirasol.training.best import Best
from mirasol.training.curves import CurvesRecipe
from mirasol.training.guard import STOP, Guard
from mirasol.training.optimizers import Optimizer
from mirasol.training.parameter_rules import Rule, freeze, treatments
from mirasol.training.profiling import ProfiledSteps

_SEEDS = 2**32  # Those that torch, numpy and TensorFlow all take.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What is trained on.

    Attributes:
      stages: a curriculum of seqio tasks or mixtures; the last one has no end.
      batch_size: clips a step, over all hosts.
      split: of the tasks, which is trained on.
      shuffle: whether clips are shuffled anew each epoch.
      workers: processes that decode; batches do not depend on their number.
      broken_media: what becomes of clips that cannot be decoded; by default others of the same task
        stand in while at most a fifth are broken.
      augmentations: how examples are varied at random, in this order; by default not at all.

    Raises:
      ValueError: a number below 1, or stages of which not the last, and it alone, has no end.
    """

    stages: Sequence[Stage]
    batch_size: int
    split: SplitName = "train"
    shuffle: bool = True
    workers: int = 1
    broken_media: BrokenMedia = FEW
    augmentations: Sequence[Augmentation] = ()

    def __post_init__(self) -> None:
        require_positive("TrainingData", batch_size=self.batch_size, workers=self.workers)
        batches = [stage.batches for stage in self.stages]
        if [count is None for count in batches] != [False] * (len(batches) - 1) + [True]:
            raise ValueError(
                f"TrainingData.stages have {batches} batches; every stage but the last must have a "
                "number of batches, and the last must have none: it has no end"
            )

    def unreached(self, steps: int) -> list[str]:
        """Returns a line for each stage that a training of so many steps does not come to."""
        lines, before = [], 0
        for number, stage in enumerate(self.stages, 1):
            if before >= steps:
                lines.append(
                    f"stage {number} of {len(self.stages)} (task {stage.task!r}) is not reached: "
                    f"the stages before it take {before} batches, and TRAIN_STEPS is {steps}"
                )
            before += stage.batches or 0
        return lines


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What is evaluated, during training and by `eval`.

    Attributes:
      tasks: seqio tasks; each one's own metrics are used.
      batch_size: clips at a time.
      split: of the tasks, which is evaluated.
      max_clips: at most so many clips of each, None for all.
      workers: processes that decode.
      answers: written (greedily, drawn, by beam search), or chosen among options or classes.
      averaged: whether the running mean of the parameters answers, in evaluations and inference;
        else the parameters themselves.
      broken_media: what becomes of clips that cannot be decoded; by default their questions are not
        asked, and the score says how many these are.

    Raises:
      ValueError: a number below 1.
    """

    tasks: Sequence[TaskName]
    batch_size: int
    split: SplitName = "validation"
    max_clips: int | None = None
    workers: int = 1
    answers: Answers = WRITING
    averaged: bool = False
    broken_media: BrokenMedia = EVERY_ONE

    def __post_init__(self) -> None:
        numbers = {"batch_size": self.batch_size, "max_clips": self.max_clips}
        require_positive("EvaluationPlan", workers=self.workers, **numbers)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trainer:
    """How it is trained.

    Attributes:
      steps: of training, in all.
      optimizer: what makes the steps, with its schedule.
      seed: of parameters, order of the data, dropout and masking.
      clip_norm: largest norm of the gradients; the paper does not state one.
      log_every: steps between lines of `metrics.jsonl`.
      checkpoint_every: steps between checkpoints.
      evaluate_every: steps between evaluations.
      keep: newest checkpoints kept.
      keep_every: besides, the checkpoints of steps that this divides are kept; None: no others.
      keep_best: besides, the checkpoint of the best evaluation is kept, and made where none is due;
        None: none is kept for that.
      checkpoint_every_s: seconds after a checkpoint at which a step is saved that is not due; None:
        no such step.
      rules: which parameters are trained otherwise than the others, or not at all; in order.
      averaging: a running mean of the parameters, kept beside them; None: none.
      curves: where curves go besides TensorBoard's files.
      guard: what becomes of steps whose loss or gradients are not finite; by default the first of
        them ends the run.
      microbatches: parts that each step's batch is computed in, one after the other (gradient
        accumulation): activations take the memory of one. The step stays that of the whole batch.

    Raises:
      ValueError: a number is out of range.
    """

    steps: int
    optimizer: Optimizer
    seed: int
    clip_norm: float
    log_every: int
    checkpoint_every: int
    evaluate_every: int
    keep: int = 2
    keep_every: int | None = None
    keep_best: Best | None = None
    checkpoint_every_s: float | None = None
    rules: Sequence[Rule] = ()
    averaging: Averaging | None = None
    guard: Guard = STOP
    curves: Sequence[CurvesRecipe] = ()
    microbatches: int = 1

    def __post_init__(self) -> None:
        names = ("steps", "log_every", "checkpoint_every", "evaluate_every", "keep", "keep_every")
        numbers = {name: getattr(self, name) for name in names}
        require_positive("Trainer", **numbers, microbatches=self.microbatches)
        if self.checkpoint_every_s is not None and not self.checkpoint_every_s > 0:
            raise ValueError(
                f"Trainer.checkpoint_every_s is {self.checkpoint_every_s}; it must be above 0"
            )
        if not self.clip_norm > 0:
            raise ValueError(f"Trainer.clip_norm is {self.clip_norm}; it must be above 0")
        if not 0 <= self.seed < _SEEDS:
            raise ValueError(f"Trainer.seed is {self.seed}; it must be in [0, {_SEEDS})")

    def doubts(self) -> list[str]:
        """Returns a line for what is allowed and hardly meant."""
        return [] if self.averaging is None else self.averaging.doubts(self.steps)

    def average(self, model: Mirasol) -> Average:
        """Begins the running mean of a model's parameters, or what stands for none."""
        return NO_AVERAGE if self.averaging is None else self.averaging.build(model)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment, as one gin file states it.

    Attributes:
      name: of the run, for people.
      model: builds the model; called under the seed, so that a spec fixes its parameters.
      converter: from references to batches; holds the shape of an example and the vocabulary.
      training: what is trained on.
      evaluation: what is evaluated.
      trainer: how it is trained.
      precision: of matrix products, "float32" or "bfloat16"; parameters, optimizer state and losses
        are float32 either way.
      warm_start: another run's parameters, with which this one begins; by default with those that
        the seed makes.
      sharding: how it lies on several devices; by default they share parameters and batch (FSDP).

    Raises:
      ValueError: on construction, where parts do not fit each other, or no such precision.
    """

    name: str
    model: Callable[[], Mirasol]
    converter: Converter
    training: TrainingData
    evaluation: EvaluationPlan
    trainer: Trainer
    precision: Precision = "float32"
    warm_start: WarmStart | None = None
    sharding: Sharding = WHOLE

    def __post_init__(self) -> None:
        precision_dtype(self.precision)
        if self.evaluation.averaged and self.trainer.averaging is None:
            raise ValueError(
                "EvaluationPlan.averaged is True, and Trainer.averaging keeps no running mean; set "
                "Trainer.averaging = @averaging.Averaging(), or averaged = False"
            )

    def build_model(self, device: str = "cpu") -> Mirasol:
        """Builds the model with the parameters that the seed fixes.

        Raises:
          ValueError: sizes that no part can have; a vocabulary of more pieces than the decoder;
            rules for parameters that are not there.
        """
        torch.manual_seed(self.trainer.seed)
        with torch.device(device):
            model = self.model()
        rehearsal.require_room(self.converter.vocabulary, model.text_decoder)
        freeze(model, self.trainer.rules)
        return model

    def rehearse(self) -> None:
        """Tries out the parts together, without memory or arithmetic; see `try_batches`.

        Raises:
          ValueError: parts that do not fit each other, or the batch; numbers that the optimizer
            refuses; a warm start that the model does not fit.
        """
        model = self.build_model("meta")
        self.try_batches(model)
        self.try_sharing(model)
        rehearsal.try_optimizer(self.trainer.optimizer)
        self.try_rules(model)
        self.require_packages()
        self.try_warm_start(model)

    def try_batches(self, model: Mirasol) -> None:
        """Runs a batch of each stage's sizes through the experiment's model on the meta device.

        Of at most three chunks: no size of a model depends on how many more there are.

        Raises:
          ValueError: parts that do not fit each other, or the batch.
        """
        training = self.training
        rehearsal.try_batches(model, training.stages, self.converter.shape, training.batch_size)

    def try_rules(self, model: Mirasol) -> None:
        """Looks up the parameters that the trainer names.

        Raises:
          ValueError: the model has none of that name.
        """
        treatments(model, self.trainer.rules)
        self.trainer.optimizer.check(model)

    def require_packages(self) -> None:
        """Raises ValueError where a package that training needs is not installed."""
        for curves in self.trainer.curves:
            curves.require()

    def try_sharing(self, model: Mirasol, sizes: Mapping[str, int] | None = None) -> None:
        """Checks that devices can share the batches and the model's heads.

        Args:
          model: the experiment's, on any device.
          sizes: of the mesh's axes; None: of those that the experiment states, however many
            devices there will be.

        Raises:
          ExperimentError: they cannot; names what to change.
        """
        require_shareable(self, model, sizes or self.sharding.mesh.least())

    def shapes(self) -> int:
        """Returns how many different shapes the batches of the training have."""
        data, shape = self.training, self.converter.shape
        kinds = [(s.shape(shape), s.examples(data.batch_size, shape)) for s in data.stages]
        return len(set(kinds))

    def try_warm_start(self, model: Mirasol) -> None:
        """Compares what the experiment begins with, if with anything, with its model on "meta".

        Raises:
          ExperimentError: it is not there, or does not fit.
        """
        if self.warm_start is not None:
            rehearsal.try_warm_start(self.warm_start, model)

    def pinned(self) -> Experiment:
        """Returns the experiment with a warm start from the checkpoint that is the newest now.

        So that the one recorded is the one read, whatever the other run saves in between.
        """
        if self.warm_start is None:
            return self
        return dataclasses.replace(self, warm_start=self.warm_start.pinned())

    def origin(self) -> dict[str, Any] | None:
        """Returns which checkpoint a warm start begins with, as JSON values; None without one."""
        return None if self.warm_start is None else self.warm_start.find().told()

    def reads(self) -> list[tuple[str, str]]:
        """Returns each task and split that is trained on or evaluated, once."""
        pairs = [(stage.task, self.training.split) for stage in self.training.stages]
        pairs += [(task, self.evaluation.split) for task in self.evaluation.tasks]
        return list(dict.fromkeys(pairs))

    def check(self, make: bool = True) -> dict[str, Any]:
        """Looks up every task and split, and tells what their data are.

        Args:
          make: whether to make the data of tasks that make their own.

        Returns:
          "task/split" -> its identity, see `data/identity.py`.

        Raises:
          ValueError: a task or a split that is not there; names the nearest.
        """
        from mirasol.data.task_service import TaskService

        with TaskService() as service:
            for task, split in self.reads():
                service.check(task, split)
            for task, split in self.reads() if make else ():
                for line in service.prepare(task, split):
                    logging.warning("%s", line)
            found: dict[str, Any] = {}
            for task, split in self.reads():
                found |= service.identity(task, split)
            return found

    def train(
        self, workdir: Path, runtime: str, profile: ProfiledSteps | None = None
    ) -> dict[str, dict[str, float]]:
        """Trains in `workdir`, going on from its newest checkpoint if there is one.

        Args:
          workdir: everything is written below it.
          runtime: its name.
          profile: steps to trace, into `profile` in the workdir.

        Returns:
          task -> metric -> value of the last evaluation on the way; empty where there was none.

        Raises:
          ValueError: the run has fewer steps than are to be traced.
        """
        from mirasol.session import Session

        if profile is not None:
            profile.require_within(self.trainer.steps)
        with Session.open(self, workdir, runtime) as session:
            session.train(profile)
            return session.scores

    def evaluate(
        self,
        workdir: Path,
        runtime: str,
        tasks: Sequence[str] | None = None,
        split: str | None = None,
        folder: Path | None = None,
    ) -> dict[str, dict[str, float]]:
        """Evaluates the newest checkpoint: task -> metric -> value; writes files.

        Args:
          workdir: of the run.
          runtime: its name.
          tasks: by default those of the experiment.
          split: by default that of the experiment.
          folder: for the files; by default `eval` in the workdir.

        Raises:
          ValueError: no checkpoint, or an unknown task or split.
        """
        from mirasol.evaluation.contact_sheet import ContactSheet
        from mirasol.session import Session

        tasks = tasks or self.evaluation.tasks
        split = split or self.evaluation.split
        folder = folder or workdir / "eval"
        with Session.open(self, workdir, runtime) as session:
            for task in tasks:
                session.check_task(task, split)
            session.restore_model()
            return {
                task: session.evaluate(
                    task, split, folder, [ContactSheet(folder / f"{task}-{split}.png")]
                )
                for task in tasks
            }

    def infer_video(self, workdir: Path, runtime: str, video: Path, question: str) -> str:
        """Answers one question about one media file with the newest checkpoint.

        Raises:
          ValueError: no checkpoint, a question of more tokens than the model reads, or a media
            file that is missing or broken.
        """
        from mirasol.session import Session

        length = len(self.converter.vocabulary.encode(question))
        room = self.converter.shape.prompt_length
        if length > room:
            unknown = ", ".join(map(repr, self.converter.vocabulary.unknown_words(question)))
            why = f" (it spells out {unknown}, which it does not know)" if unknown else ""
            raise ValueError(
                f"the question has {length} tokens in this vocabulary{why} and the model reads "
                f"{room}; use fewer words, and those of the questions that it was trained on"
            )
        asked = Question(id="0", prompt=question, answer="", type="", row={})
        clip = ClipReference(str(video), None, None, (asked,), origin="")
        converter = self.converter.from_files()  # A file of anybody's is in no cache.
        batch = converter.batch([converter.example(clip, clip.questions)])
        with Session.open(self, workdir, runtime) as session:
            session.restore_model()
            with session.runtime.whole(session.model):
                ids_BQR = session.generate(batch)
        return self.converter.vocabulary.decode(ids_BQR[0, 0].tolist())

    def remarks(self, video: Path, question: str) -> list[str]:
        """Returns what an answer about the file is not from; see `data/remarks.py`."""
        from mirasol.data.remarks import remarks

        return remarks(self.converter, video, question)

    def infer_task(self, workdir: Path, runtime: str, task: str, split: str, output: Path) -> int:
        """Writes an answer to every question of a split as JSON lines; returns how many.

        Raises:
          ValueError: no checkpoint, or an unknown task or split.
        """
        from mirasol.session import Session

        with Session.open(self, workdir, runtime) as session:
            session.check_task(task, split)
            session.restore_model()
            return session.write_predictions(task, split, output)
