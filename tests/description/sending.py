"""One of two processes that count what they tell each other in a step; prints it beside the plan.

Prints {axis: [bytes that one device sends by the plan, bytes by the collectives' tensors]}.
"""

from __future__ import annotations

import json
import math
from typing import Any

import torch
from torch import distributed
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mirasol import config
from mirasol.batch import empty_batch
from mirasol.description.messages import Lying, passing, sent
from mirasol.launched import launch
from mirasol.runtime.select import open_runtime
from mirasol.training.step import train_step

HEADS = [f"{part}HEADS = 4" for part in ("", "VIDEO_", "AUDIO_", "DECODER_", "RECONSTRUCTION_")]
SMALL = [*HEADS, "BATCH_SIZE = 2", "Trainer.microbatches = 1"]
AXES = {
    "data": ("overlays/data_parallel.gin",),
    "fsdp": ("overlays/fsdp.gin",),
    "tensor": ("overlays/tensor.gin",),
}
# Times the ring's (N - 1) / N.
TIMES = {"gather": 1, "scatter": 1, "reduce": 2}


class Counting(TorchDispatchMode):
    """Adds up the bytes that a device sends in collectives, as rings do them."""

    sent = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        kinds = [kind for kind in TIMES if kind in func.name().lower()]
        if kinds and func.namespace in ("c10d", "_c10d_functional"):
            size = _processes(args)
            # The whole is in the arguments, or what comes back, whichever is larger.
            whole = max(leaf.nbytes for leaf in tree_leaves((args, result)) if _is_tensor(leaf))
            self.sent += TIMES[kinds[0]] * (size - 1) / size * whole
        return result


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor)


def _processes(args: tuple) -> int:
    """Returns how many talk: the group stands among the arguments, itself or by its name."""
    for arg in args:
        if isinstance(arg, torch.ScriptObject) and "ProcessGroup" in str(arg._type()):
            return distributed.ProcessGroup.unbox(arg).size()
        if isinstance(arg, str) and arg not in ("sum", "avg", "max"):
            return distributed.distributed_c10d._resolve_process_group(arg).size()
    raise AssertionError(f"no group among {args}")


def both(axis: str) -> list[float]:
    experiment = config.load(["runs/av_shapes_tiny.gin", *AXES[axis]], SMALL).build()
    whole, shape = experiment.build_model("meta"), experiment.converter.shape
    runtime = open_runtime("cpu", "float32", experiment.sharding)
    rows = experiment.training.batch_size // runtime.share[1]
    sizes = experiment.sharding.mesh.sizes(launch().world)
    passed = passing(whole, shape, experiment.sharding, sizes["tensor"])
    lying = Lying(whole, experiment.sharding, sizes)
    planned = sent(lying, passed, examples=rows, microbatches=1, width=4)
    model = runtime.place(experiment.build_model()).train()
    optimizer = experiment.trainer.optimizer.build(model, runtime.optimizer_options())
    batch = empty_batch(shape, rows)
    with Counting() as counting:
        train_step(model, optimizer, batch, math.inf, runtime.autocast, total=runtime.total)
    return [planned[axis], counting.sent]


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = {axis: both(axis) for axis in AXES}
    if launch().leads:
        print(json.dumps(found))
