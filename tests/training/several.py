"""Bad steps and a running mean in several processes; run in each by test_several.py.

    RANK=0 WORLD_SIZE=2 ... python -m tests.training.several STEPS CASE ...

The first process prints, as JSON, what came of each case of `CASES`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from typing import Any

import torch

from mirasol.launched import launch
from mirasol.runtime.mesh import Mesh
from mirasol.runtime.select import open_runtime
from mirasol.runtime.sharding import Sharding
from mirasol.training.adafactor import Adafactor
from mirasol.training.averaging import Averaging
from mirasol.training.guard import Guard, GuardJudge
from mirasol.training.masking import mask_of
from mirasol.training.muon import Muon
from mirasol.training.optimizers import AdamW, Optimizer
from mirasol.training.parameter_rules import ParameterRule, freeze
from mirasol.training.schedules import Constant
from mirasol.training.step import train_step
from tests.models.builders import build_model
from tests.runtime.several import CLIP_NORM, batch_of, mine, threads, whole

# Step -> the row of its batch that is NaN, in the share of the last process.
BAD = {2: 7}


SHARED = Mesh()


@dataclasses.dataclass(frozen=True)
class Case:
    """A layout, and what makes the steps."""

    recipe: type[Optimizer]
    mesh: Mesh = SHARED
    peak: float = 3e-3


CASES = {
    "adamw": Case(AdamW),
    "adamw, tensor": Case(AdamW, Mesh(tensor=2)),
    "muon": Case(Muon),
    "muon, tensor": Case(Muon, Mesh(tensor=2)),
    "adafactor": Case(Adafactor, peak=1e-2),
    "adafactor, tensor": Case(Adafactor, Mesh(tensor=2), peak=1e-2),
}
RULES = (
    ParameterRule(pattern="video_encoder.*", frozen=True),
    ParameterRule(pattern="combiner.*", rate=0.5),
)


def trained(case: Case, steps: int) -> dict[str, Any]:
    """Returns the values of each step, and sizes of all that a checkpoint would hold."""
    runtime = open_runtime("cpu", "float32", Sharding(mesh=case.mesh))
    model = build_model()
    model.latent_model.mask_ratio = 0.0  # Processes draw numbers of their own.
    freeze(model, RULES)
    model = runtime.place(model).train()
    recipe = case.recipe(schedule=Constant(peak=case.peak))
    optimizer = recipe.build(model, runtime.optimizer_options(), RULES)
    average = Averaging(decay=0.5).build(model)
    runtime.lay_out(average.tensors)
    judge = GuardJudge(Guard(skips=1), mask_of(optimizer), largest=runtime.largest)
    values = []
    for step in range(1, steps + 1):
        batch = batch_of(step)
        if step in BAD:
            batch.audio_BTAS[BAD[step]] = math.nan
        recipe.set_rate(optimizer, step - 1)
        judge.set_step(step)
        average.set_step(step)
        told = train_step(
            model,
            optimizer,
            mine(runtime, batch),
            CLIP_NORM,
            runtime.autocast,
            total=runtime.total,
            judge=judge,
            average=average,
        )
        values.append(runtime.scalars(told))
    live = dict(model.named_parameters())
    with average.in_place():
        answering = sizes(live)
    return {
        "values": runtime.gathered(values),
        "parameters": sizes(live),
        "means": sizes(average.tensors),
        "answering": answering,
        "state": sizes(
            {
                f"{name}.{kind}": tensor
                for name, each in live.items()
                for kind, tensor in optimizer.state[each].items()
            }
        ),
    }


def sizes(tensors: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float(moved(name, whole(each)).double().norm()) for name, each in tensors.items()}


def moved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Leaves out the biases of keys, which lie before those of values.

    They move no attention, so their gradient is rounding alone, another on each CPU; an optimizer
    that divides by a gradient's size makes steps of it all the same.
    """
    return tensor.chunk(2)[1] if ".key_value.bias" in name and tensor.ndim else tensor


def all_of(names: list[str], steps: int) -> dict[str, dict[str, Any]]:
    with threads():
        return {name: trained(CASES[name], steps) for name in names}


if __name__ == "__main__":
    told = all_of(sys.argv[2:], int(sys.argv[1]))
    if launch().leads:
        print(json.dumps(told))
