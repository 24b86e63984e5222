"""The description of an experiment as JSON values; text.py renders it, differences.py compares it.

{
  "experiment":  its name
  "tree":        the root's node, see tree.py
  "parts":       [{"name", "parameters", "forward_flops", "backward_flops", "activation_bytes"}]
  "total":       the same of the whole model
  "example":     {"frames", "chunks", "questions"} that the operations are of
  "stages":      [{"task", "batches", "examples", "activation_bytes"}]
  "memory":      {"parameters", "gradients", "optimizer", "batch", "activations"} in bytes
  "mesh":        a plan for several devices, see devices.py; null
  "time":        see remaining.py; null
  "tokens":      {"video", "audio", "combined"} of a chunk
  "shapes":      [{"name", "shape", "dtype"}] on the way of one batch of the last stage
}
"""

from __future__ import annotations

import dataclasses
from typing import Any

from mirasol.batch import empty_batch
from mirasol.config import Spec
from mirasol.data.loader import Stage
from mirasol.description import shapes
from mirasol.description.devices import plan, share_of_batch
from mirasol.description.memory import StepMemory, step_memory
from mirasol.description.operations import flops_by_part
from mirasol.description.parts import OTHER, PARTS, parameters_by_part
from mirasol.description.remaining import Progress, remaining
from mirasol.description.tree import tree
from mirasol.experiment import Experiment

Description = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked besides the experiment itself.

    Attributes:
      devices: plan for so many; None: no plan.
      steps_per_second: a rate to tell the time by; None: that of `done`.
      done: how far a run has come; None: not begun.
    """

    devices: int | None = None
    steps_per_second: float | None = None
    done: Progress | None = None


def describe(spec: Spec, question: Question | None = None) -> Description:
    """Returns the description; the model is built without memory.

    Raises:
      ValueError: what `train` would refuse; a batch that the devices cannot share.
    """
    question = question or Question()
    experiment = spec.build()
    experiment.rehearse()
    time = remaining(experiment, question.done, question.steps_per_second)
    mesh = _mesh(experiment, question.devices)
    steps = [_step(experiment, stage) for stage in experiment.training.stages]
    largest = max(steps, key=lambda step: step.peak)
    parts = _parts(experiment, largest)
    shape = experiment.converter.shape
    model = experiment.build_model("meta").eval()
    return {
        "experiment": experiment.name,
        "tree": tree(spec.wiring),
        "parts": parts,
        "total": {name: sum(p[name] for p in parts) for name in parts[0] if name != "name"},
        "example": {"frames": shape.frames, "chunks": shape.chunks, "questions": shape.questions},
        "stages": [
            {**_stage(experiment, stage), "activation_bytes": step.peak}
            for stage, step in zip(experiment.training.stages, steps, strict=True)
        ],
        "memory": _bytes(largest),
        "mesh": mesh,
        "time": time,
        "tokens": shapes.tokens(model),
        "shapes": shapes.walk(model, shape, experiment.training.batch_size),
    }


def _parts(experiment: Experiment, step: StepMemory) -> list[dict[str, Any]]:
    model = experiment.build_model("meta")
    counts = parameters_by_part(model)
    forward, backward = flops_by_part(model, empty_batch(experiment.converter.shape, 1, "meta"))
    return [
        {
            "name": name,
            "parameters": counts[name],
            "forward_flops": forward[name],
            "backward_flops": backward[name],
            "activation_bytes": step.activations.get(name, 0),
        }
        for name in (*PARTS, OTHER)
    ]


def _stage(experiment: Experiment, stage: Stage) -> dict[str, Any]:
    examples = stage.examples(experiment.training.batch_size, experiment.converter.shape)
    return {"task": stage.task, "batches": stage.batches, "examples": examples}


def _step(experiment: Experiment, stage: Stage, devices: int = 1) -> StepMemory:
    whole = experiment.converter.shape
    clips = share_of_batch(stage.size(experiment.training.batch_size), devices)
    examples = clips * (whole.chunks // stage.shape(whole).chunks)
    return step_memory(experiment, stage.shape(whole), examples)


def _bytes(step: StepMemory) -> dict[str, int]:
    return {
        "parameters": step.parameters,
        "gradients": step.gradients,
        "optimizer": step.optimizer,
        "batch": step.batch,
        "activations": step.peak,
    }


def _mesh(experiment: Experiment, devices: int | None) -> dict[str, Any] | None:
    if devices is None:
        return None
    stages = experiment.training.stages
    size = experiment.training.batch_size
    shares = [share_of_batch(stage.size(size), devices) for stage in stages]
    steps = [_step(experiment, stage, devices) for stage in stages]
    share, largest = max(zip(shares, steps, strict=True), key=lambda pair: pair[1].peak)
    return plan(largest, devices, share)
