"""A small model to begin with, and what a warm start does with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.state import model_state, training_state
from mirasol.checkpoint.warm_start import WarmStart


class Small(nn.Module):
    """An encoder, a head, learned tokens."""

    def __init__(self, fill: float, tokens: int = 4, head: str = "head"):
        super().__init__()
        self.encoder = nn.Linear(3, 2)
        self.tokens_MD = nn.Parameter(torch.empty(tokens, 2))
        self.add_module(head, nn.Linear(2, 1))
        for parameter in self.parameters():
            nn.init.constant_(parameter, fill)


def save(model: nn.Module, folder: Path, step: int = 5) -> None:
    optimizer = torch.optim.AdamW(model.parameters())
    model_and_optimizer = training_state(model, optimizer)
    CheckpointManager(folder / "checkpoints").save(step, {**model_and_optimizer, "step": step})


def contents(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model_state(model).items()}


def stopped(start: WarmStart, model: nn.Module) -> str:
    """Returns what a warm start says that does not fit; nothing may have changed."""
    before = contents(model)
    told = start.misfits(model)
    with pytest.raises(CheckpointError) as caught:
        start.apply(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in contents(model).items())
    assert told
    assert str(caught.value).endswith("\n".join(told))
    with torch.device("meta"):
        assert start.misfits(model) == told
    return "\n".join(told)


def filled(start: WarmStart, model: nn.Module) -> dict:
    assert start.misfits(model) == []
    report = start.apply(model)
    return json.loads(json.dumps(report.told()))
