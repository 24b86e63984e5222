"""A copy of a state on the host, so that a save can go on while the state changes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from mirasol.runtime.base import Fetch


class HostCopy:
    """A copy of tensors in host memory; the next one is taken into the same memory.

    So there is one at most, and only the first has to ask the system for memory, which takes longer
    than the copying: 400 MB up to 3 s on a busy machine, and 0.15 s from then on.

    Args:
      fetch: returns new copies of all of them at once, where one by one would not do.
    """

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch
        self._copies: dict[str, torch.Tensor] = {}

    def brought(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns tensors that can be copied to the host one by one, for a moment's use.

        That is the tensors themselves, unless all of them have to be fetched at once.
        """
        return dict(tensors) if self._fetch is None else self._fetch(tensors)

    @torch.no_grad()
    def take(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns copies of the tensors, which hold until the next call.

        Args:
          tensors: on any device, of any layout: a shard of a distributed tensor stays one.
        """
        if self._fetch is not None:
            self._copies = {}  # Given back before more is taken.
            self._copies = self._fetch(tensors)
            return dict(self._copies)
        fitting = {
            name: copy
            for name, copy in self._copies.items()
            if name in tensors and _alike(copy, tensors[name])
        }
        self._copies = fitting  # What does not fit is given back before more is taken.
        self._copies = {
            name: fitting[name].copy_(tensor) if name in fitting else _new_copy(tensor)
            for name, tensor in tensors.items()
        }
        return dict(self._copies)


def _alike(copy: torch.Tensor, tensor: torch.Tensor) -> bool:
    return (copy.shape, copy.dtype) == (tensor.shape, tensor.dtype)


def _new_copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
