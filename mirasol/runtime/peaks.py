"""Operations a second that devices are sold with, dense, with bfloat16 factors and float32 sums.

Two to a multiply and add. A chip each; what no row covers is unknown.
"""

from __future__ import annotations

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Peak:
    """The peak of one kind of device.

    Attributes:
      name: pattern of the name that the driver gives it, or of a TPU its version.
      flops_per_s: as its maker states it, without sparsity.
      source: where.
    """

    name: str
    flops_per_s: float
    source: str


TPU_V5P, H100_SXM = 459e12, 989.4e12
PEAKS = (
    Peak(r"TPU v5p", TPU_V5P, "the maker's data sheet"),
    Peak(r"TPU v5e", 197e12, "the maker's data sheet"),
    Peak(r"TPU v6e", 918e12, "the maker's data sheet"),
    Peak(r"NVIDIA A100.*", 312e12, "the maker's data sheet, without sparsity"),
    Peak(r"NVIDIA H100 80GB HBM3", H100_SXM, "the maker's data sheet, SXM, half of the sparse"),
    Peak(r"NVIDIA H100 PCIe", 756e12, "the maker's data sheet, PCIe, half of the sparse"),
    Peak(r"NVIDIA H200", 989.4e12, "the maker's data sheet, SXM, half of the sparse"),
    Peak(r"NVIDIA B200", 2250e12, "the maker's data sheet, of eight, half of the sparse"),
)


def peak_flops(name: str) -> float | None:
    """Returns the peak of a device by its name, None where it is not known."""
    found = [each for each in PEAKS if re.fullmatch(each.name, name)]
    return found[0].flops_per_s if found else None
