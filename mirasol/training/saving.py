"""When a training is saved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.training.hooks import Hook, is_due
from mirasol.training.run_state import RunState


class Saving(Hook):
    """Saves by step, by time, at the last step, and the best evaluation; the last hook of a step.

    The step is held while the state is copied to the host; a thread writes it. When that thread
    fails, the next step ends the run with its error.

    Args:
      interval: steps between saves.
      interval_s: seconds after which a step is saved that is not due; infinity: never.
      last_step: where the run ends.
      run: where the training is; its step is saved already, or 0.
      checkpoints: of the run.
      state: of the training, live.
      before: called in the thread before it writes, with all that the state belongs to written.
    """

    def __init__(
        self,
        *,
        interval: int,
        interval_s: float = math.inf,
        last_step: int,
        run: RunState,
        checkpoints: CheckpointManager,
        state: Callable[[], dict[str, Any]],
        before: Callable[[], None],
    ):
        self.interval, self.interval_s, self.last_step = interval, interval_s, last_step
        self.run, self.checkpoints = run, checkpoints
        self.state, self.before = state, before
        self.saved = run.step
        self.since_s = time.monotonic()

    def prepare(self) -> None:
        """Takes the memory for the copies, while the run has other things to wait for."""
        self.checkpoints.reserve(self.state())

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Saves when the step is due."""
        self.checkpoints.check_error()
        late = time.monotonic() - self.since_s >= self.interval_s
        if late or is_due(step, self.interval, self.last_step) or step == self.run.best_step:
            self._save()

    def finish(self) -> None:
        """Saves what is not saved yet; when it returns, all is on the disk."""
        if self.run.step > self.saved:
            self._save()
        self.checkpoints.wait_until_finished()

    def _save(self) -> None:
        self.since_s = time.monotonic()
        best = () if self.run.best_step is None else (self.run.best_step,)
        self.checkpoints.save_async(self.run.step, self.state(), protect=best, first=self.before)
        self.saved = self.run.step
