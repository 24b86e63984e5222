"""The same few steps on one device, on XLA and shared by two processes; prints values as JSON.

    python -m tests.training.elsewhere xla
    python -m tests.training.elsewhere fsdp FILE     FILE: where two processes meet

Every recipe makes 6 steps with a guard and a running mean; the gradients of step 4 are NaN. In a
process of its own, because the kind of XLA device is fixed for one, and a group of processes, too.
"""

import json
import math
import sys

import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime
from mirasol.training.adafactor import Adafactor
from mirasol.training.averaging import Averaging
from mirasol.training.guard import SKIPPED, Guard, GuardJudge
from mirasol.training.masking import mask_of
from mirasol.training.muon import Muon
from mirasol.training.optimizers import AdamW, Optimizer
from mirasol.training.parameter_rules import ParameterRule
from mirasol.training.schedules import WarmupCosine
from tests.training.small_model import small_model, tokens

STEPS, BAD = 6, 4
SCHEDULE = WarmupCosine(peak=0.02, warmup_steps=2, total_steps=STEPS - 1)
RECIPES: dict[str, Optimizer] = {
    "adamw": AdamW(schedule=SCHEDULE),
    "adafactor": Adafactor(schedule=SCHEDULE, weight_decay=0.1),
    "muon": Muon(schedule=SCHEDULE),
}
RULES = [ParameterRule(pattern="blocks.0.*", rate=0.5)]


def full(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if isinstance(tensor, dist.tensor.DTensor) else tensor


class Trainee:
    """The small model with all that goes on in an update."""

    def __init__(self, recipe: Optimizer, runtime: Runtime, shard=lambda model: model):
        self.runtime, self.recipe = runtime, recipe
        self.model = shard(runtime.place(small_model()))
        self.optimizer = recipe.build(self.model, runtime.optimizer_options(), RULES)
        self.average = Averaging(decay=0.8, start_step=2).build(self.model)
        self.judge = GuardJudge(Guard(skips=1), mask_of(self.optimizer))
        self.update = runtime.compile(self._update)

    def _update(self, tokens_BL: torch.Tensor, factor: torch.Tensor) -> dict[str, torch.Tensor]:
        loss = self.model(tokens_BL)["loss"] * factor
        loss.backward()
        norm = full(nn.utils.clip_grad_norm_(self.model.parameters(), 1.0))
        values = self.judge.judge({"loss": loss.detach(), "gradient_norm": norm})
        self.optimizer.step()
        self.average.follow(self.optimizer)
        self.optimizer.zero_grad()
        return values

    def step(self, number: int) -> dict[str, float]:
        device = self.runtime.device
        factor = torch.tensor(math.nan if number == BAD else 1.0).to(device)
        self.recipe.set_rate(self.optimizer, number - 1)
        self.judge.set_step(number)
        self.average.set_step(number)
        values = self.update(tokens(number).to(device), factor)
        self.runtime.end_step()
        return self.runtime.scalars(values)

    def told(self) -> dict:
        values, graphs = [], []
        for number in range(1, STEPS + 1):
            values.append(self.step(number))
            graphs.append(self.runtime.compiled_graphs())
        live = [
            full(each).detach()
            for each in (*self.model.parameters(), *self.average.tensors.values())
        ]
        sums = [each.double().abs().sum().item() for each in self.runtime.to_host(live)]
        return {
            "losses": [value["loss"] for value in values],
            "skipped": [value[SKIPPED] for value in values],
            "sums": sums,
            "graphs": graphs,
        }


def all_recipes(runtime: Runtime, shard=lambda model: model) -> dict:
    return {name: Trainee(recipe, runtime, shard).told() for name, recipe in RECIPES.items()}


def _shard(model: nn.Module) -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    return fully_shard(model)


def _process(rank: int, file: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    sharded = all_recipes(open_runtime("cpu"), _shard)
    if rank == 0:
        print(json.dumps({"cpu": all_recipes(open_runtime("cpu")), "there": sharded}))
    dist.destroy_process_group()


def main(kind: str, *rest: str) -> None:
    torch.set_num_threads(1)
    if kind == "fsdp":
        multiprocessing.spawn(_process, args=rest, nprocs=2)
        return
    there = all_recipes(open_runtime("xla"))
    print(json.dumps({"cpu": all_recipes(open_runtime("cpu")), "there": there}))


if __name__ == "__main__":
    main(*sys.argv[1:])
