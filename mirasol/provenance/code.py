"""The code that runs: its commit, what is not committed, and a checksum of each file.

The checksums also tell apart installations, which have no git.
"""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mirasol
from mirasol import gin_syntax
from mirasol.gin_files import shipped_folder

_LONGEST_PATCH = 1_000_000  # Bytes.
_UNTRACKED = 100  # Names.


@dataclasses.dataclass(frozen=True)
class Patch:
    """What is not committed, as `git diff HEAD` tells it.

    Attributes:
      content: at most a million bytes, in whole lines.
      size: bytes of the whole.
    """

    content: bytes
    size: int

    @property
    def name(self) -> str:
        """Its file: named by its content, so that equal ones are one file."""
        return f"uncommitted-{hashlib.sha256(self.content).hexdigest()[:12]}.patch"

    def told(self) -> dict[str, Any]:
        """Returns what the record says of it."""
        return {"file": self.name, "bytes": self.size, "cut": len(self.content) < self.size}


def package() -> Path:
    """Returns the folder of the package that runs."""
    return Path(mirasol.__file__).parent


def commit(package: Path) -> dict[str, Any]:
    """Returns the git commit of the package's source and whether files differ from it.

    Both are None where the package is not in git, as in an installation: a repository that
    merely surrounds one is not its source.
    """
    if not _git(package, "ls-files", "--", "__init__.py"):
        return {"commit": None, "changed": None}
    return {
        "commit": _git(package, "rev-parse", "HEAD").decode().strip() or None,
        "changed": bool(_git(package, "status", "--porcelain", "--untracked-files=no")),
    }


def untracked(package: Path) -> list[str]:
    """Returns files beside the source that git neither has nor ignores, a hundred at most."""
    if commit(package)["commit"] is None:
        return []
    root = _git(package, "rev-parse", "--show-toplevel").decode().strip()
    found = _git(Path(root), "ls-files", "--others", "--exclude-standard")
    return found.decode(errors="replace").splitlines()[:_UNTRACKED]


def patch(package: Path) -> Patch | None:
    """Returns what is not committed; None where that is nothing, or the package is not in git."""
    if not commit(package)["changed"]:
        return None
    whole = _git(package, "diff", "HEAD")
    kept = whole[:_LONGEST_PATCH]
    if len(kept) < len(whole):
        kept = kept[: kept.rfind(b"\n") + 1]
    return Patch(kept, len(whole))


def sources(package: Path) -> dict[str, str]:
    """Returns the SHA-256 of each source file of the package, of the tasks and the vocabularies.

    Names are those of the checkout, also where the package is installed.
    """
    tasks = package / "tasks"
    if not tasks.is_dir():
        tasks = package.parent / "tasks"
    return {
        **dict(_checksums(package, "mirasol", "**/*.py", leave_out=tasks)),
        **dict(_checksums(tasks, "tasks", "**/*.py")),
        **dict(_checksums(shipped_folder() / "vocabularies", "gin/vocabularies", "*")),
    }


def plugins(declared: str) -> dict[str, str]:
    """Returns the SHA-256 of each source file of the modules that gin text imports from elsewhere.

    Of a package that is all of its files; of a folder without `__init__.py`, the module. Modules of
    Mirasol are in `sources`; those of Python and of installed packages are left out.

    Args:
      declared: gin text; what it imports has been imported.
    """
    found: dict[str, str] = {}
    for each in gin_syntax.read(declared).imports:
        top = each.module.partition(".")[0]
        if top != mirasol.__name__:
            # A folder without __init__.py has no file of its own.
            found |= _of_module(top) or _of_module(each.module)
    return found


def _of_module(name: str) -> dict[str, str]:
    """Returns the checksums of a module, or of a whole package; of what is installed, none."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return {}
    path = Path(file).resolve()
    paths = sysconfig.get_paths()
    installed = [paths[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    if any(Path(folder).resolve() in path.parents for folder in installed):
        return {}
    is_package = path.name == "__init__.py"
    words = name.split(".")
    folder = "/".join(words if is_package else words[:-1])
    return dict(_checksums(path.parent, folder, "**/*.py" if is_package else path.name))


def _checksums(
    folder: Path, name: str, pattern: str, leave_out: Path | None = None
) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob(pattern)):
        if leave_out is None or leave_out not in path.parents:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            yield (Path(name) / path.relative_to(folder)).as_posix(), digest


def _git(folder: Path, *arguments: str) -> bytes:
    """Returns what git prints, nothing where it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""
