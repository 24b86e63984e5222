"""Curves at Weights & Biases (package `wandb`, extra `wandb`)."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mirasol.training.curves import Curves, CurvesRecipe
from mirasol.whole_file import whole_file

RUN_FILE = "wandb_run.json"
_PACKAGE = "wandb"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsAndBiases(CurvesRecipe):
    """Sends curves to Weights & Biases; the files of the workdir stay the record.

    A run that goes on goes on there, too, under the id in `wandb_run.json`. Points that a killed
    run has sent beyond its checkpoint stay, and come again.

    Attributes:
      project: that the run belongs to.
      entity: user or team; None: the one that has logged in.
      mode: "online"; "offline", which keeps everything in the workdir; "disabled".
    """

    project: str
    entity: str | None = None
    mode: Literal["online", "offline", "disabled"] = "online"

    def require(self) -> None:
        """See CurvesRecipe."""
        if _PACKAGE not in sys.modules and importlib.util.find_spec(_PACKAGE) is None:
            raise ValueError(
                "WeightsAndBiases: the package wandb is not installed; pip install "
                "'mirasol[wandb]', or leave it out of Trainer.curves"
            )

    def open(self, name: str, workdir: Path, step: int) -> Curves:
        """See CurvesRecipe."""
        self.require()
        import wandb

        run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=name,
            id=_run_id(workdir),
            resume="allow",
            dir=str(workdir),
            mode=self.mode,
        )
        # Evaluations come after the log of their step, and wandb's own counter only goes up.
        run.define_metric("step")
        run.define_metric("*", step_metric="step")
        return WandbCurves(run)


class WandbCurves(Curves):
    """An open run of `wandb`."""

    def __init__(self, run: Any):
        self._run = run

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """See Curves."""
        self._run.log({"step": step, **values})

    def close(self) -> None:
        """See Curves."""
        self._run.finish()


def _run_id(workdir: Path) -> str:
    """Returns the run's id there, made once a workdir."""
    path = workdir / RUN_FILE
    if not path.exists():
        workdir.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(json.dumps({"id": uuid.uuid4().hex[:12]}) + "\n")
    return json.loads(path.read_text(encoding="utf-8"))["id"]
