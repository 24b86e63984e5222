"""The mesh: how devices are laid out, and what each of its axes is for.

    axis     batch      parameters
    data     in pieces  whole, in copies
    fsdp     in pieces  in pieces, gathered where they are used (ZeRO stage 3)
    tensor   whole      in pieces, and computed with in pieces (Megatron)

Devices are numbered with `tensor` running fastest: it talks most, so its devices are neighbours.
"""

from __future__ import annotations

import dataclasses
import math

AXES = ("data", "fsdp", "tensor")
BATCH_AXES = ("data", "fsdp")
"""Over these the clips of a batch lie in pieces."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """How many devices each axis has.

    Attributes:
      data: copies of the model; each has its own clips.
      fsdp: devices that share a copy's parameters and optimizer state; each has its own clips.
      tensor: devices that share the arithmetic of each layer, on the same clips.

    One of them may be -1: all devices that are left. So the default serves one device, too.

    Raises:
      ValueError: a size is neither above 0 nor -1, or several are -1.
    """

    data: int = 1
    fsdp: int = -1
    tensor: int = 1

    def __post_init__(self) -> None:
        sizes = dataclasses.asdict(self)
        for axis, size in sizes.items():
            if size < 1 and size != -1:
                raise ValueError(
                    f"Mesh.{axis} is {size}; it must be above 0, or -1 for all devices left"
                )
        left = [axis for axis, size in sizes.items() if size == -1]
        if len(left) > 1:
            raise ValueError(
                f"Mesh: {' and '.join(left)} are -1, and only one axis can have all devices left"
            )

    def least(self) -> dict[str, int]:
        """Returns the size of each axis on the fewest devices that make the mesh."""
        return {axis: max(getattr(self, axis), 1) for axis in AXES}

    def sizes(self, devices: int) -> dict[str, int]:
        """Returns the size of each axis, in the order of AXES, on so many devices.

        Raises:
          ValueError: the sizes do not multiply to `devices`; says which sizes would.
        """
        sizes = {axis: getattr(self, axis) for axis in AXES}
        given = math.prod(size for size in sizes.values() if size != -1)
        free = [axis for axis, size in sizes.items() if size == -1]
        if devices % given or (given != devices and not free):
            stated = " x ".join(f"{axis} {size}" for axis, size in sizes.items())
            possible = [n for n in range(1, devices + 1) if devices % n == 0]
            raise ValueError(
                f"Mesh of {stated} needs "
                f"{f'a multiple of {given}' if free else given} devices, and there "
                f"{'is' if devices == 1 else 'are'} {devices}; each axis must be one of "
                f"{', '.join(map(str, possible))}, and their product {devices}"
            )
        return {axis: devices // given if size == -1 else size for axis, size in sizes.items()}


ALL_FSDP = Mesh()
"""All devices share one copy of the parameters."""
