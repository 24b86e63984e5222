"""The README says what is there: files, links, flags, gin files, printed shapes."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
from pathlib import Path

import pytest

from mirasol import config
from mirasol.__main__ import COMMANDS, FLAGS
from mirasol.description import text as description_text
from mirasol.description.report import describe
from mirasol.gin_files import find

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Pages with links of their own; those of other pages are theirs to test.
PAGES = ("README.md", "CHANGELOG.md", "gin/README.md", "docs/design.md", "docs/benchmarks.md")
PAGES += ("docs/reports.md", "docs/sweeps.md")
PAGES += ("docs/media_cache.md", "docs/reference.md", "docs/tutorial.md", "docs/conversion.md")
PAGES += ("docs/training.md",)
# Listed file by file, and folder by folder.
LISTED_FILES = ("mirasol/**/*.py", "tasks/*.py", "tools/**/*.py", "docs/*.*")
LISTED_FOLDERS = ("mirasol", "mirasol/*", "mirasol/checkpoint/*", "mirasol/data/*", "tasks")
LISTED_FOLDERS += ("mirasol/sweeps/*", "mirasol/sweeps/*/*")
LISTED_FOLDERS += ("tools", "tools/*")
LISTED_FOLDERS += ("gin", "gin/*", "tests", "tests/*", "docs", "docs/*")


def block(language: str) -> list[str]:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return found.splitlines()


def tree() -> dict[str, str]:
    """Returns the path of each line of the tree, and its purpose."""
    entries: dict[str, str] = {}
    parents: list[str] = []
    for line in block("tree"):
        name, purpose = re.fullmatch(r" *(\S+)(?: {2,}(.*))?", line).groups()
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [name.rstrip("/")]
        path = "/".join(parents) + ("/" if name.endswith("/") else "")
        assert path not in entries, f"{path} stands twice"
        entries[path] = purpose or ""
    return entries


def existing() -> set[str]:
    """Returns what the tree must list; an `__init__.py` is told by its folder."""
    files = {
        path.relative_to(ROOT).as_posix()
        for pattern in LISTED_FILES
        for path in ROOT.glob(pattern)
        if path.name != "__init__.py"
    }
    folders = {
        path.relative_to(ROOT).as_posix() + "/"
        for pattern in LISTED_FOLDERS
        for path in ROOT.glob(pattern)
        if path.is_dir() and path.name != "__pycache__"
    }
    return files | folders


def command_lines() -> list[list[str]]:
    """Returns each `python -m mirasol ...` of the README, split as a shell would."""
    lines = re.findall(r"^(?:\$ )?python -m mirasol (.*)$", README, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_tree_lists_every_file():
    assert sorted(existing() - tree().keys()) == []


def test_the_tree_lists_nothing_that_is_not_there():
    assert sorted(tree().keys() - existing()) == []


def test_every_line_of_the_tree_has_a_purpose():
    assert [path for path, purpose in tree().items() if not purpose] == []


@pytest.mark.parametrize("page", PAGES)
def test_local_links_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.partition("#")[0] for link in links if not link.startswith(("http", "#"))]
    assert [link for link in local if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_named_in_the_text_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:mirasol|tasks|tools|gin|tests|docs)/[\w/.]+\.\w+)`", text)
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_gin_files_named_in_the_text_are_shipped(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(
        r"\b(?:runs|models|data|overlays|ablations|decoding|evaluation|optimizers|schedules)"
        r"/\w+\.gin\b",
        text,
    ):
        if name != "runs/x.gin":  # An example.
            assert find(name).is_file()


def test_every_gin_file_stands_in_the_list():
    text = (ROOT / "gin" / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w/]+\.(?:gin|model))` \|", text, re.MULTILINE))
    folder = ROOT / "gin"
    files = [path for pattern in ("*.gin", "*.model") for path in folder.rglob(pattern)]
    assert listed == {path.relative_to(folder).as_posix() for path in files}


def test_the_common_macros_are_defined_by_every_run():
    (sentence,) = re.findall(r"^\*\*Macros\*\*(.*?);", README, re.DOTALL | re.MULTILINE)
    common = set(re.findall(r"`([A-Z_]+)`", sentence))
    assert len(common) >= 6
    for run in ("runs/av_shapes.gin", "runs/av_shapes_tiny.gin"):
        assert common <= set(config.load([run]).macros)


def test_commands_take_the_flags_that_the_readme_gives_them():
    shown = command_lines()
    assert {line[0] for line in shown} == set(COMMANDS)
    for command, *arguments in shown:
        words = [argument for argument in arguments if argument.startswith("--")]
        flags = [word.removeprefix("--").partition("=")[0] for word in words]
        own = [flag for flag in flags if not flag.startswith("gin.")]
        assert set(own) <= set(COMMANDS[command].flags), (command, own)


def test_flags_named_in_the_text_exist():
    ours = re.sub(r"(?:torchrun|python tools/)[^`\n]*", "", README)
    named = set(re.findall(r"--([a-z_]+)\b(?!\.)", ours))
    assert named <= set(FLAGS), named - set(FLAGS)


def test_tools_named_in_the_tree_explain_themselves():
    for path in tree():
        if re.fullmatch(r"tools/\w+\.py", path):
            tool = runpy.run_path(str(ROOT / path), run_name="not_main")
            assert tool["main"] and tool["__doc__"], path


def test_describe_prints_what_the_readme_shows():
    (command,) = [line for line in command_lines() if line[0] == "describe"]
    (gin_file,) = [word.removeprefix("--gin_file=") for word in command[1:]]
    printed = description_text.render(describe(config.load([gin_file])))
    (shown,) = re.findall(r"^Tokens a chunk\n.*?(?=^```)", README, re.DOTALL | re.MULTILINE)
    assert shown.strip() in printed


def test_the_mistake_that_the_readme_shows_is_told_so():
    from mirasol.__main__ import main

    found = re.search(r"^\$ python -m mirasol (.*)\nmirasol: (.*)$", README, re.MULTILINE)
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
        assert main(shlex.split(found[1])) == 2
    assert stderr.getvalue().strip() == f"mirasol: {found[2]}"


def test_the_picture_reads_in_both_modes():
    picture = (ROOT / "docs" / "model.svg").read_text(encoding="utf-8")
    light, dark = picture.split("@media (prefers-color-scheme: dark)")
    coloured = r"\.(\w+) \{ (?:fill|stroke): #"
    for name in ("page", "ink", "faint", "video", "audio", "combiner", "latent", "text", "plain"):
        assert name in re.findall(coloured, light)
        assert name in re.findall(coloured, dark)
