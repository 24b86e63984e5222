"""The memory of one device of several: a plan, for there is no sharded trainer yet.

Fully sharded data parallelism (FSDP, ZeRO stage 3): each of N devices keeps one Nth of parameters,
gradients and optimizer state, and works on one Nth of the batch with all its activations.
"""

from __future__ import annotations

import math
from typing import Any

from mirasol.description.memory import StepMemory

ASSUMPTIONS = (
    "a plan: the trainer runs on one device so far",
    "fully sharded data parallel: parameters, gradients and optimizer state in equal shares",
    "a device has all activations of its own share of the batch",
    "the two largest transformer blocks' parameters are whole at a time, one in use and the next",
    "not counted: buffers of the network, of kernels and of the allocator",
)


def share_of_batch(examples: int, devices: int) -> int:
    """Returns the examples of a batch that one device gets.

    Raises:
      ValueError: fewer than one device, or the batch cannot be shared equally.
    """
    if devices < 1:
        raise ValueError(f"--devices={devices}; it must be above 0")
    if examples % devices:
        near = math.ceil(examples / devices) * devices
        raise ValueError(
            f"--devices={devices} cannot share a batch of {examples} equally; set BATCH_SIZE to a "
            f"multiple, such as --gin.BATCH_SIZE={near}"
        )
    return examples // devices


def plan(local: StepMemory, devices: int, examples: int) -> dict[str, Any]:
    """Returns the bytes of one device.

    Args:
      local: a step of its own share of the batch.
      devices: N.
      examples: of that share.
    """
    sharded = {
        "parameters": local.parameters,
        "gradients": local.gradients,
        "optimizer": local.optimizer,
    }
    parts = {name: math.ceil(size / devices) for name, size in sharded.items()}
    # One device has all of its parameters whole already.
    parts["gathered"] = 2 * local.largest_block if devices > 1 else 0
    parts |= {"batch": local.batch, "activations": local.peak}
    return {
        "devices": devices,
        "examples": examples,
        "bytes": parts,
        "total_bytes": sum(parts.values()),
        "assumptions": list(ASSUMPTIONS),
    }
