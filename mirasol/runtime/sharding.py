"""Which dimension of which parameter lies over which axis of the mesh: rules by name.

    *.query.weight [out, in]         tensor, fsdp      columns of the product in pieces
    *.attention.out.weight           fsdp, tensor      and its rows, added up again behind it
    everything else                  fsdp              its largest dimension

Every runtime obeys the same rules: torch_xla marks tensors by them, FSDP2 and DTensor cut them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from mirasol.named import TensorNames
from mirasol.runtime.mesh import ALL_FSDP, AXES, Mesh
from mirasol.spelling import nearest

Axes = tuple[str | None, ...]
"""For each dimension of a tensor the axis that it lies over, or None: whole on every device."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardingRule:
    """Where the parameters of some names lie.

    Attributes:
      pattern: of their names; "*" is any text. "text_decoder.*.query.weight".
      axes: for each dimension "fsdp", "tensor" or None. Parameters with another number of
        dimensions are not meant.

    Raises:
      ValueError: an axis that parameters cannot lie over, or one that is named twice.
    """

    pattern: TensorNames
    axes: Sequence[Literal["fsdp", "tensor"] | None]

    def __post_init__(self) -> None:
        allowed = [axis for axis in AXES if axis != "data"]
        for axis in self.axes:
            if axis is not None and axis not in allowed:
                raise ValueError(
                    f"ShardingRule {self.pattern!r}: parameters lie over {' or '.join(allowed)}, "
                    f"not {axis!r}{nearest(axis, allowed)}"
                )
            if axis is not None and [*self.axes].count(axis) > 1:
                raise ValueError(
                    f"ShardingRule {self.pattern!r}: {axis!r} stands at several dimensions, and an "
                    "axis can cut only one"
                )

    def is_for(self, name: str, shape: Sequence[int]) -> bool:
        """Returns whether a parameter is meant."""
        return len(shape) == len(self.axes) and fnmatchcase(name, self.pattern)


RULES = (
    # Maps into heads and hidden units: each device computes some of them, with their biases.
    ShardingRule(pattern="*attention.query.weight", axes=("tensor", "fsdp")),
    ShardingRule(pattern="*attention.query.bias", axes=("tensor",)),
    ShardingRule(pattern="*feed_forward.0.weight", axes=("tensor", "fsdp")),
    ShardingRule(pattern="*feed_forward.0.bias", axes=("tensor",)),
    # Maps out of them: each device has a part of every sum.
    ShardingRule(pattern="*attention.out.weight", axes=("fsdp", "tensor")),
    ShardingRule(pattern="*feed_forward.2.weight", axes=("fsdp", "tensor")),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharding:
    """How a run lies on several devices. On one, nothing of it has an effect.

    Attributes:
      mesh: the devices.
      rules: which come before those that every model has (RULES); the first that fits decides.
    """

    mesh: Mesh = ALL_FSDP
    rules: Sequence[ShardingRule] = ()

    def axes(self, name: str, shape: Sequence[int], sizes: Mapping[str, int]) -> Axes:
        """Returns over which axes a parameter lies.

        A dimension that its axis does not divide stays whole. Without a rule the largest dimension
        that can be is cut over fsdp.

        Args:
          name: of the parameter in the model.
          shape: of it.
          sizes: of the mesh's axes, as `Mesh.sizes` returns them.
        """
        for rule in (*self.rules, *RULES):
            if rule.is_for(name, shape):
                fits = zip(rule.axes, shape, strict=True)
                return tuple(
                    axis if axis and sizes[axis] > 1 and size % sizes[axis] == 0 else None
                    for axis, size in fits
                )
        cut = max(
            (d for d, size in enumerate(shape) if size % sizes["fsdp"] == 0 and sizes["fsdp"] > 1),
            key=lambda d: shape[d],
            default=None,
        )
        return tuple("fsdp" if d == cut else None for d in range(len(shape)))


WHOLE = Sharding()
"""The default: whatever devices there are share parameters and batch."""
