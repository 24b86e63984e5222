"""A run's folder: whose it is, and what it says about how the run came to be.

config.gin            every binding; enough to repeat the run
operative_config.gin  every parameter of every part, defaults too
provenance.json       how, where and with what it was started, once a start
uncommitted-*.patch   what was not committed of the code then
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirasol.provenance import code, record
from mirasol.spelling import closest, hint
from mirasol.whole_file import whole_file

if TYPE_CHECKING:
    from mirasol.config import Spec

CONFIG = "config.gin"
OPERATIVE = "operative_config.gin"
PROVENANCE = "provenance.json"
_SHOWN = 4  # Differences named in an error.


def read(workdir: Path, files: Sequence[str] = (), bindings: Sequence[str] = ()) -> Spec:
    """Returns the experiment that the workdir holds, changed by gin files and bindings.

    Raises:
      ValueError: there is none, or this code cannot read it.
    """
    from mirasol import config

    if not (workdir / CONFIG).is_file():
        runs = [other.parent.name for other in workdir.parent.glob(f"*/{CONFIG}")]
        what = "holds no run" if workdir.is_dir() else "is not there"
        other = closest(workdir.name, runs)
        named = hint(str(workdir.with_name(other))) if other else ""
        raise ValueError(f"the workdir {workdir} {what}{named}")
    return config.load([str((workdir / CONFIG).absolute()), *files], bindings)


def results(workdir: Path, files: Sequence[str] = (), bindings: Sequence[str] = ()) -> Path:
    """Returns the folder of an evaluation's results: `eval`, and in it one that names the changes.

    So that a changed evaluation, of fewer clips, say, does not pass for that of the experiment.
    """
    bound = sorted("".join(binding.split()) for binding in bindings)
    changes = ",".join([*(Path(file).stem for file in files), *bound])
    return workdir / "eval" / re.sub(r"[^\w.,=-]", "_", changes)


def check(workdir: Path, spec: Spec) -> None:
    """Makes sure that the workdir is free, or holds this very experiment. Writes nothing.

    Raises:
      ValueError: it holds another experiment, or other files.
    """
    from mirasol import config

    if workdir.is_file():
        raise ValueError(f"the workdir {workdir} is a file; choose another --workdir")
    if not (workdir / CONFIG).is_file():
        others = [path.name for path in workdir.glob("[!.]*")]
        if others:
            raise ValueError(
                f"the workdir {workdir} holds {others[0]!r}, but no {CONFIG}: it is no run; choose "
                "another --workdir"
            )
        return
    found = config.differences(read(workdir), spec)
    if found:
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ValueError(
            f"the workdir {workdir} holds another experiment ({'; '.join(found[:_SHOWN])}{more}): "
            + _way_out(workdir)
        )


def new(workdir: Path) -> Path:
    """Returns the workdir, which must hold nothing yet.

    Raises:
      ValueError: it does.
    """
    if workdir.is_file() or (workdir.is_dir() and any(workdir.iterdir())):
        raise ValueError(f"the workdir {workdir} is there already; choose another --workdir")
    return workdir


def last_start(workdir: Path) -> dict[str, Any]:
    """Returns the record of the last start.

    Raises:
      ValueError: there is none.
    """
    starts = record.starts(workdir / PROVENANCE)
    if not starts:
        raise ValueError(f"the workdir {workdir} has no record of a start ({PROVENANCE})")
    return starts[-1]


def has_checkpoint(workdir: Path) -> bool:
    """Returns whether a run goes on in the workdir, rather than begins."""
    from mirasol.checkpoint.manager import CheckpointManager  # Imports torch.

    return not CheckpointManager(workdir / "checkpoints").is_empty()


def origin(workdir: Path) -> dict[str, Any] | None:
    """Returns the checkpoint that the workdir's run began with, None if with none."""
    starts = record.starts(workdir / PROVENANCE)
    return starts[-1].get("warm_start") if starts else None


def _way_out(workdir: Path) -> str:
    """Says what to do about a workdir of another experiment.

    One in which nothing is trained is not taken over: a run may be at its first steps there.
    """
    metrics, checkpoints = workdir / "metrics.jsonl", workdir / "checkpoints"
    if any(checkpoints.glob("[!.]*")) or (metrics.is_file() and metrics.stat().st_size):
        return "choose another --workdir, or repeat the flags that it was started with"
    return (
        "nothing is trained in it yet: remove the folder, unless a run is starting there, or name "
        "another --workdir"
    )


def claim(workdir: Path, spec: Spec, start: Mapping[str, Any]) -> None:
    """Writes what the run is, unless it is there already, and a record of this start.

    `config.gin` comes last of the files that make the folder a run's: it says that they are all
    there.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    if not (workdir / CONFIG).is_file():
        with whole_file(workdir / OPERATIVE) as file:
            file.write(spec.operative)
        with whole_file(workdir / CONFIG) as file:
            file.write("# Every binding of this run, in one file that needs no other.\n\n")
            file.write(spec.declared)
    record.append(workdir / PROVENANCE, start, code.patch(code.package()))
