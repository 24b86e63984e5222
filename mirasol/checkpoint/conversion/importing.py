"""Weights of others into a checkpoint of ours, from which a warm start takes parts by name."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import torch

from mirasol.checkpoint.conversion.exporting import PRODUCER
from mirasol.checkpoint.conversion.families import family_of
from mirasol.checkpoint.conversion.ledger import Ledger
from mirasol.checkpoint.conversion.request import Part, Request
from mirasol.checkpoint.conversion.weights import Weights
from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.places import Place

GIN_FILE = "model.gin"
"""Beside the checkpoint: what makes the model of the matching size."""


@dataclasses.dataclass(frozen=True)
class Imported:
    """Weights as ours.

    Attributes:
      tensors: by their name in our model.
      account: what became of theirs, for people.
      overlay: the text of the gin file that goes with them; "": they are our own.
    """

    tensors: dict[str, torch.Tensor]
    account: str
    overlay: str

    def save(self, folder: str | os.PathLike | Place) -> None:
        """Writes the checkpoint of step 0 and the gin file into a folder, or below an address.

        Raises:
          CheckpointError: there is one already, or the write failed.
        """
        manager = CheckpointManager(folder)
        manager.save(0, {"model": dict(self.tensors)})
        if self.overlay:
            manager.place.write(GIN_FILE, self.overlay.encode())


def read_weights(source: Path, part: Part | None, request: Request) -> Imported:
    """Reads weights and makes them ours.

    Args:
      source: a folder or a file, see `Weights`.
      part: of our model; may be None for a file that we exported.
      request: what may be chosen.

    Raises:
      ValueError: they cannot be read, do not fit, or the request does not fit them.
    """
    weights = Weights(source)
    if weights.metadata.get("producer") == PRODUCER:
        request.require_only("our own weights", ())
        return _ours(weights, part)
    if part is None:
        raise ValueError("--part is missing: say which part of the model the weights are for")
    family = family_of(weights.config, part)
    ledger = Ledger(weights, f"{family.part}.")
    written = family.converter.convert(ledger, family.described(weights.config), request)
    return Imported(ledger.tensors, ledger.text(), written)


def _ours(weights: Weights, part: Part | None) -> Imported:
    wanted = [name for name in weights.names if part is None or name.startswith(f"{part}.")]
    if not wanted:
        parts = dict.fromkeys(name.partition(".")[0] for name in weights.names)
        raise ValueError(
            f"{weights.source} holds nothing of {part!r}, only of {', '.join(parts)}; change "
            "--part, or leave it out for all"
        )
    tensors = {name: weights.as_stored(name) for name in wanted}
    account = f"{len(tensors)} tensors of ours, as they were exported; {len(weights.left)} left"
    return Imported(tensors, account, "")
