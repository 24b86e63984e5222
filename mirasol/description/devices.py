"""One device of several in a training step: a plan of its memory and of what it sends.

Of what runs on several devices nothing was measured on GPUs or TPUs; docs/scaling.md has plans.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mirasol.description.machines import Machine
from mirasol.description.memory import StepMemory
from mirasol.description.messages import Lying, Passing, sent
from mirasol.experiment import Experiment
from mirasol.models.mirasol3b import Mirasol
from mirasol.runtime.base import precision_dtype
from mirasol.runtime.mesh import AXES

ASSUMPTIONS = (
    "a plan: nothing of it was measured on GPUs or TPUs",
    "parameters lie by the rules of the Sharding; what an axis does not divide is whole",
    "the optimizer keeps as much of a cut parameter as of a whole one, in the same pieces",
    "gathered: the two largest layers, one in use and the next, and all that is in no layer",
    "activations: all of the device's clips, though tensor devices share some of them",
    "not counted: buffers of the network, of kernels and of the allocator",
    "sent: by rings; parameters and activations in the precision of matrix products, gradients in "
    "float32",
)
RATES = "seconds: at the makers' full rates, lower than any real ones; a real step may overlap them"


def share_of_batch(examples: int, sizes: Mapping[str, int]) -> int:
    """Returns the examples of a batch that one device gets; they are known to be shareable."""
    return examples // (sizes["data"] * sizes["fsdp"])


def plan(
    experiment: Experiment,
    model: Mirasol,
    *,
    sizes: Mapping[str, int],
    local: StepMemory,
    passed: Passing,
    examples: int,
    machine: Machine | None = None,
) -> dict[str, Any]:
    """Returns what a device holds and sends.

    Args:
      experiment: of it, the rules, the precision and the microbatches.
      model: of the experiment, on the meta device.
      sizes: of the mesh's axes.
      local: a step of one microbatch of one device.
      passed: what forward and backward of one example do, with so many tensor devices.
      examples: of one device, in all its microbatches.
      machine: the kind of device, for what it has room for and how long things take; None: any.
    """
    parts = experiment.trainer.microbatches
    width = precision_dtype(experiment.precision).itemsize
    lying = Lying(model, experiment.sharding, sizes)
    held = _held(lying, local, parts, width)
    messages = sent(lying, passed, examples, parts, width)
    operations = passed.operations * examples / sizes["tensor"]
    return {
        "devices": math.prod(sizes.values()),
        "mesh": dict(sizes),
        "examples": examples,
        "microbatches": parts,
        "bytes": held,
        "total_bytes": sum(held.values()),
        "sent_bytes": {axis: round(size) for axis, size in messages.items()},
        "operations": operations,
        "machine": machine and _against(machine, sizes, messages, operations),
        "assumptions": [*ASSUMPTIONS, *([RATES] if machine else [])],
    }


def _held(lying: Lying, local: StepMemory, parts: int, width: int) -> dict[str, int]:
    whole = sum(p.numel() for p in lying.model.parameters() if p.requires_grad)
    trained = lying.held(trained=True)
    return {
        "parameters": lying.held() * 4,
        "gradients": trained * 4,
        "optimizer": math.ceil(local.optimizer * trained / whole),
        "average": math.ceil(local.average * trained / whole),
        # One device has all of its parameters whole already.
        "gathered": lying.gathered() * width if lying.sizes["fsdp"] > 1 else 0,
        "batch": local.batch * parts,
        "activations": local.peak,
    }


def _against(
    machine: Machine, sizes: Mapping[str, int], messages: Mapping[str, float], operations: float
) -> dict[str, Any]:
    strides = {axis: math.prod(sizes[a] for a in AXES[n + 1 :]) for n, axis in enumerate(AXES)}
    return {
        "title": machine.title,
        "memory_bytes": machine.memory,
        "arithmetic_s": operations / machine.peak,
        "messages_s": {
            axis: machine.seconds(size, strides[axis], sizes[axis])
            for axis, size in messages.items()
        },
    }
