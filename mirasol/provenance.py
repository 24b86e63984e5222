"""How a run came to be: a record of each start, so that a result can be traced and repeated."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mirasol

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
)


def record(arguments: Sequence[str], spec: Spec, runtime: str) -> dict[str, Any]:
    """Returns the record of a start, as JSON values.

    Args:
      arguments: the command line after `python -m mirasol`.
      spec: for the seed.
      runtime: a line about the runtime and its device.
    """
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "mirasol", *arguments]),
        "seed": spec.macros.get("SEED"),
        "runtime": runtime,
        "code": code(Path(mirasol.__file__).parent),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "system": platform.platform(),
        "host": platform.node(),
        "directory": str(Path.cwd()),
        "executable": sys.executable,
    }


def append(path: Path, entry: dict[str, Any]) -> None:
    """Adds a record to the file: {"starts": [first, ..., last]}."""
    from mirasol.evaluation.predictions import whole_file  # Imports torch.

    starts = json.loads(path.read_text(encoding="utf-8"))["starts"] if path.is_file() else []
    with whole_file(path) as file:
        json.dump({"starts": [*starts, entry]}, file, indent=2)


def code(package: Path) -> dict[str, Any]:
    """Returns the git commit of the package's source and whether files differ from it.

    Both are None where the package is not in git, as in an installation: a repository that
    merely surrounds one is not its source.
    """
    if not _git(package, "ls-files", "--", "__init__.py"):
        return {"commit": None, "changed": None}
    return {
        "commit": (_git(package, "rev-parse", "HEAD") or "").strip() or None,
        "changed": bool(_git(package, "status", "--porcelain", "--untracked-files=no")),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
