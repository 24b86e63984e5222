"""A run that begins with the parameters of another one: which, by what names, what may differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mirasol.checkpoint.arrays import torch_dtype
from mirasol.checkpoint.errors import CheckpointError
from mirasol.checkpoint.exchange import load_tensors
from mirasol.checkpoint.fitting import Fitting
from mirasol.checkpoint.manifest import ArrayEntry
from mirasol.checkpoint.misfits import misfits
from mirasol.checkpoint.reader import TensorStoreReader
from mirasol.checkpoint.reshaping import Reshape
from mirasol.checkpoint.source import SourceCheckpoint, find_checkpoint
from mirasol.checkpoint.state import model_state
from mirasol.checkpoint.tied import laid_out_like, own_memory, same_bits, whole
from mirasol.named import CheckpointSource, TensorNames

_MODEL = "model."  # How the names of parameters begin in a checkpoint.
_DIFFER = (
    "{first} and {second} are one tensor in the model, and two that differ in WarmStart.source: "
    "make two of it here (TextDecoder.tied = False for the embedding), or give {second} there "
    "another name in WarmStart.renames, which WarmStart.allow_unused allows"
)


@dataclasses.dataclass(frozen=True)
class Report:
    """What a warm start did.

    Attributes:
      source: where the parameters come from.
      fitting: what became of each.
    """

    source: SourceCheckpoint
    fitting: Fitting

    def told(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return {"source": self.source.told(), **self.fitting.told()}

    def lines(self) -> list[str]:
        """Returns it for people."""
        counts, *kinds = self.fitting.lines()
        return [f"Warm start from {self.source.folder}: {counts}", *kinds]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmStart:
    """Begins with parameters of another run's checkpoint; the optimizer starts fresh.

    It happens before the first step of a run that has no checkpoint of its own, and never again.
    Whatever does not fit and is not allowed here stops the run before anything is changed.

    Names are those of the model's parameters, such as "text_decoder.nothing_D"; in a pattern *
    stands for any text. A pattern that matches nothing is an error.

    Attributes:
      source: a workdir, its folder of checkpoints, or one checkpoint; a path or a URL.
      step: of the checkpoint; the newest complete one by default.
      names: patterns of the parameters that are loaded; all others start as the seed makes them.
      renames: pairs of a pattern of names in the source and the name here; each * of the second is
        what the same * of the first stands for, and the first pair that matches counts.
      allow_missing: patterns of parameters that the source may lack; they start as the seed makes
        them.
      allow_unused: patterns of what the source may have beyond the model, by its names after
        renaming.
      reshapes: rules for parameters of another shape; without one for it, it stops the run.
      allow_cast: patterns of parameters that may have another dtype in the source.

    Raises:
      ValueError: no names; a pair of renames without as many * on both sides; a step below 0.
    """

    source: CheckpointSource
    step: int | None = None
    names: Sequence[TensorNames] = ("*",)
    renames: Sequence[tuple[TensorNames, TensorNames]] = ()
    allow_missing: Sequence[TensorNames] = ()
    allow_unused: Sequence[TensorNames] = ()
    reshapes: Sequence[Reshape] = ()
    allow_cast: Sequence[TensorNames] = ()

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("WarmStart.names is empty; give patterns, or leave the warm start out")
        for pair in self.renames:
            if pair[0].count("*") != pair[1].count("*"):
                raise ValueError(f"WarmStart.renames has {pair!r}; both must have as many *")
        if self.step is not None and self.step < 0:
            raise ValueError(f"WarmStart.step is {self.step}; it must be 0 or more")

    def find(self) -> SourceCheckpoint:
        """Returns the checkpoint that it begins with.

        Raises:
          CheckpointError: there is none.
        """
        return find_checkpoint(self.source, self.step)

    def pinned(self) -> WarmStart:
        """Returns it with the step that is the newest now, whatever is saved there later."""
        return dataclasses.replace(self, step=self.find().step)

    def misfits(self, model: nn.Module) -> list[str]:
        """Returns a line for each thing that stops it, none if it fits.

        Args:
          model: on any device, also on "meta".
        """
        try:
            arrays = _arrays(TensorStoreReader(self.find().folder))
        except CheckpointError as error:
            return [str(error)]
        return misfits(Fitting(self, arrays, model_state(model)))

    def apply(self, model: nn.Module) -> Report:
        """Fills the model in place.

        Raises:
          CheckpointError: no such checkpoint; or it does not fit (nothing was changed); or its data
            is damaged, or differs for two names of one tensor (the model is then partly filled: do
            not go on with it).
        """
        source = self.find()
        reader = TensorStoreReader(source.folder)
        arrays, tensors = _arrays(reader), model_state(model)
        fitting = Fitting(self, arrays, tensors)
        if lines := misfits(fitting):
            raise CheckpointError(
                "\n".join([f"{source.folder} does not fit, nothing is loaded:", *lines])
            )
        _fill(tensors, fitting, reader)
        return Report(source, fitting)


def _arrays(reader: TensorStoreReader) -> dict[str, ArrayEntry]:
    """Returns the checkpoint's parameters, by their names in its model."""
    return {
        name.removeprefix(_MODEL): entry
        for name, entry in reader.manifest.arrays.items()
        if name.startswith(_MODEL)
    }


def _fill(tensors: Mapping[str, torch.Tensor], fitting: Fitting, reader: TensorStoreReader) -> None:
    """Reads everything in one pass: into the tensors' own memory where it fits bit by bit."""
    targets = own_memory({name: tensors[name] for name in fitting.loaded})
    changed = [name for name in fitting.origin if name not in targets]
    targets |= {name: _room(fitting, name) for name in changed}
    load_tensors({f"{_MODEL}{fitting.origin[name]}": targets[name] for name in targets}, reader)
    filled: dict[int, str] = {}  # By which name each tensor was.
    for name, read in targets.items():
        tensor = tensors[name]
        how = fitting.reshaped.get(name)
        made = laid_out_like(how.made(read, whole(tensor)) if how else read, tensor)
        first = filled.setdefault(id(tensor), name)
        if first != name and not same_bits(tensor, made):
            raise CheckpointError(_DIFFER.format(first=first, second=name))
        if first == name and made is not tensor:
            with torch.no_grad():
                tensor.copy_(made)


def _room(fitting: Fitting, name: str) -> torch.Tensor:
    """Returns memory for what the checkpoint has under the name of a tensor, as it has it."""
    entry = fitting.there[fitting.origin[name]]
    return torch.empty(entry.shape, dtype=torch_dtype(entry.dtype))
