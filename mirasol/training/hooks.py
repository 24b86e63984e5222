"""What happens between steps: the log, the evaluation, the checkpoint."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Mapping

import torch

from mirasol.progress import progress_bar
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


class Every(Hook):
    """Calls an action with the step each `interval` steps and at the last one."""

    def __init__(self, interval: int, last_step: int, action: Callable[[int], None]):
        self.interval = interval
        self.last_step = last_step
        self.action = action

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Acts when the step is due."""
        if step == self.last_step or step % self.interval == 0:
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
      broken: counts the media files that could not be decoded since the run was started.
    """

    def __init__(
        self,
        *,
        interval: int,
        first_step: int,
        last_step: int,
        rate: Callable[[int], float],
        fetch: Callable[[Mapping[str, torch.Tensor]], dict[str, float]],
        graphs: Callable[[], int],
        writer: MetricsWriter,
        broken: Callable[[], int] = lambda: 0,
    ):
        self.interval, self.last_step = interval, last_step
        self.rate, self.writer = rate, writer
        self.fetch, self.graphs, self.broken = fetch, graphs, broken
        self.sums: dict[str, torch.Tensor] = {}
        self.count = self.clips = 0
        self.since_s = time.monotonic()
        self.bar = progress_bar(total=last_step, title="train", unit="step", done=first_step)

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Adds up, and writes when the interval ends."""
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in values.items()}
        self.count += 1
        self.clips += clips
        self.bar.update()
        if step == self.last_step or step % self.interval == 0:
            self._write(step)

    def restart_clock(self) -> None:
        """Leaves out of the speed what was not training, such as an evaluation."""
        self.since_s = time.monotonic()

    def close(self) -> None:
        """Ends the progress line."""
        self.bar.close()

    def _write(self, step: int) -> None:
        means = {name: total / self.count for name, total in self.fetch(self.sums).items()}
        examples_per_s = self.clips / (time.monotonic() - self.since_s)
        extra = {
            "learning_rate": self.rate(step - 1),
            "examples_per_s": examples_per_s,
            "compiled_graphs": self.graphs(),
            "broken_media": self.broken(),
        }
        self.writer.write(step, "train", means | extra)
        line = f"loss {means['loss']:.4f}, {examples_per_s:.0f} examples/s"
        if self.broken():
            line += f", {self.broken()} broken media files"
        self.bar.set_postfix_str(line, refresh=False)
        self.sums, self.count, self.clips = {}, 0, 0
        self.restart_clock()
