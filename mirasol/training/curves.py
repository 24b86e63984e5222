"""Where curves go besides the files: the interface, and TensorBoard's event files."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path


class Curves(abc.ABC):
    """Takes points of curves, until it is closed."""

    @abc.abstractmethod
    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to each curve.

        Args:
          step: steps done.
          values: curve -> value; "train/loss", "validation/TASK/accuracy".
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Delivers what it still has."""


class CurvesRecipe(abc.ABC):
    """What an experiment says about curves: to whom they go."""

    @abc.abstractmethod
    def require(self) -> None:
        """Raises ValueError where what it needs is not installed."""

    @abc.abstractmethod
    def open(self, name: str, workdir: Path, step: int) -> Curves:
        """Begins, or goes on.

        Args:
          name: of the run, for people.
          workdir: of the run.
          step: steps already done.
        """


class TensorBoard(Curves):
    """TensorBoard's event files, in `logs/` of the workdir; without TensorFlow.

    Args:
      workdir: of the run.
      step: steps already done; later points are dropped.
    """

    def __init__(self, workdir: Path, step: int):
        # Not at the top: a GPU image that only trains and times models may lack it.
        from tensorboardX import SummaryWriter

        # purge_step makes TensorBoard forget the killed run's points, too.
        self._events = SummaryWriter(str(workdir / "logs"), purge_step=step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """See Curves."""
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """See Curves."""
        self._events.close()
