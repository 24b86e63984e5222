"""The description of an experiment as JSON values; text.py renders it, differences.py compares it.

{
  "experiment":  its name
  "tree":        the root's node, see tree.py
  "parts":       [{"name", "parameters", "forward_flops", "backward_flops", "activation_bytes"}]
  "total":       the same of the whole model
  "example":     {"frames", "chunks", "questions"} that the operations are of
  "stages":      [{"task", "batches", "examples", "activation_bytes"}]
  "memory":      {"parameters", "gradients", "optimizer", "average", "batch", "activations"}, bytes
  "training":    {"rules", "trained", "frozen"}, see trained.py
  "mesh":        a plan for several devices, see devices.py; null
  "time":        see remaining.py; null
  "tokens":      {"video", "audio", "combined"} of a chunk
  "shapes":      [{"name", "shape", "dtype"}] on the way of one batch of the last stage
}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mirasol.batch import empty_batch
from mirasol.config import Spec
from mirasol.data.loader import Stage
from mirasol.description import shapes
from mirasol.description.devices import plan, share_of_batch
from mirasol.description.machines import Machine
from mirasol.description.memory import StepMemory, step_memory
from mirasol.description.messages import passing
from mirasol.description.operations import flops_by_part
from mirasol.description.parts import OTHER, PARTS, parameters_by_part
from mirasol.description.remaining import Progress, remaining
from mirasol.description.trained import trained
from mirasol.description.tree import tree
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol

Description = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked besides the experiment itself.

    Attributes:
      devices: plan for so many; None: no plan.
      machine: what kind they are of; None: any.
      steps_per_second: a rate to tell the time by; None: that of `done`.
      done: how far a run has come; None: not begun.
    """

    devices: int | None = None
    machine: Machine | None = None
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
    model = experiment.build_model("meta")
    sizes = _sizes(experiment, model, question.devices)
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
        "memory": _bytes(largest, experiment.trainer.microbatches),
        "training": trained(model, experiment.trainer.rules),
        "mesh": sizes and _mesh(experiment, model, sizes, number, question.machine),
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


def _step(
    experiment: Experiment, model: Mirasol, stage: Stage, sizes: Mapping[str, int] | None = None
) -> StepMemory:
    """Returns the memory of a device, of its examples in one microbatch; by default of the one."""
    parts = experiment.trainer.microbatches
    examples = _examples(experiment, stage, sizes) // parts
    return step_memory(experiment, stage.shape(experiment.converter.shape), examples, model)


def _examples(experiment: Experiment, stage: Stage, sizes: Mapping[str, int] | None) -> int:
    whole = stage.examples(experiment.training.batch_size, experiment.converter.shape)
    return whole if sizes is None else share_of_batch(whole, sizes)


def _bytes(step: StepMemory, microbatches: int) -> dict[str, int]:
    return {
        "parameters": step.parameters,
        "gradients": step.gradients,
        "optimizer": step.optimizer,
        "average": step.average,
        "batch": step.batch * microbatches,
        "activations": step.peak,
    }


def _sizes(experiment: Experiment, model: Mirasol, devices: int | None) -> dict[str, int] | None:
    """Returns the mesh that so many devices make.

    Raises:
      ValueError: they make none, or cannot share the batches or the heads.
    """
    if devices is None:
        return None
    sizes = experiment.sharding.mesh.sizes(devices)
    experiment.try_sharing(model, sizes)
    return sizes


def _mesh(
    experiment: Experiment,
    model: Mirasol,
    sizes: Mapping[str, int],
    number: int,
    machine: Machine | None,
) -> dict[str, Any]:
    """Plans the stage of that number."""
    stage = experiment.training.stages[number]
    shape = stage.shape(experiment.converter.shape)
    return plan(
        experiment,
        model,
        sizes=sizes,
        passed=passing(model, shape, experiment.sharding, sizes["tensor"]),
        local=_step(experiment, model, stage, sizes),
        examples=_examples(experiment, stage, sizes),
        machine=machine,
    )
