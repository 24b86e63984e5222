"""A session: an experiment opened in a working directory on a runtime.

workdir/  metrics.jsonl  speed.jsonl  logs/  checkpoints/  eval/<task>-<split>.json
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from absl import logging

from mirasol.batch import Batch
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state
from mirasol.data.batches import EvaluationItem
from mirasol.data.loader import BatchStream, evaluation_batches
from mirasol.data.task_service import TaskService
from mirasol.evaluation.evaluator import evaluate, follow
from mirasol.evaluation.predictions import (
    Answerer,
    Observer,
    clips_to_come,
    predict,
)
from mirasol.evaluation.rounds import Rounds, Told
from mirasol.experiment import Experiment
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime
from mirasol.training.averaging import AVERAGE, averaged_parameters
from mirasol.training.profiling import ProfiledSteps
from mirasol.training.stopping import Stop, on_signals
from mirasol.training_run import TrainingRun
from mirasol.whole_file import whole_file


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
            workdir / "checkpoints", trainer.keep, trainer.keep_every, fetch=runtime.fetch
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
        session = cls(
            experiment, workdir, open_runtime(runtime, experiment.precision, experiment.sharding)
        )
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

    def train(self, profile: ProfiledSteps | None = None) -> None:
        """Trains to the last step, from the newest sound checkpoint if there is one.

        Args:
          profile: steps to trace.

        Raises:
          Stopped: SIGTERM or SIGINT came; what was trained is saved.
        """

        def evaluate(task: str) -> dict[str, float]:
            self.step = run.state.step
            split, folder = self.experiment.evaluation.split, self.workdir / "eval"
            return self.evaluate(task, split, folder, stop=stop)

        with on_signals() as stop, stop.together(self.runtime.agreed):
            run = TrainingRun(
                experiment=self.experiment,
                workdir=self.workdir,
                runtime=self.runtime,
                model=self.model,
                checkpoints=self.checkpoints,
                evaluate=evaluate,
                profile=profile,
            )
            self.scores = run.train(stop)
        self.step = run.state.step

    def evaluate(
        self,
        task: str,
        split: str,
        folder: Path,
        observers: Sequence[Observer] = (),
        stop: Stop | None = None,
    ) -> dict[str, float]:
        """Answers a split; returns the task's metrics and writes them to a folder.

        A signal that `stop` hears ends it between two batches.
        """
        parts = self._parts(task, split) | {"check": (stop or Stop()).check}
        with self.runtime.whole(self.model):
            if not self.runtime.leads:
                return follow(Rounds(**parts), self.runtime.decided)
            return evaluate(
                **parts,
                score=functools.partial(self.service.score, task),
                task=task,
                split=split,
                step=self.step,
                directory=folder,
                total=self._clips(task, split),
                observers=observers,
                decided=self.runtime.decided,
            )

    def generate(self, batch: Batch) -> torch.Tensor:
        """Answers the questions of a batch on the host: int64 ids [B, Q, R], on the host."""
        self.model.eval()
        with self.runtime.autocast():
            return self.runtime.to_host(self._generate(self.runtime.transfer_same(batch)))

    def score(self, batch: Batch, options_BQOR: torch.Tensor) -> torch.Tensor:
        """Returns the log-probability of each option, float32 [B, Q, O], on the host."""
        self.model.eval()
        with torch.no_grad(), self.runtime.autocast():
            options_BQOR = options_BQOR.to(self.runtime.device)
            return self.runtime.to_host(
                self.model.score(self.runtime.transfer_same(batch), options_BQOR)
            )

    def restore_model(self) -> None:
        """Loads the parameters of the newest checkpoint that is sound, or their running mean.

        Raises:
          ValueError: there is no checkpoint.
        """
        state = {"model": model_state(self.model)}
        unused = ["optimizer.*", "step", "run.*", "guard.*"]
        if self.experiment.evaluation.averaged:
            means = averaged_parameters(self.model)
            # By identity: tied parameters stand there by two names.
            own = {id(each) for each in means.values()}
            filled = [name for name, each in state["model"].items() if id(each) in own]
            for name in filled:
                del state["model"][name]
            state[AVERAGE] = dict(means)
            unused += [f"model.{name}" for name in filled]
        else:
            unused.append(f"{AVERAGE}.*")
        report = self.checkpoints.restore(state, allow_unused=unused)
        self.step = report.step
        logging.info("%s", report)

    def write_predictions(self, task: str, split: str, output: Path) -> int:
        """Writes a JSON line an answer, made as the evaluation makes it; whole or not at all."""
        rounds = Rounds(**self._parts(task, split))
        with self.runtime.whole(self.model):
            if not self.runtime.leads:
                return sum(len(each) for answered in rounds for each in answered)
            count = 0
            output.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(output) as file:
                total = self._clips(task, split)
                for prediction in predict(rounds, title=f"{task} {split}", total=total):
                    file.write(json.dumps(prediction.row(), ensure_ascii=False) + "\n")
                    count += 1
            return count

    def check_task(self, task: str, split: str) -> None:
        """Makes sure that a task and its split exist.

        Raises:
          ValueError: they do not; names the nearest.
        """
        self.runtime.decided(lambda: self.service.check(task, split))

    def _parts(self, task: str, split: str) -> dict[str, Any]:
        """Returns what the answers to a split are made by."""
        batches = self._evaluation_batches(task, split)
        return {
            "answer": self._answerer(task),
            "batches": batches,
            "left_out": lambda: batches.account.left_out,
            "gathered": self._gathered,
        }

    def _gathered(self, told: Told) -> list[Told]:
        """Returns what each process tells; of those that read the same batches, one tells."""
        each = self.runtime.gathered(told)
        failed = any(told.failed for told in each)
        alike = len(each) // self.runtime.answering[1]
        return [dataclasses.replace(told, failed=failed) for told in each[::alike]]

    def _answerer(self, task: str) -> Answerer:
        """Returns what answers the questions of a task, as the experiment says."""
        return self.experiment.evaluation.answers.by(
            generate=self.generate,
            score=self.score,
            vocabulary=self.experiment.converter.vocabulary,
            classes=lambda: self.runtime.decided(lambda: self.service.classes(task)),
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
                host=self.runtime.answering[0],
                hosts=self.runtime.answering[1],
                broken_media=plan.broken_media,
            )
        return self._streams[task, split]

    def _clips(self, task: str, split: str) -> int | None:
        """Counts the clips to come, for a progress bar; None where the task does not know."""
        known = self.service.describe(task).num_clips[split]
        return clips_to_come(known, self.experiment.evaluation.max_clips)
