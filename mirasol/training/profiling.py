"""A trace of some steps, for people who ask where the time goes."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch
from absl import logging

from mirasol.training.hooks import Hook
from mirasol.training.run_state import Fetch

PROFILE = "profile"
"""The folder of traces in a workdir."""


@dataclasses.dataclass(frozen=True)
class ProfiledSteps:
    """Which steps are traced, both ends included; the first step of a run is 1."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> ProfiledSteps:
        """Returns what `10:13` says.

        Raises:
          ValueError: it says something else.
        """
        found = re.fullmatch(r"(\d+):(\d+)", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(
                f"--profile={text} is no span of steps; write FIRST:LAST, such as --profile=10:13 "
                "(the first step is 1)"
            )
        return cls(int(found[1]), int(found[2]))

    def require_within(self, steps: int) -> None:
        """Checks that a run of so many steps has these.

        Raises:
          ValueError: it has not.
        """
        if self.last > steps:
            raise ValueError(f"--profile={self.first}:{self.last}: the run has {steps} steps")

    def __str__(self) -> str:
        return f"steps {self.first} to {self.last}"


class Profile(Hook):
    """Traces steps; the last of the hooks, so that the others' work is in the trace.

    Args:
      steps: which.
      done: steps already done.
      trace: begins a trace, which is written when the context ends.
      fetch: brings device scalars to the host, and so waits for the last step.
    """

    def __init__(
        self,
        *,
        steps: ProfiledSteps,
        done: int,
        trace: Callable[[], AbstractContextManager[None]],
        fetch: Fetch,
    ):
        self.steps, self.trace, self.fetch = steps, trace, fetch
        self._open = contextlib.ExitStack()
        if done >= steps.last:
            logging.warning("Nothing to profile: %s are done already (%d are)", steps, done)
        elif done + 1 >= steps.first:
            self._open.enter_context(trace())

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Begins before the first step of the trace, and ends after the last."""
        if step == self.steps.first - 1:
            self.fetch(values)
            self._open.enter_context(self.trace())
        elif step == self.steps.last:
            self.fetch(values)
            self.close()
            logging.info("Profiled %s", self.steps)

    def close(self) -> None:
        """Writes a trace that is under way."""
        self._open.close()
