"""Options of the command that runs sweeps, and which of them mean something together."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

from mirasol.gin_files import find
from mirasol.runtime.select import require_runtime
from mirasol.spelling import closest
from mirasol.sweeps import records
from mirasol.tool_options import ToolParser

_WRITTEN = ("print_commands", "slurm_script", "xpk_manifest")


def parsed(description: str, arguments: Sequence[str]) -> argparse.Namespace:
    """Returns what a command line asks for.

    `gin` has the bindings of --gin.NAME=VALUE, `slurm` name -> value, `folder` that of the sweep's
    files where none is given.

    Args:
      description: of the command, for its help.
      arguments: of the command line.

    Raises:
      ValueError: values that mean nothing, or not together.
    """
    parser = ToolParser(description=description)
    add = parser.add_argument
    add("--gin_file", action="append", default=[], help="states the sweep; further ones change it")
    add("--folder", type=Path, help="of the sweep; default: workdirs/sweeps/<name of the files>")
    add("--dry_run", action="store_true", help="check every trial, print the plan and its cost")
    add("--status", action="store_true", help="only tell how the trials stand")
    add("--jobs", type=int, help="trials at a time (default 1)")
    add("--devices", help="of CUDA, one trial on each at a time: 0,1")
    add("--runtime", default="auto", help="as train takes it")
    add("--retries", type=int, default=1, help="of a trial that fails, in this call (default 1)")
    add("--stale", choices=("ask", "keep", "retrain"), default="ask", help="trials of other code")
    add(
        "--reuse",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="of another sweep: trials of this one that are done there are copied from there",
    )
    add("--executor", choices=("local", "slurm"), default="local", help="slurm was never run")
    add(
        "--slurm",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of submitit: time=240 (minutes, required), partition=gpu",
    )
    add("--print_commands", action="store_true", help="of each trial that is left, for elsewhere")
    add("--slurm_script", type=Path, metavar="FILE", help="write an array of the trials left")
    add("--xpk_manifest", type=Path, metavar="FILE", help="write JobSets of the trials left")
    add("--image", help="of the manifest's containers (default IMAGE, to be filled in)")
    gin = [each for each in arguments if each.startswith("--gin.")]
    given = parser.parse_args([each for each in arguments if each not in gin])
    given.gin = [each.removeprefix("--gin.").replace("=", " = ", 1) for each in gin]
    if not given.gin_file and not (given.status and given.folder):
        raise ValueError("a sweep needs --gin_file=ablations/combiner.gin, say")
    _require_sound(given)
    _require_together(given)
    given.slurm = _parameters(given.slurm)
    if given.executor == "slurm":
        _require_queued(given.slurm)
    given.folder = given.folder or _folder(given.gin_file)
    return given


def _folder(files: Sequence[str]) -> Path:
    """Returns the folder of the sweep that these gin files state, unless it has another one."""
    for name in files:
        find(name)  # Or a misspelt file would be told as a folder that is not there.
    folder = Path("workdirs/sweeps") / "-".join(Path(file).stem for file in files)
    there = records.read_sweep(folder).gin_files if (folder / records.SWEEP).is_file() else []
    if there and _found(there) != _found(files):
        raise ValueError(
            f"{folder} holds the sweep of {', '.join(there)}, not of {', '.join(files)}; name a "
            f"folder for this one (--folder={folder}_2), or that one if it is the same"
        )
    return folder


def _found(files: Sequence[str]) -> list[Path | str]:
    """Returns the files that are meant, by their names where there are none."""
    found: list[Path | str] = []
    for name in files:
        try:
            found.append(find(name).resolve())
        except ValueError:
            found.append(name)
    return found


def _require_sound(given: argparse.Namespace) -> None:
    """Raises ValueError for values that mean nothing."""
    require_runtime(given.runtime)
    for name, least in {"jobs": 1, "retries": 0}.items():
        value = getattr(given, name)
        if value is not None and value < least:
            raise ValueError(f"--{name}={value}; it must be {least} or more")
    if given.devices is not None and not all(name.strip() for name in given.devices.split(",")):
        raise ValueError(f"--devices={given.devices} has an empty name; give some as in 0,1")
    for text in given.slurm:
        if not all(text.partition("=")[::2]):
            raise ValueError(f"--slurm={text}; it must be NAME=VALUE, such as partition=gpu")


def _require_together(given: argparse.Namespace) -> None:
    """Raises ValueError for a flag that means nothing beside another one, or without it."""
    asked = [f"--{name}" for name in ("status", "dry_run", *_WRITTEN) if getattr(given, name)]
    if asked[1:] and ("--status" in asked or "--dry_run" in asked):
        raise ValueError(f"{asked[0]} beside {asked[1]}: one is asked at a time; drop one")
    written = next((f"--{name}" for name in _WRITTEN if getattr(given, name)), None)
    if given.reuse and written:
        raise ValueError(
            f"--reuse beside {written}, which copies nothing: let the command train or queue the "
            "rest"
        )
    if given.executor == "slurm" and written:
        raise ValueError(f"--executor=slurm beside {written}, which queues nothing: drop one")
    elsewhere = "--executor=slurm" if given.executor == "slurm" else written
    if given.devices is not None and given.jobs is not None:
        raise ValueError("--jobs beside --devices: one trial runs on each device; leave one out")
    if given.devices is not None and elsewhere:
        raise ValueError(
            f"--devices beside {elsewhere}: which device a trial has is up to the cluster; "
            "drop --devices (--slurm=gpus_per_node=1 asks for one)"
        )
    if given.slurm and given.executor != "slurm":
        raise ValueError(
            f"--slurm={given.slurm[0]} without --executor=slurm, which alone takes it: drop "
            "--slurm, or add that"
        )
    if given.image is not None and not given.xpk_manifest:
        raise ValueError(
            f"--image={given.image} without --xpk_manifest=FILE, which alone takes it: drop "
            "--image, or add that"
        )


def _parameters(given: Sequence[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found


def _require_queued(parameters: dict[str, object]) -> None:
    """Raises ValueError unless trials have time on the cluster, and what is said here alone."""
    minutes = parameters.get("time")
    if not isinstance(minutes, int) or minutes < 1:
        near = closest("time", parameters)
        meant = f"; is {near!r} to be it?" if near else ""
        said = meant if minutes is None else f", not {minutes!r}"
        raise ValueError(
            f"--executor=slurm needs --slurm=time=240, say: whole minutes that a trial may take "
            f"(submitit's own are five){said}"
        )
    if "array_parallelism" in parameters:
        raise ValueError("--slurm=array_parallelism: --jobs says how many trials run at a time")
