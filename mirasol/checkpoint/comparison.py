"""Two checkpoints compared, array by array."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mirasol.checkpoint.arrays import ArrayFolder
from mirasol.checkpoint.manifest import ARRAYS, Manifest, read_manifest
from mirasol.checkpoint.places import Place
from mirasol.checkpoint.transfers import settle
from mirasol.progress import progress_bar

_PIECE = 1 << 22  # Elements compared at a time: their differences take memory, too.


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What sets two checkpoints, a and b, apart.

    Attributes:
      only_a: names that b has not.
      only_b: names that a has not.
      changed: names of other shape, dtype or kind: name -> (in a, in b).
      arrays: the largest absolute difference of each array that both have alike; None where they
        are bit-equal. 0.0 is possible otherwise (0 and -0), and NaN.
      values: values that differ: name -> (in a, in b).
    """

    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    changed: Mapping[str, tuple[str, str]]
    arrays: Mapping[str, float | None]
    values: Mapping[str, tuple[Any, Any]]

    @property
    def same(self) -> bool:
        """Whether both hold the same, bit for bit."""
        differing = [name for name, largest in self.arrays.items() if largest is not None]
        return not (self.only_a or self.only_b or self.changed or differing or self.values)


def compare_checkpoints(a: Place, b: Place) -> Comparison:
    """Compares two checkpoints; host memory: twice the largest array.

    Raises:
      CheckpointError: one of them is incomplete or damaged.
    """
    ours, theirs = read_manifest(a), read_manifest(b)
    kinds, others = _kinds(ours), _kinds(theirs)
    both = [name for name in kinds if name in others]
    alike = [name for name in both if kinds[name] == others[name]]
    return Comparison(
        only_a=tuple(name for name in kinds if name not in others),
        only_b=tuple(name for name in others if name not in kinds),
        changed={name: (kinds[name], others[name]) for name in both if name not in alike},
        arrays=_differences(a, b, [name for name in alike if name in ours.arrays]),
        values={
            name: (ours.values[name], theirs.values[name])
            for name in alike
            if name in ours.values and repr(ours.values[name]) != repr(theirs.values[name])
        },
    )


def largest_difference(a: np.ndarray, b: np.ndarray) -> float | None:
    """Returns the largest absolute difference of two arrays of one shape and dtype.

    None where every bit is equal; elements of equal bits count as equal, NaN and infinity too.
    """
    a, b = a.reshape(-1), b.reshape(-1)
    found = [
        _largest(a[start : start + _PIECE], b[start : start + _PIECE])
        for start in range(0, a.size, _PIECE)
    ]
    differing = [each for each in found if each is not None]
    return float(np.max(differing)) if differing else None


def _largest(a: np.ndarray, b: np.ndarray) -> float | None:
    bits_a, bits_b = a.view(np.uint8), b.view(np.uint8)
    if np.array_equal(bits_a, bits_b):
        return None
    unequal = (bits_a != bits_b).reshape(a.size, -1).any(axis=1)
    a, b = a[unequal], b[unequal]
    if a.dtype.kind in "biu":  # In 64 bits without a sign, which cannot overflow.
        return float(
            (np.maximum(a, b).astype(np.uint64) - np.minimum(a, b).astype(np.uint64)).max()
        )
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.abs(a.astype(wide) - b.astype(wide)).max())


def _kinds(manifest: Manifest) -> dict[str, str]:
    return dict.fromkeys(manifest.values, "no tensor") | {
        name: str(entry) for name, entry in manifest.arrays.items()
    }


def _differences(a: Place, b: Place, names: list[str]) -> dict[str, float | None]:
    ours, theirs = ArrayFolder(a / ARRAYS), ArrayFolder(b / ARRAYS)
    found = {}
    with progress_bar(total=len(names), title="compare", unit="arrays", leave=False) as bar:
        for name in names:
            found[name] = largest_difference(_read(a, ours, name), _read(b, theirs, name))
            bar.update()
    return found


def _read(folder: Place, arrays: ArrayFolder, name: str) -> np.ndarray:
    array = settle(arrays.open(name), f"cannot open array {name!r} of {folder}")
    return settle(array.read(), f"cannot read array {name!r} of {folder}")
