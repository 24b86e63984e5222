"""Bad steps on the host: what they were, in `bad_steps.jsonl`, and the end of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from absl import logging

from mirasol.training.guard import DETAILS, HALTED, RAW_LOSS, RAW_NORM, SKIPPED
from mirasol.training.hooks import Hook
from mirasol.training.run_state import Fetch

BAD_STEPS = "bad_steps.jsonl"

Clips = Sequence[Mapping[str, Any]]
Note = Callable[[int, float, float, str, Clips], None]
"""(step, loss, gradient norm, what became of it, clips)."""

_SHOWN = 3  # Clips in an error; the file has all.


class BadStepError(ValueError):
    """A step had no update to make, and the guard lets no more pass.

    Attributes:
      step: its number, from 1.
    """

    def __init__(self, step: int, message: str):
        self.step = step
        super().__init__(message)

    @classmethod
    def of(cls, step: int, loss: float, norm: float, clips: Clips) -> BadStepError:
        """Returns the error of a step with its values and clips."""
        shown = ", ".join(str(clip.get("media", clip)) for clip in clips[:_SHOWN])
        more = f" and {len(clips) - _SHOWN} more" if len(clips) > _SHOWN else ""
        return cls(
            step,
            f"step {step} is bad: its loss is {loss:g}, the norm of its gradients {norm:g}, its "
            f"clips are {shown or 'not known'}{more} (all in {BAD_STEPS})",
        )

    def with_outcome(self, outcome: str) -> BadStepError:
        """Returns it with what became of the run."""
        pardon = f"which passes over step {self.step} if it is bad again"
        return BadStepError(self.step, f"{self}; {outcome}, {pardon}")


class BadStepFile:
    """`bad_steps.jsonl`: a JSON object a line and step, whichever start of the run has met it.

    "step", "loss" and "gradient_norm" (null: not finite), "action" ("skipped" or "stopped"),
    "clips" (media, start_s, end_s, origin).

    Args:
      workdir: of the run.
    """

    def __init__(self, workdir: Path):
        self.path = workdir / BAD_STEPS
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        self._lines = {line["step"]: line for line in map(json.loads, text.splitlines())}

    def stopped_at(self) -> set[int]:
        """Returns the steps that have ended the run before."""
        return {step for step, line in self._lines.items() if line["action"] == "stopped"}

    def add(self, step: int, loss: float, norm: float, action: str, clips: Clips) -> None:
        """Writes a step down, and tells the log of one that was skipped.

        One that is there already stays as it is, unless it was skipped then and ends the run now.
        """
        if action == "skipped":
            logging.warning("Skipped step %d: loss %g, gradient norm %g", step, loss, norm)
        known = self._lines.get(step, {}).get("action")
        if known == "stopped" or known == action:
            return
        self._lines[step] = {
            "step": step,
            "loss": loss if math.isfinite(loss) else None,
            "gradient_norm": norm if math.isfinite(norm) else None,
            "action": action,
            "clips": list(clips),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".jsonl.tmp")
        lines = [json.dumps(line, ensure_ascii=False) for line in self._lines.values()]
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        temporary.replace(self.path)


class BadSteps(Hook):
    """Keeps what the guard says of each step on the device, until `check` asks.

    To be asked before anything is written of a step: a line of the log, an evaluation, a save.

    All processes of a run find the same, and must all check at the same step.

    Args:
      fetch: brings device scalars to the host.
      note: writes a bad step down, see `BadStepFile.add`.
      clips: (step) -> the clips of its batch.
    """

    def __init__(self, *, fetch: Fetch, note: Note, clips: Callable[[int], Clips]):
        self.fetch, self.note, self.clips = fetch, note, clips
        self._steps: dict[int, Mapping[str, torch.Tensor]] = {}
        self._undone: Any = 0.0

    def after_step(self, step: int, clips: int, values: Mapping[str, torch.Tensor]) -> None:
        """Keeps the values."""
        self._steps[step] = {name: values[name] for name in (SKIPPED, *DETAILS)}
        self._undone = self._undone + values[SKIPPED] + values[HALTED]

    def check(self) -> None:
        """Looks at the steps since the last time; one number is read unless some were bad.

        Raises:
          BadStepError: one of them should have ended the run; nothing has moved since.
        """
        if not self._steps:
            return
        steps, undone = self._steps, self.fetch({"undone": self._undone})["undone"]
        self._steps, self._undone = {}, 0.0
        if undone:
            for step, values in steps.items():
                self._look(step, self.fetch(values))

    def _look(self, step: int, values: Mapping[str, float]) -> None:
        loss, norm = values[RAW_LOSS], values[RAW_NORM]
        if values[HALTED]:
            clips = self.clips(step)
            self.note(step, loss, norm, "stopped", clips)
            raise BadStepError.of(step, loss, norm, clips)
        if values[SKIPPED]:
            self.note(step, loss, norm, "skipped", self.clips(step))
