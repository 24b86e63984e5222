"""From a command line to an experiment, and to the workdir and the runtime that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mirasol import workdirs
from mirasol.commands.request import Request

if TYPE_CHECKING:
    from mirasol.config import Spec
    from mirasol.experiment import Experiment
    from mirasol.runtime.base import Runtime


def load(files: Sequence[str], bindings: Sequence[str]) -> Spec:
    """Returns what gin files and bindings state."""
    from mirasol import config  # Not at the top: its root imports torch.

    return config.load(files, bindings)


def check_spec(request: Request, *, resumed: bool = False) -> Spec:
    """Returns what the request's gin files state, after all that can be checked of it.

    Args:
      request: names the files.
      resumed: whether a run goes on, for which a warm start is past.

    Raises:
      ExperimentError: what is wrong, all of it.
    """
    from mirasol import config

    return config.check(request.gin_file, request.bindings, resumed=resumed)


def stated(name: str, bindings: Sequence[str] = ()) -> Spec:
    """Returns the experiment of a workdir, or of gin files joined by +."""
    if Path(name).is_dir():
        return workdirs.read(Path(name), (), bindings)
    return load(name.split("+"), bindings)


def opened(request: Request, command: str) -> tuple[Path, Experiment]:
    """Returns the workdir and its experiment.

    Its config.gin states the experiment; gin files and --gin.NAME=VALUE change that for this call
    alone. Files that state a whole experiment must state the one that the workdir holds.
    """
    if not request.workdir:
        raise ValueError(f"{command} needs --workdir, the folder that train printed")
    workdir = Path(request.workdir)
    changes = changing_files(request)
    if changes or not request.gin_file:
        spec = workdirs.read(workdir, changes, request.bindings)
    else:
        spec = workdirs.read(workdir)
        workdirs.check(workdir, load(request.gin_file, request.bindings))
    experiment = spec.build()
    runtime_for(experiment, request.runtime)
    return workdir, experiment


def changing_files(request: Request) -> Sequence[str]:
    """Returns the gin files that change the workdir's experiment; none, where they state it."""
    from mirasol import config  # As in load.

    return () if config.states_experiment(request.gin_file) else request.gin_file


def runtime_for(experiment: Experiment, name: str) -> Runtime:
    """Opens the runtime of an experiment, which tells whether there is one.

    Raises:
      ValueError: there is none, or its devices do not make the mesh.
    """
    from mirasol.runtime.select import open_runtime

    return open_runtime(name, experiment.precision, experiment.sharding)
