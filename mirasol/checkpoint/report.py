"""How a checkpoint and a state fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from mirasol.checkpoint.arrays import dtype_name
from mirasol.checkpoint.manifest import ArrayEntry, CheckpointError, Manifest
from mirasol.checkpoint.state import FlatState
from mirasol.checkpoint.tensor_names import matches
from mirasol.spelling import nearest


@dataclasses.dataclass(frozen=True)
class RestoreReport:
    """What a restore does, by name.

    Attributes:
      place: the checkpoint's folder.
      step: of the checkpoint.
      loaded: tensors and values that the checkpoint fills.
      missing: in the state, not in the checkpoint.
      unused: in the checkpoint, not in the state.
      changed: in both, with another shape, dtype or kind: "name: what is where".
      bytes: of the loaded tensors.
    """

    place: str
    step: int
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    changed: tuple[str, ...]
    bytes: int

    def __str__(self) -> str:
        return (
            f"restored {self.place}: {len(self.loaded)} loaded ({self.bytes / 1e6:.1f} MB), "
            f"{len(self.missing)} missing, {len(self.unused)} unused, {len(self.changed)} changed"
        )

    def require_fit(self, allow_unused: Iterable[str]) -> None:
        """Raises one CheckpointError that lists everything that does not fit.

        Args:
          allow_unused: patterns (tensor_names.py) of what the state need not have.
        """
        patterns = list(allow_unused)
        unused = [name for name in self.unused if not matches(name, patterns)]
        lines = [
            *(f"missing in the checkpoint: {name}{nearest(name, unused)}" for name in self.missing),
            *(f"unused by the state: {name}" for name in unused),
            *(f"changed: {line}" for line in self.changed),
        ]
        if lines:
            raise CheckpointError(
                f"{self.place} does not fit the state, nothing is restored:\n  "
                + "\n  ".join(lines)
                + "\nBuild the model and the optimizer as they were saved, or name what may stay "
                "unused in allow_unused."
            )


def compare(place: str, step: int, manifest: Manifest, flat: FlatState) -> RestoreReport:
    """Compares a checkpoint with the state that it is to fill."""
    wanted: dict[str, ArrayEntry | None] = dict.fromkeys(flat.values)
    for name, tensor in flat.tensors.items():
        wanted[name] = ArrayEntry(tuple(tensor.shape), dtype_name(tensor.dtype), tensor.nbytes)
    stored: dict[str, ArrayEntry | None] = dict.fromkeys(manifest.values) | dict(manifest.arrays)
    both = [name for name in wanted if name in stored]
    loaded = [name for name in both if wanted[name] == stored[name]]
    return RestoreReport(
        place=place,
        step=step,
        loaded=tuple(loaded),
        missing=tuple(name for name in wanted if name not in stored),
        unused=tuple(name for name in stored if name not in wanted),
        changed=tuple(
            f"{name}: {_kind(stored[name])} in the checkpoint, {_kind(wanted[name])} in the state"
            for name in both
            if wanted[name] != stored[name]
        ),
        bytes=sum(manifest.arrays[name].bytes for name in loaded if name in manifest.arrays),
    )


def _kind(entry: ArrayEntry | None) -> str:
    return str(entry) if entry else "no tensor"
