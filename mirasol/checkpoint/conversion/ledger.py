"""What becomes of weights: our tensors by name, and an account of where each comes from."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Sequence
from typing import Literal

import torch

from mirasol.checkpoint.conversion.weights import Weights

_NUMBER = re.compile(r"\b(layers?|blocks|h)\.\d+\.")
How = Literal["renamed", "transposed", "joined", "folded", "inflated", "resampled", "made"]
"""What was done to make a tensor of ours; "made": they have none, such as a bias that is zero."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One tensor of ours: its name, how it was made, and of which of theirs."""

    name: str
    how: How
    sources: tuple[str, ...]


class Ledger:
    """Takes tensors, and keeps account.

    Args:
      weights: theirs.
      prefix: of all our names, such as "video_encoder.".

    Attributes:
      tensors: ours by name, float32.
      entries: how each was made.
    """

    def __init__(self, weights: Weights, prefix: str):
        self.weights = weights
        self.prefix = prefix
        self.tensors: dict[str, torch.Tensor] = {}
        self.entries: list[Entry] = []

    def put(self, name: str, tensor: torch.Tensor, how: How, *sources: str) -> None:
        """Enters a tensor of ours."""
        self.tensors[self.prefix + name] = tensor.contiguous()
        self.entries.append(Entry(self.prefix + name, how, sources))

    def norm(self, ours: str, theirs: str, width: int) -> None:
        """Enters a LayerNorm as it is."""
        for kind in ("weight", "bias"):
            name = f"{theirs}.{kind}"
            self.put(f"{ours}.{kind}", self.weights.take(name, width), "renamed", name)

    def linear(self, ours: str, theirs: str, rows: int, columns: int, scale: str = "") -> None:
        """Enters a linear map whose outputs may be scaled by a vector of theirs (LayerScale)."""
        names = f"{theirs}.weight", f"{theirs}.bias"
        weight = self.weights.take(names[0], rows, columns)
        bias_D = self.weights.take(names[1], rows)
        if scale:
            factor_D = self.weights.take(scale, rows)
            self.put(f"{ours}.weight", factor_D[:, None] * weight, "folded", names[0], scale)
            self.put(f"{ours}.bias", factor_D * bias_D, "folded", names[1], scale)
            return
        self.put(f"{ours}.weight", weight, "renamed", names[0])
        self.put(f"{ours}.bias", bias_D, "renamed", names[1])

    def text(self) -> str:
        """Returns the account, a line for all tensors that differ in the number of their block."""
        counts = collections.Counter(entry.how for entry in self.entries)
        left = self.weights.left
        told = [f"{count} {how}" for how, count in counts.items()]
        lines = [f"{len(self.entries)} tensors of ours: {', '.join(told)}; {len(left)} left"]
        lines += _grouped([(entry.how, _arrow(entry)) for entry in self.entries])
        lines += _grouped([("left", name) for name in left])
        return "\n".join(lines)


def _arrow(entry: Entry) -> str:
    return f"{' + '.join(entry.sources) or '(nothing)'} -> {entry.name}"


def _grouped(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Returns a line for each text, those that differ in the number of a block as one."""
    groups = collections.Counter((how, _NUMBER.sub(r"\1.*.", text)) for how, text in pairs)
    return [
        f"  {how:<10} {text}{f'  ({count} times)' if count > 1 else ''}"
        for (how, text), count in groups.items()
    ]
