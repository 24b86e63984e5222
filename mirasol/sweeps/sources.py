"""The code of a trial: which source files it uses, and a copy of the package that nobody edits.

A trial uses the modules of its parts, those of the training, the tasks, and whatever these import.
A Combiner that another variant has is not among them: to change it leaves this trial as it is.
Other people's modules that its gin text imports are, and what they import of Mirasol.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mirasol.config import Spec
from mirasol.gin_files import shipped_folder
from mirasol.provenance import code
from mirasol.spelling import some

_PACKAGE = "mirasol"
# Beside the parts: what trains them, and the runtimes, which are chosen by name.
_ROOTS = ("mirasol.session", "mirasol.experiment")
# Reading and telling of experiments: the same meaning trains the same.
_NOT_FOLLOWED = ("mirasol.description", "mirasol.checkpoint.conversion", "mirasol.commands")
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


def used(spec: Spec) -> dict[str, str]:
    """Returns the SHA-256 of each source file that an experiment uses, by its name in the checkout.

    Files of other people's modules that its gin text imports are among them.
    """
    plugins = code.plugins(spec.declared)
    parts = {part.reference.target.__module__ for part in spec.wiring.objects()}
    theirs = {module for item in plugins.items() for module in _imports_of_plugin(*item)}
    names = {_name(module) for module in _reached(frozenset(parts | theirs))}
    checksums = _checksums()
    vocabularies = {name for name in checksums if name.startswith("gin/")}
    found = {name: checksums[name] for name in sorted(names & checksums.keys() | vocabularies)}
    return found | plugins


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Returns the files that differ between two such sets, or are in one of them only."""
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def freeze(folder: Path, specs: Sequence[Spec]) -> str:
    """Copies the package into `folder/<hash>`, unless it is there; returns the hash.

    The copy has the layout of an installation, and beside it the modules that gin texts import.

    Raises:
      ValueError: a file was edited after the trials were planned, which name its state of then.
    """
    plugins = {name: sum_ for spec in specs for name, sum_ in code.plugins(spec.declared).items()}
    gin = _gin_checksums(shipped_folder())
    name = digest([_checksums(), plugins, gin])
    if not (folder / name).is_dir():
        draft = folder / f".{name}.{os.getpid()}"
        try:
            _copy(draft)
            for plugin in plugins:
                (draft / plugin).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(_found(plugin), draft / plugin)
            _require_same({**_checksums(), **plugins, **gin}, draft, plugins)
            _put(draft, folder / name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return name


def _gin_checksums(folder: Path) -> dict[str, str]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.gin")}
    return {name: _checksum(path) for name, path in files.items()}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _require_same(planned: Mapping[str, str], draft: Path, plugins: Iterable[str]) -> None:
    """Raises ValueError where the copy is not what trials were planned with."""
    package = draft / "mirasol"
    copied = code.sources(package) | {name: _checksum(draft / name) for name in plugins}
    differing = changed(planned, copied | _gin_checksums(package / "gin"))
    if differing:
        raise ValueError(
            f"{some(differing)} changed while the sweep was read and its code copied; nothing "
            "was begun: give the command again"
        )


def _put(draft: Path, place: Path) -> None:
    """Renames the draft, unless another process was faster: its copy is the same."""
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def digest(values: object) -> str:
    """Returns twelve characters that stand for JSON values."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _copy(target: Path) -> None:
    package = code.package()
    tasks = package / "tasks"
    shutil.copytree(package, target / "mirasol", ignore=_IGNORED)
    if not tasks.is_dir():  # A checkout, where both stand beside the package.
        shutil.copytree(package.parent / "tasks", target / "mirasol/tasks", ignore=_IGNORED)
    if not (package / "gin").is_dir():
        shutil.copytree(shipped_folder(), target / "mirasol/gin", ignore=_IGNORED)


def _found(plugin: str) -> Path:
    """Returns the file of a plug-in: beside the module that was imported, or where Python looks."""
    module = sys.modules.get(plugin.partition("/")[0].removesuffix(".py"))
    file: str | None = getattr(module, "__file__", None)
    first = Path(file or "")
    beside = first.parent.parent if first.name == "__init__.py" else first.parent
    paths = (folder / plugin for folder in (beside, *map(Path, sys.path)))
    return next(path for path in paths if path.is_file())


@functools.cache
def _checksums() -> dict[str, str]:
    return code.sources(code.package())


def _name(module: str) -> str:
    """Returns the file of one of our modules as it is called in the checkout."""
    inside = module.removeprefix("mirasol.") if module.startswith("mirasol.tasks") else module
    file = inside.replace(".", "/")
    return f"{file}.py" if f"{file}.py" in _checksums() else f"{file}/__init__.py"


def _path(module: str) -> Path | None:
    """Returns the file of one of our modules; None for those of others."""
    if module.partition(".")[0] != _PACKAGE:
        return None
    package = code.package()
    if not (package / "tasks").is_dir() and module.startswith("mirasol.tasks"):
        package = package.parent
    inside = package.joinpath(*module.split(".")[1:])
    files = (inside.with_suffix(".py"), inside / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@functools.cache
def _reached(parts: frozenset[str]) -> frozenset[str]:
    """Returns the modules that parts and training import, those imported by functions, too."""
    runtimes = [f"mirasol.runtime.{each.stem}" for each in _folder("mirasol.runtime")]
    tasks = [f"mirasol.tasks.{each.stem}" for each in _folder("mirasol.tasks")]
    reached: set[str] = set()
    waiting = [*parts, *_ROOTS, *runtimes, *tasks]
    while waiting:
        module = waiting.pop()
        if module not in reached and not module.startswith(_NOT_FOLLOWED) and _path(module):
            reached.add(module)
            waiting += _imports(module)
    return frozenset(reached)


def _folder(package: str) -> Iterator[Path]:
    init = _path(package)
    assert init is not None, package
    return (path for path in init.parent.glob("*.py") if path.stem != "__init__")


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    path = _path(module)
    assert path is not None, module
    return _imported(path)


@functools.cache
def _imports_of_plugin(name: str, checksum: str) -> tuple[str, ...]:
    """Returns our modules that a file of others imports; the checksum tells its states apart."""
    return _imported(_found(name))


def _imported(path: Path) -> tuple[str, ...]:
    """Returns our modules that a source file imports, and the packages that hold them."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    packages = [name.rpartition(".")[0] for name in found]
    return tuple(name for name in [*found, *packages] if name.split(".")[0] == _PACKAGE)
