"""A session: an experiment opened in a working directory on a runtime.

workdir/  metrics.jsonl  speed.jsonl  logs/  checkpoints/  eval/<task>-<split>.json
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from absl import logging

from mirasol.batch import Batch
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state
from mirasol.data.batches import EvaluationItem
from mirasol.data.loader import BatchStream, evaluation_batches
from mirasol.data.task_service import TaskService
from mirasol.evaluation.evaluator import evaluate
from mirasol.evaluation.predictions import Answerer, Observer, predict, whole_file
from mirasol.experiment import Experiment
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime
from mirasol.training.stopping import on_signals
from mirasol.training_run import TrainingRun


class Session:
    """An open experiment. Made by `Session.open`, which also closes what it holds.

    Attributes:
      experiment: the specification.
      workdir: everything is written below it.
      runtime: where tensors live.
      model: placed on the runtime.
      step: of the parameters in the model.
      scores: task -> metric -> value of the last evaluation during training.
    """

    def __init__(self, experiment: Experiment, workdir: Path, runtime: Runtime):
        self.experiment = experiment
        self.workdir = workdir
        self.runtime = runtime
        self.model = runtime.place(experiment.build_model())
        trainer = experiment.trainer
        self.checkpoints = CheckpointManager(
            workdir / "checkpoints", trainer.keep, trainer.keep_every
        )
        self.step = 0
        self.scores: dict[str, dict[str, float]] = {}
        self._streams: dict[tuple[str, str], BatchStream] = {}
        strategy = experiment.evaluation.answers.strategy
        self._generate = runtime.compile(lambda batch: self.model.generate(batch, strategy))

    @classmethod
    @contextlib.contextmanager
    def open(cls, experiment: Experiment, workdir: Path, runtime: str) -> Iterator[Session]:
        """Opens the runtime, builds and places the model; closes its processes at the end."""
        session = cls(experiment, workdir, open_runtime(runtime, experiment.precision))
        try:
            yield session
        finally:
            session.close()

    @functools.cached_property
    def service(self) -> TaskService:
        """Answers for seqio's tasks, from a process of its own that starts when first asked."""
        return TaskService()

    def close(self) -> None:
        """Ends the processes that the session started, and a save that is under way.

        Raises:
          CheckpointError: that save failed.
        """
        for stream in self._streams.values():
            stream.close()
        if "service" in vars(self):
            self.service.close()
        self.checkpoints.close()

    def train(self) -> None:
        """Trains to the last step, from the newest sound checkpoint if there is one.

        Raises:
          Stopped: SIGTERM or SIGINT came; what was trained is saved.
        """

        def evaluate(task: str) -> dict[str, float]:
            self.step = run.state.step
            return self.evaluate(task, self.experiment.evaluation.split, self.workdir / "eval")

        with on_signals() as stop:
            run = TrainingRun(
                experiment=self.experiment,
                workdir=self.workdir,
                runtime=self.runtime,
                model=self.model,
                checkpoints=self.checkpoints,
                evaluate=evaluate,
            )
            self.scores = run.train(stop)
        self.step = run.state.step

    def evaluate(
        self, task: str, split: str, folder: Path, observers: Sequence[Observer] = ()
    ) -> dict[str, float]:
        """Answers a split; returns the task's metrics and writes them to a folder."""
        batches = self._evaluation_batches(task, split)
        return evaluate(
            answer=self._answerer(task),
            batches=batches,
            score=functools.partial(self.service.score, task),
            task=task,
            split=split,
            step=self.step,
            directory=folder,
            total=self._clips(task, split),
            observers=observers,
            left_out=lambda: batches.account.left_out,
        )

    def generate(self, batch: Batch) -> torch.Tensor:
        """Answers the questions of a batch on the host: int64 ids [B, Q, R], on the host."""
        self.model.eval()
        with self.runtime.autocast():
            return self._generate(self.runtime.transfer(batch)).cpu()

    def score(self, batch: Batch, options_BQOR: torch.Tensor) -> torch.Tensor:
        """Returns the log-probability of each option, float32 [B, Q, O], on the host."""
        self.model.eval()
        with torch.no_grad(), self.runtime.autocast():
            options_BQOR = options_BQOR.to(self.runtime.device)
            return self.model.score(self.runtime.transfer(batch), options_BQOR).cpu()

    def restore_model(self) -> None:
        """Loads the parameters of the newest checkpoint that is sound.

        Raises:
          ValueError: there is no checkpoint.
        """
        report = self.checkpoints.restore(
            {"model": model_state(self.model)}, allow_unused=["optimizer.*", "step", "run.*"]
        )
        self.step = report.step
        logging.info("%s", report)

    def write_predictions(self, task: str, split: str, output: Path) -> int:
        """Writes a JSON line an answer, made as the evaluation makes it; whole or not at all."""
        count = 0
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output) as file:
            for prediction in predict(
                answer=self._answerer(task),
                batches=self._evaluation_batches(task, split),
                title=f"{task} {split}",
                total=self._clips(task, split),
            ):
                file.write(json.dumps(prediction.row(), ensure_ascii=False) + "\n")
                count += 1
        return count

    def _answerer(self, task: str) -> Answerer:
        """Returns what answers the questions of a task, as the experiment says."""
        return self.experiment.evaluation.answers.by(
            generate=self.generate,
            score=self.score,
            vocabulary=self.experiment.converter.vocabulary,
            classes=functools.partial(self.service.classes, task),
        )

    def _evaluation_batches(self, task: str, split: str) -> BatchStream[EvaluationItem]:
        """Returns the split's batches; asked again, from the same processes and decoded clips."""
        if (task, split) not in self._streams:
            plan = self.experiment.evaluation
            converter = self.experiment.converter
            self._streams[task, split] = evaluation_batches(
                task,
                split,
                converter,
                plan.batch_size,
                plan.max_clips,
                plan.workers,
                broken_media=plan.broken_media,
            )
        return self._streams[task, split]

    def _clips(self, task: str, split: str) -> int | None:
        """Counts the clips to come, for a progress bar; None where the task does not know."""
        counts = [
            self.service.describe(task).num_clips[split],
            self.experiment.evaluation.max_clips,
        ]
        return min((count for count in counts if count is not None), default=None)
