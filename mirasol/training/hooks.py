"""What happens between steps: the interface, and the log."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Mapping

import torch

from mirasol.progress import progress_bar
from mirasol.training.run_state import Fetch, Sums
from mirasol.training.writers import MetricsWriter


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
      writer: of the run.
      broken: counts the media files that could not be decoded since the run began.
      sums: of the interval that a resumed run is in; empty by default.
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
        writer: MetricsWriter,
        broken: Callable[[], int] = lambda: 0,
        sums: Sums | None = None,
    ):
        self.interval, self.last_step = interval, last_step
        self.rate, self.writer = rate, writer
        self.fetch, self.graphs, self.broken = fetch, graphs, broken
        self.sums = sums or Sums()
        self.clips = 0
        self.since_s = time.monotonic()
        self.bar = progress_bar(total=last_step, title="train", unit="step", done=first_step)

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Adds up, and writes when the interval ends."""
        self.sums.add(values)
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
        totals = self.fetch(self.sums.totals)
        means = {name: total / self.sums.steps for name, total in totals.items()}
        extra = {"learning_rate": self.rate(step - 1), "broken_media": self.broken()}
        self.writer.write(step, "train", means | extra)
        self.sums.clear()
        self._write_speed(step, means["loss"])
        self.restart_clock()

    def _write_speed(self, step: int, loss: float) -> None:
        """Tells what depends on clock and process, apart from what a resumed run repeats."""
        examples_per_s = self.clips / (time.monotonic() - self.since_s)
        self.writer.write_speed(
            step, {"examples_per_s": examples_per_s, "compiled_graphs": self.graphs()}
        )
        line = f"loss {loss:.4f}, {examples_per_s:.0f} examples/s"
        if self.broken():
            line += f", {self.broken()} broken media files"
        self.bar.set_postfix_str(line, refresh=False)
