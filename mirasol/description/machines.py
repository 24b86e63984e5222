"""Kinds of devices that a plan can be for, by their makers' figures.

    --devices=64         64 of any kind: bytes, and no seconds
    --devices=v5p-64     a slice of TPU v5p by Google's name, which counts TensorCores: 32 chips
    --devices=h100-64    64 H100 SXM, eight on each host

Nothing here was measured.
"""

from __future__ import annotations

import dataclasses

from mirasol.runtime.peaks import H100_SXM, TPU_V5P
from mirasol.spelling import nearest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """A kind of device.

    Attributes:
      title: for people.
      memory: bytes of one device.
      peak: bfloat16 operations a second of one device, without sparsity.
      neighbours: devices that are wired together, beyond which there is only the network.
      wires: bytes a second that a device sends to its neighbours.
      network: bytes a second that a device sends beyond.
      counted: what the name of a slice counts of one device.
    """

    title: str
    memory: int
    peak: float
    neighbours: int
    wires: float
    network: float
    counted: int = 1

    def seconds(self, sent: float, stride: int, size: int) -> float:
        """Returns how long an axis of the mesh sends so much, by each device, at the full rate.

        Of the axis's devices those that are wired together share what goes beyond them: each ring
        through all of them leaves a host once.

        Args:
          sent: bytes.
          stride: how far apart two devices of the axis are numbered.
          size: devices of the axis.
        """
        together = min(max(self.neighbours // stride, 1), size)
        near = sent / self.wires if together > 1 else 0.0
        far = sent / together / self.network if size > together else 0.0
        return max(near, far)


MACHINES = {
    # The maker's data sheet; 1,200 GB/s of a chip's links are of both directions. A slice is one
    # torus; the largest job has 6,144 chips.
    "v5p": Machine(
        title="TPU v5p",
        memory=95 * 10**9,
        peak=TPU_V5P,
        neighbours=6144,
        wires=600e9,
        network=50e9 / 8,
        counted=2,
    ),
    # NVIDIA's datasheets of the H100 SXM (900 GB/s of NVLink are of both directions; half of the
    # operations with sparsity) and of the DGX H100 (eight network cards of 400 Gb/s).
    "h100": Machine(
        title="H100 SXM",
        memory=80 * 10**9,
        peak=H100_SXM,
        neighbours=8,
        wires=450e9,
        network=400e9 / 8,
    ),
}


def devices(text: str) -> tuple[int, Machine | None]:
    """Returns how many devices `--devices=TEXT` asks for, and of which kind, None for any.

    Raises:
      ValueError: neither a number above 0 nor a kind with one; a slice of half a device.
    """
    kind, _, count = text.lower().rpartition("-")
    if count.isdigit() and int(count) < 1:
        raise ValueError(f"--devices={text}: the number must be above 0")
    if text.isdigit():
        return int(text), None
    if kind not in MACHINES or not count.isdigit():
        known = " or ".join(f"{name}-64" for name in MACHINES)
        raise ValueError(
            f"--devices={text} is neither a whole number nor a kind with one, such as {known}"
            f"{nearest(kind, MACHINES) if kind else ''}"
        )
    machine = MACHINES[kind]
    if int(count) % machine.counted:
        raise ValueError(
            f"--devices={text}: a {machine.title} has {machine.counted} TensorCores, which the "
            f"name counts; it must be a multiple of {machine.counted}"
        )
    return int(count) // machine.counted, machine
