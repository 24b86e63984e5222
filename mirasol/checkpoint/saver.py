"""Writes the checkpoints of one folder, and removes those that nothing keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from absl import logging

from mirasol.checkpoint.exchange import save_tensors
from mirasol.checkpoint.inventory import Inventory
from mirasol.checkpoint.processes import Processes
from mirasol.checkpoint.retention import Retention
from mirasol.checkpoint.writer import TensorStoreWriter


class Saver:
    """Saves into one folder.

    Args:
      inventory: of the folder.
      retention: which checkpoints stay.
    """

    def __init__(self, inventory: Inventory, retention: Retention):
        self._inventory, self._retention = inventory, retention

    def make_way(self, step: int, processes: Processes) -> None:
        """Sets a damaged checkpoint of the step aside.

        Raises:
          CheckpointError: there is a sound one.
        """
        processes.decided(lambda: self._inventory.make_way(step))
        self._inventory.forget_damage(step)

    def save(
        self,
        step: int,
        tensors: Mapping[str, torch.Tensor],
        values: Mapping[str, Any],
        protect: Collection[int],
        processes: Processes,
    ) -> None:
        """Writes the checkpoint of a step, then tidies.

        Args:
          step: for which `make_way` has been called.
          tensors, values: by name.
          protect: steps whose checkpoints stay, however old.
          processes: that all call this, each with its shards.

        Raises:
          CheckpointError: the disk or the store refuses; nothing of it is left.
        """
        folder = self._inventory.folder(step)
        writer = TensorStoreWriter(folder, values)
        try:
            save_tensors(tensors, writer, processes.group)
        except BaseException:
            writer.discard()
            raise
        logging.info("Saved %s", folder)
        processes.decided(lambda: self._tidy({step, *protect}))

    def clean(self) -> None:
        """Removes drafts whose writers provably died, and nothing else."""
        place = self._inventory.place
        for name in place.clean():
            logging.info("Removed %s: its writer died before it was complete", place / name)

    def _tidy(self, protect: Collection[int]) -> None:
        inventory = self._inventory
        try:
            self.clean()
            for old in self._retention.superseded(inventory.steps(), protect):
                inventory.folder(old).remove()
        except OSError as error:  # What was saved is there all the same.
            logging.warning(
                "Not tidied, older checkpoints may stay in %s: %s", inventory.place, error
            )
