"""The record of each start: provenance.json, {"starts": [first, ..., last]}.

{
  "started", "command", "arguments"    when and how
  "reproduces"      the workdir that the run is to repeat; null
  "declared"        every binding, as config.gin
  "operative"       parameter -> value, as operative_config.gin
  "seed"            of parameters, order of the data, dropout and masking
  "runtime"         a line about it and its device
  "code"            commit, whether files differ from it, their patch, untracked files
  "sources"         file -> SHA-256, of Mirasol and of what the gin file imports besides
  "packages", "python", "system", "host", "cores", "environment", "directory", "executable"
  "data"            "task/split" -> see data/identity.py
  "warm_start"      the checkpoint that the run began with: folder, step, checksum; null
}
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirasol.provenance import code
from mirasol.whole_file import whole_file

if TYPE_CHECKING:
    from mirasol.config import Spec

# Those whose version can change a number.
PACKAGES = (
    "mirasol",
    "torch",
    "torch-xla",
    "numpy",
    "tensorstore",
    "seqio",
    "tensorflow",
    "av",
    "sentencepiece",
    "gin-config",
    "scikit-learn",
    "nltk",
)
# Variables that can change a number, or where the data are.
_VARIABLES = ("MIRASOL_", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_DEVICE", "CUDA_VISIBLE")


def record(
    arguments: Sequence[str],
    spec: Spec,
    runtime: str,
    data: Mapping[str, Any] | None = None,
    reproduces: Path | None = None,
    warm_start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the record of a start, as JSON values.

    Args:
      arguments: the command line after `python -m mirasol`.
      spec: the experiment.
      runtime: a line about the runtime and its device.
      data: what the tasks' splits are.
      reproduces: the workdir that the run is to repeat.
      warm_start: the checkpoint that the run begins with.
    """
    package = code.package()
    patch = code.patch(package)
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "mirasol", *arguments]),
        "arguments": list(arguments),
        "reproduces": None if reproduces is None else str(reproduces.absolute()),
        "declared": spec.declared,
        "operative": dict(spec.meaning),
        "seed": spec.macros.get("SEED"),
        "runtime": runtime,
        "code": {
            **code.commit(package),
            "patch": patch.told() if patch else None,
            "untracked": code.untracked(package),
        },
        "sources": code.sources(package) | code.plugins(spec.declared),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "data": dict(data or {}),
        "warm_start": None if warm_start is None else dict(warm_start),
        **_machine(),
    }


def append(path: Path, entry: Mapping[str, Any], patch: code.Patch | None = None) -> None:
    """Adds a record to the file, and beside it what of the code is not committed."""
    if patch:
        (path.parent / patch.name).write_bytes(patch.content)
    with whole_file(path) as file:
        json.dump({"starts": [*starts(path), entry]}, file, indent=2)


def starts(path: Path) -> list[dict[str, Any]]:
    """Returns the records in the file, none where there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["starts"] if path.is_file() else []


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "host": platform.node(),
        "cores": os.cpu_count(),
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
        },
        "directory": str(Path.cwd()),
        "executable": sys.executable,
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
