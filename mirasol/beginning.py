"""What a run does before its first step, and never again."""

from __future__ import annotations

import json
from pathlib import Path

from absl import logging
from torch import nn

from mirasol.experiment import Experiment
from mirasol.runtime.base import Runtime
from mirasol.whole_file import whole_file

REPORT = "warm_start.json"


def begin(experiment: Experiment, model: nn.Module, runtime: Runtime, workdir: Path) -> None:
    """Fills the model with another run's parameters, if the experiment says so.

    What became of each tensor is told in the log, and by name in `warm_start.json` of the workdir.

    Args:
      experiment: that begins.
      model: as the seed made it, placed on the runtime.
      runtime: of the model.
      workdir: of the run.

    Raises:
      CheckpointError: the parameters are not there, do not fit, or are damaged.
    """
    if experiment.warm_start is None:
        return
    # One checkpoint for all processes, whatever is saved there in between.
    report = runtime.decided(experiment.warm_start.pinned).apply(model)
    runtime.settle(model.state_dict())
    for line in report.lines():
        logging.info("%s", line)
    if not runtime.leads:
        return
    workdir.mkdir(parents=True, exist_ok=True)
    with whole_file(workdir / REPORT) as file:
        json.dump(report.told(), file, indent=2)
