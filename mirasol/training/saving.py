"""When a training is saved, and what becomes of a save that fails."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from absl import logging

from mirasol.checkpoint.manager import CheckpointManager
from mirasol.checkpoint.manifest import CheckpointError
from mirasol.training.hooks import Hook, is_due
from mirasol.training.run_state import RunState

# Between attempts at the last save: a blink of a network disk, and time for a person to free space.
PAUSES_S = (5.0, 30.0, 120.0, 300.0)
_GOES_ON = "Training goes on, and the next save that is due tries again"


class Saving(Hook):
    """Saves by step, by time, at the last step, and the best evaluation; the last hook of a step.

    The step is held while the state is copied to the host; a thread writes it. What the disk or the
    store refuses ends nothing but that save: it is told in the log at the next step, and the next
    save that is due tries again. Only the last save has to succeed.

    Args:
      interval: steps between saves.
      interval_s: seconds after which a step is saved that is not due; infinity: never.
      last_step: where the run ends.
      run: where the training is; its step is saved already, or 0.
      checkpoints: of the run.
      state: of the training, live.
      before: called in the thread before it writes, with all that the state belongs to written.
      decided: returns, in all processes that save together, what one of them decides.
      pauses_s: seconds between attempts at the last save; it fails when all are over.
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
        decided: Callable[[Callable[[], bool]], bool] = lambda decide: decide(),
        pauses_s: Sequence[float] = PAUSES_S,
    ):
        self.interval, self.interval_s, self.last_step = interval, interval_s, last_step
        self.run, self.checkpoints = run, checkpoints
        self.state, self.before, self.pauses_s = state, before, pauses_s
        self.decided = decided
        self.saved, self.failures, self._refusal = run.step, 0, ""
        self._under_way: int | None = None
        self.since_s = time.monotonic()

    def prepare(self) -> None:
        """Takes the memory for the copies, while the run has other things to wait for."""
        self.checkpoints.reserve(self.state())

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Saves when the step is due; tells of a save before it that has failed."""
        with self._failure_told(_GOES_ON):
            self.checkpoints.check_error()
        due = is_due(step, self.interval, self.last_step) or step == self.run.best_step
        if due or self._late():
            self._wait(_GOES_ON)
            self._begin(_GOES_ON)

    def finish(self) -> None:
        """Saves what is not saved yet; when it returns, all is on the disk.

        A save that fails is tried again after each of the pauses; the state stays as it is.

        Raises:
          CheckpointError: so did the last attempt; older checkpoints are as they were.
        """
        self._wait("It is tried again")
        for pause_s in (0.0, *self.pauses_s):
            if self.run.step <= self.saved:
                return
            if pause_s:
                logging.warning("Trying again in %g s; nothing is lost until then", pause_s)
                time.sleep(pause_s)
            self._begin("The state is kept in memory")
            self._wait("The state is kept in memory")
        if self.run.step > self.saved:
            raise CheckpointError(
                f"step {self.run.step} is not saved, {self.failures} saves in a row failed: "
                f"{self._refusal}. {self._there()}"
            )

    def _late(self) -> bool:
        """Returns whether a save is due by time, by the clock of the process that leads."""
        if self.interval_s == math.inf:
            return False
        return self.decided(lambda: time.monotonic() - self.since_s >= self.interval_s)

    def _begin(self, then: str) -> None:
        """Copies the state, and has it written."""
        self.since_s = time.monotonic()
        best = () if self.run.best_step is None else (self.run.best_step,)
        step = self.run.step
        with self._failure_told(then):
            self.checkpoints.save_async(step, self.state(), protect=best, first=self.before)
            self._under_way = step

    def _wait(self, then: str) -> None:
        """Waits for the save under way, if there is one, and notes how it ended."""
        with self._failure_told(then):
            self.checkpoints.wait_until_finished()
            if self._under_way is not None:
                self.saved, self._under_way, self.failures = self._under_way, None, 0

    @contextlib.contextmanager
    def _failure_told(self, then: str) -> Iterator[None]:
        """Has the log tell what disk or store refuse; other errors, of the program, pass."""
        try:
            yield
        except (CheckpointError, OSError) as error:
            self._under_way, self._refusal = None, str(error)
            self.failures += 1
            count = f" ({self.failures} saves in a row)" if self.failures > 1 else ""
            logging.error("SAVE FAILED%s: %s. %s. %s", count, error, self._there(), then)

    def _there(self) -> str:
        """Says which checkpoints there are."""
        where = self.checkpoints.place
        try:
            steps = self.checkpoints.steps()
        except OSError as error:
            return f"what is left in {where} cannot be told: {error}"
        if not steps:
            return f"There is no checkpoint in {where}"
        return f"In {where} there is still that of step {', '.join(map(str, steps))}"
