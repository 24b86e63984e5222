"""The norm of all gradients together, and its bound."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor


def clip_gradients(model: nn.Module, clip_norm: float) -> torch.Tensor:
    """Scales the gradients so that their norm is at most `clip_norm`; returns what it was.

    A gradient in pieces over several processes is one gradient, and the norm that of all: each
    process returns the same scalar, a plain tensor.
    """
    alike: dict[Any, list[torch.Tensor]] = defaultdict(list)  # By how they lie over processes.
    for parameter in model.parameters():
        if parameter.grad is not None:
            mesh = parameter.grad.device_mesh if isinstance(parameter.grad, DTensor) else None
            alike[mesh].append(parameter.grad)
    norms = [_plain(nn.utils.get_total_norm(gradients)) for gradients in alike.values()]
    norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    for gradients in alike.values():
        torch._foreach_mul_(gradients, (clip_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _plain(norm: torch.Tensor) -> torch.Tensor:
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
