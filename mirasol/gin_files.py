"""Where gin files are looked for, and what each of them is called.

--gin_file=runs/x.gin      ./runs/x.gin if there is one, else runs/x.gin of the shipped folder
"""

from __future__ import annotations

import os
from pathlib import Path

import mirasol
from mirasol.spelling import closest, hint

OVERLAYS = "overlays"


def shipped_folder() -> Path:
    """Returns the folder of the gin files that come with the package.

    Installed, it lies inside the package; in a checkout beside it, where people look for it.
    """
    package = Path(mirasol.__file__).parent
    installed = package / "gin"
    return installed if installed.is_dir() else package.parent / "gin"


def find(name: str) -> Path:
    """Returns the gin file that `name` means.

    Args:
      name: path as given, relative to the working directory, else to the shipped folder.

    Raises:
      ValueError: there is no such file; names the nearest.
    """
    for candidate in (Path(name).expanduser(), shipped_folder() / name):
        if candidate.is_file():
            return candidate
    raise ValueError(
        f"no gin file {name!r}, neither from here nor in {shipped_folder()}{_nearest_file(name)}"
    )


def data_file(name: str) -> Path | None:
    """Returns another file that a gin file names, from here, else from the shipped folder."""
    tried = (Path(name).expanduser(), shipped_folder() / name)
    return next((path for path in tried if path.is_file()), None)


def closest_file(name: str) -> str:
    """Returns the file whose path looks most like that of a data file, "" if none does."""
    shipped = shipped_folder()
    known = [path.relative_to(shipped).as_posix() for path in shipped.rglob("*.model")]
    return closest(_normal(name), [*known, *map(os.path.normpath, _beside(name))])


def closest_folder(name: str) -> str:
    """Returns the folder whose path looks most like that of a folder, "" if none does."""
    return closest(_normal(name), [str(path) for path in _beside(name) if path.is_dir()])


def runs() -> list[str]:
    """Returns the shipped files that state a whole experiment, as `--gin_file` takes them."""
    files = sorted((shipped_folder() / "runs").glob("*.gin"))
    whole = [file for file in files if "Experiment.name" in file.read_text(encoding="utf-8")]
    return [f"runs/{file.name}" for file in whole]


def sweeps() -> list[str]:
    """Returns the shipped files that state a sweep, or change one (docs/sweeps.md)."""
    files = sorted((shipped_folder() / "ablations").glob("*.gin"))
    found = [file for file in files if "plan.Sweep:" in file.read_text(encoding="utf-8")]
    return [f"ablations/{file.name}" for file in found]


def run_name(names: list[str]) -> str:
    """Returns the stem of the last file that is not an overlay: what a run is called.

    An overlay changes a run, and does not name it.
    """
    naming = [name for name in names if Path(name).parent.name != OVERLAYS]
    return Path((naming or names)[-1]).stem


def _normal(name: str) -> str:
    return os.path.normpath(Path(name).expanduser())


def _beside(name: str) -> list[Path]:
    folder = Path(name).expanduser().parent
    return list(folder.iterdir()) if folder.is_dir() else []


def _nearest_file(name: str) -> str:
    """Returns the hint: the file whose path looks like `name`, else whose stem does."""
    shipped = shipped_folder()
    known = [path.relative_to(shipped).as_posix() for path in shipped.rglob("*.gin")]
    for folder in (Path(name).parent, Path()):
        known += [os.path.normpath(path) for path in folder.glob("*.gin")]
    by_stem = {Path(path).stem: path for path in known}
    given, stem = os.path.normpath(name), Path(name).stem
    near = closest(given, known) or by_stem.get(stem) or by_stem.get(closest(stem, by_stem), "")
    return hint(near)
