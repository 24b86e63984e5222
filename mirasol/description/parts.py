"""The parts of the model, and which of them is at work when something happens."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from mirasol.models.mirasol3b import Mirasol

# As the walk of a batch meets them.
PARTS = (
    "video_encoder",
    "audio_encoder",
    "combiner",
    "latent_model",
    "reconstruction",
    "text_decoder",
)
OTHER = "other"


def parameters(model: nn.Module) -> int:
    """Counts parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def parameters_by_part(model: Mirasol) -> dict[str, int]:
    """Counts the parameters of each part, one that parts share with the first of them."""
    seen: set[int] = set()
    counts = {}
    for name in PARTS:
        own = [each for each in getattr(model, name).parameters() if id(each) not in seen]
        seen.update(map(id, own))
        counts[name] = sum(each.numel() for each in own)
    return {**counts, OTHER: parameters(model) - sum(counts.values())}


@contextlib.contextmanager
def following(model: Mirasol, at_work: Callable[[str], None]) -> Iterator[None]:
    """Tells `at_work` the name of each part that goes to work, OTHER between them.

    The `with` is to hold the forward pass. The backward pass goes through what that did in reverse
    order, so each part is told again when the gradient of its output is there; what stands between
    two parts then counts with the one before it.
    """
    depth = 0

    def enter(name: str, module: nn.Module, inputs: Any) -> None:
        nonlocal depth
        if not depth:
            at_work(name)
        depth += 1

    def leave(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal depth
        depth -= 1
        if depth:
            return
        for tensor in tree_leaves(output):
            if tensor.requires_grad:
                tensor.register_hook(functools.partial(_told, at_work, name))
        at_work(OTHER)

    with contextlib.ExitStack() as hooks:
        for name in PARTS:
            # Each module in it: some are called past the part's own `forward`.
            for module in getattr(model, name).modules():
                for hook in (
                    module.register_forward_pre_hook(functools.partial(enter, name)),
                    module.register_forward_hook(functools.partial(leave, name)),
                ):
                    hooks.callback(hook.remove)
        yield


def _told(at_work: Callable[[str], None], name: str, gradient: torch.Tensor) -> None:
    at_work(name)
