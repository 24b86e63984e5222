"""The same training in several layouts of processes; run in each of them by test_several.py.

    RANK=0 WORLD_SIZE=4 ... python -m tests.runtime.several CASE ...

The first process prints, as JSON, what came of each case of `CASES`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from mirasol.batch import Batch
from mirasol.launched import launch
from mirasol.models.mirasol3b import Mirasol
from mirasol.models.transformer import keep_no_activations
from mirasol.runtime.base import Runtime
from mirasol.runtime.mesh import Mesh
from mirasol.runtime.select import open_runtime
from mirasol.runtime.sharding import Sharding
from mirasol.training.optimizers import AdamW
from mirasol.training.schedules import WarmupCosine
from mirasol.training.step import train_step
from tests.models.builders import build_model, random_batch, with_combiner

CLIPS = 8
CLIP_NORM = 0.5


@dataclasses.dataclass(frozen=True)
class Case:
    """One layout, and how the step is computed."""

    mesh: Mesh
    microbatches: int = 1
    recompute: bool = False
    combiner: str = ""
    precision: str = "float32"


CASES = {
    "fsdp": Case(Mesh()),
    "data, microbatches, recomputed": Case(Mesh(data=-1, fsdp=1), microbatches=2, recompute=True),
    "tensor": Case(Mesh(tensor=2)),
    "fsdp x tensor": Case(Mesh(tensor=2), microbatches=2, recompute=True),
    "data": Case(Mesh(data=-1, fsdp=1)),
    "data x fsdp": Case(Mesh(data=2, fsdp=-1)),
    "data x fsdp, microbatches, recomputed": Case(
        Mesh(data=2, fsdp=-1), microbatches=2, recompute=True
    ),
    "token_turing": Case(Mesh(), combiner="token_turing"),
    "perceiver": Case(Mesh(), combiner="perceiver"),
    "bfloat16": Case(Mesh(), precision="bfloat16"),
}


def batch_of(step: int) -> Batch:
    """Clips of which some lack sound, pictures, or questions."""
    batch = random_batch(step, CLIPS)
    has_video_BT, has_audio_BT = batch.has_video_BT.clone(), batch.has_audio_BT.clone()
    has_audio_BT[1], has_video_BT[2, :2], has_audio_BT[2, :1] = False, False, False
    question_BQ = batch.question_BQ.clone()
    question_BQ[5:7] = False
    return dataclasses.replace(
        batch, has_video_BT=has_video_BT, has_audio_BT=has_audio_BT, question_BQ=question_BQ
    )


def built(case: Case) -> Mirasol:
    model = with_combiner(case.combiner) if case.combiner else build_model()
    model.latent_model.mask_ratio = 0.0  # Processes draw numbers of their own.
    return model.apply(keep_no_activations) if case.recompute else model


def trained(case: Case, steps: int) -> dict[str, Any]:
    """Returns the values of each step, and some numbers of what became of the model."""
    runtime = open_runtime("cpu", case.precision, Sharding(mesh=case.mesh))
    model = runtime.place(built(case)).train()
    recipe = AdamW(schedule=WarmupCosine(peak=3e-3, warmup_steps=2, total_steps=2 * steps))
    optimizer = recipe.build(model, runtime.optimizer_options())
    values = []
    for step in range(steps):
        recipe.set_rate(optimizer, step)
        values.append(
            runtime.scalars(
                train_step(
                    model,
                    optimizer,
                    mine(runtime, batch_of(step)),
                    CLIP_NORM,
                    runtime.autocast,
                    microbatches=case.microbatches,
                    total=runtime.total,
                )
            )
        )
    return {
        "values": values,
        "norms": {name: float(whole(p).norm()) for name, p in model.named_parameters()},
        "held": sum(_own(p).numel() for p in model.parameters()),
        "answers": answers(runtime, model),
        "told": runtime.describe(),
        "share": runtime.share,
    }


def answers(runtime: Runtime, model: Mirasol) -> list:
    """Returns what the model writes and how it scores, and that it can be trained on."""
    model.eval()
    batch = random_batch(3, 2)
    with runtime.whole(model), torch.no_grad(), runtime.autocast():
        written = [model.generate(batch).tolist() for _ in range(1 + runtime.share[0])]
        scored = model.score(batch, batch.answer_BQR[:, :, None])
    assert all(isinstance(p, DTensor) == launch().several for p in model.parameters())
    return [written[-1], scored.flatten().tolist()]


def mine(runtime: Runtime, batch: Batch) -> Batch:
    index, count = runtime.share
    part = len(batch.question_BQ) // count
    return batch.map(lambda tensor: tensor[index * part : (index + 1) * part])


def _own(parameter: nn.Parameter) -> torch.Tensor:
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter


def whole(parameter: nn.Parameter) -> torch.Tensor:
    parameter = parameter.detach()
    return parameter.full_tensor() if isinstance(parameter, DTensor) else parameter


@contextlib.contextmanager
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def all_of(names: list[str], steps: int) -> dict[str, dict[str, Any]]:
    with threads():
        return {name: trained(CASES[name], steps) for name in names}


if __name__ == "__main__":
    told = all_of(sys.argv[2:], int(sys.argv[1]))
    if launch().leads:
        print(json.dumps(told))
