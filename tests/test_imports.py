"""Imports run downhill only, and each heavy library stays where it belongs.

Read from the import statements, so nothing is imported here.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Who may import whom: a package may import those of lower levels, and itself.
LEVELS = {
    "mirasol": 0,
    "mirasol.numbers": -1,
    "mirasol.whole_file": -1,
    "mirasol.spelling": 0,
    "mirasol.findings": 0,
    "mirasol.launched": -1,
    "mirasol.named": 0,
    "mirasol.progress": 0,
    "mirasol.tool_options": 1,
    "mirasol.batch": 0,
    "mirasol.models": 1,
    "mirasol.runtime": 1,
    "mirasol.checkpoint": 2,
    "mirasol.data": 2,
    "mirasol.tasks": 4,
    "mirasol.training": 3,
    "mirasol.evaluation": 3,
    "mirasol.rehearsal": 4,
    "mirasol.shareable": 4,
    "mirasol.experiment": 5,
    "mirasol.beginning": 6,
    "mirasol.telling": 6,
    "mirasol.training_state": 7,
    "mirasol.training_run": 8,
    "mirasol.session": 9,
    "mirasol.gin_files": 5,
    "mirasol.gin_messages": 5,
    "mirasol.wiring": 5,
    "mirasol.gin_keys": 5,
    "mirasol.gin_syntax": 6,
    "mirasol.statements": 7,
    "mirasol.bound": 8,
    "mirasol.gin_imports": 8,
    "mirasol.names": 9,
    "mirasol.aliases": 9,
    "mirasol.loose_ends": 9,
    "mirasol.value_types": 9,
    "mirasol.refusals": 9,
    "mirasol.misplaced": 10,
    "mirasol.examination": 11,
    "mirasol.sizes": 10,
    "mirasol.lookups": 10,
    "mirasol.trial": 11,
    "mirasol.config": 12,
    "mirasol.description": 13,
    "mirasol.provenance": 13,
    "mirasol.workdirs": 14,
    "mirasol.commands": 15,
    "mirasol.sweeps": 15,
    "mirasol.__main__": 16,
}
# Imports against the slope, inside functions: where the parts of a whole call each other, where
# a process looks up the tasks that people add, and where a run counts as `describe` does.
UPHILL = {
    ("mirasol.experiment", "mirasol.session"),
    ("mirasol.data", "mirasol.tasks"),
    ("mirasol.telling", "mirasol.description"),
}
# A GPU image without TensorFlow trains and times the model on ready batches with these alone.
TRAINING_LIBRARIES = {"torch", "numpy", "tensorstore", "crc32c", "absl", "torch_xla", "ml_dtypes"}
TRAINING_PACKAGES = ("models", "training", "runtime", "checkpoint")
# These too, where they are imported by the functions that want them: progress, curves.
OPTIONAL_LIBRARIES = {"tqdm", "tensorboardX", "wandb"}
# Library -> the only places that may import it.
HOMES = {
    "gin": ("mirasol/config.py", "mirasol/gin_syntax.py"),
    "tensorflow": ("mirasol/data/", "tasks/"),
    "seqio": ("mirasol/data/", "tasks/"),
    "apache_beam": ("mirasol/data/media_cache/filling.py",),
    "safetensors": ("mirasol/checkpoint/conversion/",),
}


@dataclasses.dataclass(frozen=True)
class Import:
    path: str
    line: int
    module: str  # The importing one.
    target: str
    lazy: bool  # Inside a function.

    def __str__(self):
        return f"{self.path}:{self.line} imports {self.target}"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("mirasol", *parts) if parts[0] == "tasks" else parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {
    module_of(path): path
    for folder in ("mirasol", "tasks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imports_of(module: str, path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            for target in targets(child):
                where = str(path.relative_to(ROOT))
                yield Import(where, child.lineno, module, target, lazy)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, lazy or inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


def targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports here are absolute"
        found = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in MODULES else str(node.module) for name in found]
    return []


IMPORTS = [found for module, path in MODULES.items() for found in imports_of(module, path)]


def part(module: str) -> str:
    """Returns the package under `mirasol`, or the module that stands there alone."""
    return ".".join(module.split(".")[:2])


def test_every_part_has_a_level():
    assert {part(module) for module in MODULES} == set(LEVELS)


def test_imports_run_downhill():
    wrong = []
    for found in IMPORTS:
        if not found.target.startswith("mirasol"):
            continue
        here, there = part(found.module), part(found.target)
        downhill = LEVELS[there] < LEVELS[here] or there == here
        if not downhill and not (found.lazy and (here, there) in UPHILL):
            wrong.append(str(found))
    assert wrong == []


def test_tools_and_tests_are_imported_by_nothing():
    assert [str(each) for each in IMPORTS if each.target.split(".")[0] in ("tools", "tests")] == []


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_at_home(library):
    users = [each for each in IMPORTS if each.target.split(".")[0] == library]
    assert users
    assert [str(each) for each in users if not each.path.startswith(HOMES[library])] == []


def test_tensorflow_is_imported_by_functions_or_by_what_only_functions_import():
    # The training process imports the experiment; what that reaches must not reach TensorFlow.
    reached, waiting = (
        set(),
        ["mirasol.session", "mirasol.description.report", "mirasol.experiment"],
    )
    libraries = set()
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        for found in IMPORTS:
            if found.module == module and not found.lazy:
                inside = found.target in MODULES
                (waiting if inside else []).append(found.target)
                libraries.add(found.target.split(".")[0])
    assert "mirasol.models.mirasol3b" in reached
    assert libraries.isdisjoint({"tensorflow", "seqio", "apache_beam", "safetensors"})


@pytest.mark.parametrize("package", TRAINING_PACKAGES)
def test_the_training_side_needs_few_libraries(package):
    allowed = TRAINING_LIBRARIES | sys.stdlib_module_names | {"mirasol"}
    inside = [each for each in IMPORTS if part(each.module) == f"mirasol.{package}"]
    assert inside
    # What training never imports may need what it does without.
    homes = {"safetensors": HOMES["safetensors"]}
    foreign = [
        each
        for each in inside
        if (library := each.target.split(".")[0]) not in allowed
        and not (library in homes and each.path.startswith(homes[library]))
    ]
    assert [
        str(each)
        for each in foreign
        if not (each.lazy and each.target.split(".")[0] in OPTIONAL_LIBRARIES)
    ] == []
    heavy = {"mirasol.data", "mirasol.evaluation", "mirasol.tasks"}
    assert [str(each) for each in inside if part(each.target) in heavy] == []


def test_a_package_file_imports_nothing():
    found = [each for each in IMPORTS if MODULES[each.module].name == "__init__.py"]
    assert [str(each) for each in found if not each.path.startswith("tasks/")] == []
