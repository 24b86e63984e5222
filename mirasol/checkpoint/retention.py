"""Which checkpoints stay when a new one is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from mirasol.numbers import require_positive


@dataclasses.dataclass(frozen=True)
class Retention:
    """The newest stay, and those of certain steps.

    keep 2, keep_every 1000:

        400 500 ... 1000 ... 1900 2000 2100 2200
                     |             |    |    |
                     every 1000    |    newest two

    Attributes:
      keep: how many of the newest.
      keep_every: those of a step that this divides; None: no others.

    Raises:
      ValueError: a number below 1.
    """

    keep: int = 2
    keep_every: int | None = None

    def __post_init__(self) -> None:
        require_positive("Retention", keep=self.keep, keep_every=self.keep_every)

    def superseded(self, steps: Sequence[int], protected: Collection[int]) -> list[int]:
        """Returns the steps whose checkpoints may go.

        Args:
          steps: of all complete checkpoints, oldest first.
          protected: steps that stay whatever else is there.
        """
        return [
            step
            for step in steps[: -self.keep]
            if step not in protected and not (self.keep_every and step % self.keep_every == 0)
        ]
