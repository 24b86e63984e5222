"""The commands that train: check everything, then write, then run.

flags -> gin files -> spec -> parts, rehearsal -> workdir -> runtime -> tasks, data
      -> (first write) run
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirasol import workdirs
from mirasol.commands.opening import check_spec, runtime_for
from mirasol.commands.printing import log_to_terminal, table
from mirasol.commands.request import Request
from mirasol.gin_files import run_name
from mirasol.launched import launch
from mirasol.provenance import comparison, record

if TYPE_CHECKING:
    from mirasol.config import Spec
    from mirasol.experiment import Experiment
    from mirasol.training.profiling import ProfiledSteps


def train(request: Request) -> None:
    """Trains, or goes on training, in the workdir."""
    if not request.gin_file:
        raise ValueError("train needs a run: --gin_file=runs/av_shapes_tiny.gin, say")
    profile = _profiled(request.profile)
    workdir = Path(request.workdir or Path("workdirs") / run_name(list(request.gin_file)))
    resumed = workdirs.has_checkpoint(workdir)
    # What does not fit is found out while nothing is written.
    spec = check_spec(request, resumed=resumed)
    workdirs.check(workdir, spec)
    experiment = spec.build() if resumed else spec.build().pinned()
    origin = workdirs.origin(workdir) if resumed else experiment.origin()
    start = _start(request, spec, experiment, request.runtime, origin)
    _train(workdir, spec, experiment, request.runtime, start, profile)


def _profiled(steps: str | None) -> ProfiledSteps | None:
    from mirasol.training.profiling import ProfiledSteps  # And with it torch.

    return None if steps is None else ProfiledSteps.parse(steps)


def reproduce(request: Request) -> None:
    """Starts a workdir's experiment again in a new one, and tells first what differs now."""
    if len(request.operands) != 1:
        raise ValueError("reproduce needs one workdir, the folder that train printed")
    if request.bindings:
        raise ValueError(
            "reproduce changes nothing; with --gin.NAME=VALUE it is another experiment"
        )
    old = Path(request.operands[0])
    spec, then = workdirs.read(old), workdirs.last_start(old)
    workdir = workdirs.new(Path(request.workdir or f"{old}_again"))
    runtime = then["runtime"].partition(":")[0]
    experiment = spec.build()
    experiment.rehearse()  # What does not fit is found out while nothing is written.
    experiment = experiment.pinned()
    start = _start(request, spec, experiment, runtime, experiment.origin(), old)
    print("\n".join(comparison.changes(then, start)) or "nothing differs")
    if not request.dry_run:
        _train(workdir, spec, experiment, runtime, start)


def _start(
    request: Request,
    spec: Spec,
    experiment: Experiment,
    runtime: str,
    origin: Mapping[str, Any] | None,
    old: Path | None = None,
) -> dict[str, Any]:
    """Checks everything, and returns the record of the start; makes data, unless told not to."""
    log_to_terminal()
    opened = runtime_for(experiment, runtime)
    experiment.try_sharing(experiment.build_model("meta"), opened.mesh)

    def looked() -> dict[str, Any]:
        data = experiment.check(make=not request.dry_run)
        return record.record(request.arguments, spec, opened.describe(), data, old, origin)

    return opened.decided(looked)


def _train(
    workdir: Path,
    spec: Spec,
    experiment: Experiment,
    runtime: str,
    start: dict[str, Any],
    profile: ProfiledSteps | None = None,
) -> None:
    if launch().leads:
        workdirs.claim(workdir, spec, start)
    for task, metrics in experiment.train(workdir, runtime, profile).items():
        print(f"{task}\n{table(metrics)}")
    print(f"trained in {workdir}; evaluate it with: python -m mirasol eval --workdir={workdir}")
