"""What happens between steps: the interface, and the log."""

from __future__ import annotations

import abc
import math
import time
from collections.abc import Callable, Mapping

import torch

from mirasol.progress import progress_bar
from mirasol.training.guard import DETAILS, SKIPPED
from mirasol.training.run_state import Fetch, Sums
from mirasol.training.speed import Measures, only_the_rate, told
from mirasol.training.writers import Metrics


class Hook(abc.ABC):
    """Something that is called after every step, in the order in which hooks are listed."""

    @abc.abstractmethod
    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Acts after step number `step`; the first is 1.

        Args:
          step: its number.
          clips: in its batch.
          values: of the step, scalars on the device.
        """

    def close(self) -> None:
        """Is called once when the loop ends, also by an exception; nothing to end by default."""
        return


def is_due(step: int, interval: int, last_step: int) -> bool:
    """Returns whether a step is one of each `interval`, or the last one."""
    return step == last_step or step % interval == 0


class Every(Hook):
    """Calls an action with the step each `interval` steps and at the last one."""

    def __init__(self, interval: int, last_step: int, action: Callable[[int], None]):
        self.interval = interval
        self.last_step = last_step
        self.action = action

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Acts when the step is due."""
        if is_due(step, self.interval, self.last_step):
            self.action(step)


class Log(Hook):
    """Writes the values' means over each interval, and keeps the progress line alive.

    Values stay on the device until the interval ends, so that the host never waits for one step.

    Args:
      interval: steps between lines.
      first_step: steps already done.
      last_step: where the run ends.
      rate: learning rate of a step, for the log.
      fetch: brings a dict of device scalars to the host in one transfer.
      graphs: counts what has been compiled so far; 0 where nothing compiles.
      measures: (step, examples a second) -> what else is told of the speed; see speed.py.
      writer: of the run.
      broken: counts the media files that could not be decoded since the run began.
      sums: of the interval that a resumed run is in; empty by default.
      before: called before anything is written of a step.
    """

    def __init__(
        self,
        *,
        interval: int,
        first_step: int,
        last_step: int,
        rate: Callable[[int], float],
        fetch: Fetch,
        graphs: Callable[[], int],
        writer: Metrics,
        measures: Measures = only_the_rate,
        broken: Callable[[], int] = lambda: 0,
        sums: Sums | None = None,
        before: Callable[[], None] = lambda: None,
    ):
        self.interval, self.last_step = interval, last_step
        self.rate, self.writer = rate, writer
        self.fetch, self.graphs, self.measures, self.broken = fetch, graphs, measures, broken
        self.sums, self.before = sums or Sums(), before
        self.clips = 0
        self.since_s = time.monotonic()
        self.bar = progress_bar(total=last_step, title="train", unit="step", done=first_step)

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Adds up, and writes when the interval ends."""
        self.sums.add({name: value for name, value in values.items() if name not in DETAILS})
        self.clips += clips
        self.bar.update()
        if is_due(step, self.interval, self.last_step):
            self._write(step)

    def restart_clock(self) -> None:
        """Leaves out of the speed what was not training, such as an evaluation."""
        self.since_s, self.clips = time.monotonic(), 0

    def close(self) -> None:
        """Ends the progress line."""
        self.bar.close()

    def _write(self, step: int) -> None:
        self.before()
        totals = self.fetch(self.sums.totals)
        skipped = totals.pop(SKIPPED, 0.0)
        steps = self.sums.steps - skipped  # Those that were skipped have added 0.
        means = {name: total / steps if steps else math.nan for name, total in totals.items()}
        broken = self.broken()  # Once: processes tell one another.
        extra = {"learning_rate": self.rate(step - 1), "broken_media": broken}
        self.writer.write(step, "train", means | {SKIPPED: int(skipped)} | extra)
        self.sums.clear()
        self._write_speed(step, means["loss"], broken)
        self.restart_clock()

    def _write_speed(self, step: int, loss: float, broken: int) -> None:
        """Tells what depends on clock and process, apart from what a resumed run repeats."""
        examples_per_s = self.clips / (time.monotonic() - self.since_s)
        measures = self.measures(step, examples_per_s)
        basic = {"examples_per_s": examples_per_s, "compiled_graphs": self.graphs()}
        self.writer.write_speed(step, basic | measures)
        line = f"loss {loss:.4f}, {examples_per_s:.0f} examples/s{told(measures)}"
        if broken:
            line += f", {broken} broken media files"
        self.bar.set_postfix_str(line, refresh=False)
