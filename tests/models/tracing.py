"""What a compiled graph of some code would hold."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class Trace(TorchDispatchMode):
    """Notes each operation with the numbers and shapes that a graph of it would hold.

    Attributes:
      operations: name and arguments of each, tensors as shape and dtype.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[str, str]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        noted = tree_map_only(torch.Tensor, lambda x: (x.shape, x.dtype), (args, kwargs or {}))
        self.operations.append((str(function), str(noted)))
        return function(*args, **(kwargs or {}))
