"""Where the numbers and traces of a run go: of several processes one writes them."""

from __future__ import annotations

import math
from pathlib import Path

from mirasol.experiment import Experiment
from mirasol.runtime.base import Runtime
from mirasol.training.profiling import PROFILE, Profile, ProfiledSteps
from mirasol.training.speed import DeviceMeasures, Measures, only_the_rate
from mirasol.training.writers import Metrics, MetricsWriter, NoMetrics


def open_metrics(experiment: Experiment, runtime: Runtime, workdir: Path, step: int) -> Metrics:
    """Opens the files and curves of a run, to be closed.

    Args:
      experiment: says where curves go besides TensorBoard.
      runtime: knows whether this process writes.
      workdir: of the run.
      step: steps already done.
    """
    if not runtime.leads:
        return NoMetrics()
    curves = [each.open(experiment.name, workdir, step) for each in experiment.trainer.curves]
    return MetricsWriter(workdir, step, curves)


def device_measures(experiment: Experiment, runtime: Runtime) -> Measures:
    """Returns what is told of the use of all devices of a run, and of the memory of this one."""
    if not runtime.leads:
        return only_the_rate
    from mirasol.description.step_operations import StepOperations

    peak, devices = runtime.peak_flops(), math.prod(runtime.mesh.values())
    return DeviceMeasures(
        operations=StepOperations(experiment),
        peak_flops=None if peak is None else peak * devices,
        peak_memory=runtime.peak_memory,
    )


def profiles(
    steps: ProfiledSteps | None, runtime: Runtime, workdir: Path, done: int
) -> list[Profile]:
    """Returns the hook that traces steps of this process, if any are to be.

    Args:
      steps: which; None: none.
      runtime: makes the trace.
      workdir: of the run; the trace comes to `profile` in it.
      done: steps already done.
    """
    if steps is None or not runtime.leads:
        return []
    folder = workdir / PROFILE
    return [
        Profile(steps=steps, done=done, trace=lambda: runtime.trace(folder), fetch=runtime.scalars)
    ]
