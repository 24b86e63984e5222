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
from mirasol.models.mirasol3b import Mirasol

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
    _check_shares(experiment, question.devices)
    model = experiment.build_model("meta")
    steps = [_step(experiment, model, stage) for stage in experiment.training.stages]
    number = max(range(len(steps)), key=lambda index: steps[index].peak)
    largest = steps[number]
    parts = _parts(experiment, model, largest)
    shape = experiment.converter.shape
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
        "mesh": _mesh(experiment, model, question.devices, number),
        "time": time,
        "tokens": shapes.tokens(model),
        "shapes": shapes.walk(model.eval(), shape, experiment.training.batch_size),
    }


def _parts(experiment: Experiment, model: Mirasol, step: StepMemory) -> list[dict[str, Any]]:
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


def _step(experiment: Experiment, model: Mirasol, stage: Stage, devices: int = 1) -> StepMemory:
    whole = experiment.converter.shape
    clips = share_of_batch(stage.size(experiment.training.batch_size), devices)
    examples = clips * (whole.chunks // stage.shape(whole).chunks)
    return step_memory(experiment, stage.shape(whole), examples, model)


def _bytes(step: StepMemory) -> dict[str, int]:
    return {
        "parameters": step.parameters,
        "gradients": step.gradients,
        "optimizer": step.optimizer,
        "batch": step.batch,
        "activations": step.peak,
    }


def _check_shares(experiment: Experiment, devices: int | None) -> None:
    """Raises ValueError unless the devices can share the batch of every stage."""
    if devices is None:
        return
    for stage in experiment.training.stages:
        share_of_batch(stage.size(experiment.training.batch_size), devices)


def _mesh(
    experiment: Experiment, model: Mirasol, devices: int | None, number: int
) -> dict[str, Any] | None:
    """Plans the stage of that number."""
    if devices is None:
        return None
    stage = experiment.training.stages[number]
    share = share_of_batch(stage.size(experiment.training.batch_size), devices)
    return plan(_step(experiment, model, stage, devices), devices, share)
