"""Adafactor on tensors that two processes cannot cut evenly; prints how far from whole ones."""

from __future__ import annotations

import json

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from mirasol.training.adafactor import AdafactorSteps

# Of the first, one process has nothing at all.
SHAPES = [(1,), (3,), (5, 4), (3, 4, 2)]


def trained(lay_out) -> list[torch.Tensor]:
    torch.manual_seed(0)
    parameters = [nn.Parameter(lay_out(torch.randn(shape))) for shape in SHAPES]
    optimizer = AdafactorSteps(
        [{"params": parameters, "lr": torch.tensor(0.1), "weight_decay": 0.1}],
        beta2_decay=-0.8,
        eps=(1e-15, 1e-3),
        clip=1.0,
        undone=torch.zeros(()),
    )
    for _ in range(4):
        for parameter in parameters:
            parameter.grad = lay_out(torch.randn(parameter.shape))
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def main() -> None:
    distributed.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (2,))
    whole = trained(lambda tensor: tensor)
    pieces = trained(lambda tensor: distribute_tensor(tensor, mesh, [Shard(0)]))
    apart = [(a - b.full_tensor()).abs().max().item() for a, b in zip(whole, pieces, strict=True)]
    if distributed.get_rank() == 0:
        print(json.dumps(apart))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
