from __future__ import annotations

import dataclasses
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirasol import config
from mirasol.gin_files import closest_file, closest_folder, find, run_name, shipped_folder

# A small house of parts, so that these tests need neither torch nor the real ones.


@dataclasses.dataclass(frozen=True)
class Layer:
    width: int
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Stack:
    layer: Layer
    depth: int = 1

    def __post_init__(self):
        if self.depth < 1:
            raise ValueError(f"depth is {self.depth}; it must be above 0")


@dataclasses.dataclass(frozen=True)
class Pool:
    kind: str = "mean"


@dataclasses.dataclass(frozen=True)
class Root:
    name: str
    video: Stack
    audio: Stack
    model: Callable[[], Any]


def swallow(**anything):
    return anything


PARTS = """
from __gin__ import dynamic_registration
import toy

WIDTH = 8
toy.Root:
    video = @video/toy.Stack()
    audio = @audio/toy.Stack()
    model = @toy.Stack
toy.Stack.layer = @toy.Layer()
video/toy.Stack.depth = 2
audio/toy.Stack.depth = 1
toy.Layer.width = %WIDTH
"""

RUN = """
from __gin__ import dynamic_registration
import toy

include 'parts.gin'

STEPS = 3
toy.Root.name = 'run'
toy.Layer.dropout = %STEPS
"""


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    module = types.ModuleType("toy")
    for part in (Layer, Stack, Pool, Root, swallow):
        setattr(module, part.__name__, part)
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.chdir(tmp_path)
    write(parts=PARTS, run=RUN)


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.gin").write_text(text)


def load(*files: str, flags: tuple[str, ...] = ()) -> config.Spec:
    return config.load(files or ["run.gin"], flags, root="toy.Root")


def refusal(*files: str, flags: tuple[str, ...] = ()) -> str:
    with pytest.raises(ValueError) as caught:
        load(*files, flags=flags)
    return str(caught.value)


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_builds_what_the_files_state():
    root = load().build()
    assert root.name == "run"
    assert root.video == Stack(Layer(8, 3), depth=2)
    assert root.audio == Stack(Layer(8, 3), depth=1)
    assert root.model() == Stack(Layer(8, 3), depth=1)


def test_flags_win_over_files_and_later_files_over_earlier_ones():
    write(overlay="WIDTH = 4\nSTEPS = 5\n")
    root = load("run.gin", "overlay.gin", flags=("STEPS = 9", "video/Stack.depth = 7")).build()
    assert root.video == Stack(Layer(4, 9), depth=7)


def test_a_spec_is_loaded_and_built_again_and_again():
    first = load(flags=("WIDTH = 1",))
    second = load(flags=("WIDTH = 2",))
    assert first.build().video.layer.width == 1
    assert second.build().video.layer.width == 2
    assert first.build() != second.build()


def test_the_declared_text_alone_means_the_same():
    spec = load(flags=("WIDTH = 16",))
    write(alone=spec.declared)
    Path("run.gin").unlink()
    Path("parts.gin").unlink()
    again = load("alone.gin")
    assert again.meaning == spec.meaning
    assert again.declared == spec.declared
    assert again.build().video == spec.build().video


def test_the_operative_text_holds_defaults_and_can_be_read_again():
    spec = load()
    assert "toy.Layer.dropout = %STEPS" in spec.operative
    assert "audio/toy.Stack.depth = 1" in spec.operative
    write(operative=spec.operative)
    assert load("operative.gin").meaning == spec.meaning


def test_meaning_does_not_depend_on_how_it_is_written():
    other = changed(changed(RUN, "STEPS = 3", "DROPOUT = 3"), "%STEPS", "%DROPOUT")
    write(other=other + "toy.Stack.depth = 1\n")
    assert load("other.gin").meaning == load().meaning
    assert config.differences(load("other.gin"), load()) == []


def test_differences_name_macros_first():
    found = config.differences(load(), load(flags=("STEPS = 4",)))
    assert found[0] == "STEPS: 3, not 4"
    assert "Layer.dropout: 3, not 4" in found


def test_differences_name_swapped_parts():
    write(swap="from __gin__ import dynamic_registration\nimport toy\n"
          "toy.Root.model = @toy.Pool\n")  # fmt: skip
    found = config.differences(load(), load("run.gin", "swap.gin"))
    assert "Root.model: @toy.Stack, not @toy.Pool" in found


@pytest.mark.parametrize("name", ["rnu.gin", "./rnu.gin", "elsewhere/run.gin"])
def test_an_unknown_file_names_the_nearest(name):
    message = refusal(name)
    assert name in message
    assert "did you mean 'run.gin'?" in message


def test_an_unknown_include_names_the_nearest():
    write(run=changed(RUN, "'parts.gin'", "'part.gin'"))
    assert "did you mean 'parts.gin'?" in refusal()


MISTAKES = {
    "macro never used": (
        "STEPS = 3",
        "STEPS = 3\nSTEP = 3",
        "nothing uses the macro 'STEP'; did you mean 'STEPS'?",
    ),
    "macro never defined": (
        "STEPS = 3",
        "STEP = 3",
        "the macro 'STEPS' is used but not defined; did you mean 'STEP'?",
    ),
    "scope never used": (
        "STEPS = 3",
        "STEPS = 3\nvidoe/toy.Stack.depth = 3",
        "nothing uses vidoe/Stack.depth; did you mean 'video/Stack'?",
    ),
    "part never used": ("STEPS = 3", "STEPS = 3\ntoy.Pool.kind = 'max'", "nothing uses Pool.kind"),
    "unknown parameter": (
        "toy.Layer.dropout",
        "toy.Layer.dropuot",
        "toy.Layer has no parameter 'dropuot'; did you mean 'dropout'?",
    ),
    "unknown name": (
        "toy.Layer.dropout",
        "toy.Layr.dropout",
        "run.gin line 9: unknown name 'toy.Layr'; did you mean 'Layer'?",
    ),
    "not imported": ("toy.Layer.dropout", "toys.Layer.dropout", "'toys' is not imported"),
    "unknown module": ("import toy", "import toyz", "no module 'toyz'"),
    "no value": ("toy.Root.name = 'run'", "", "Root.name has no value"),
    "no gin value": ("'run'", "run", "run.gin line 8: "),
    "bound twice": (
        "STEPS = 3",
        "STEPS = 3\nSTEPS = 4",
        "run.gin line 8: bound before, in run.gin line 7",
    ),
    "bound above an include": (
        "include",
        "STEPS = 3\ninclude",
        "run.gin line 6: what is bound above an include is lost",
    ),
    "swallowed": (
        "'run'",
        "@toy.swallow()\ntoy.swallow.typo = 1",
        "swallow has no parameter 'typo'",
    ),
    "a macro of itself": ("STEPS = 3", "STEPS = %STEPS", "the macro STEPS stands for itself"),
    "a file of itself": ("parts.gin", "run.gin", "run.gin includes itself"),
}


# Mistakes that are in no one line, but in what the lines amount to.
NOWHERE = ("macro never defined", "no value", "swallowed", "a macro of itself")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_clear_line(mistake):
    old, new, expected = MISTAKES[mistake]
    write(run=changed(RUN, old, new))
    message = refusal()
    assert expected in message
    assert "run.gin" in message or mistake in NOWHERE


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("STEPZ = 4", "--gin.STEPZ: nothing uses the macro 'STEPZ'; did you mean 'STEPS'?"),
        ("Layr.width = 4", "unknown name 'Layr'; did you mean 'Layer'?"),
        ("Layer.wdith = 4", "Layer has no parameter 'wdith'; did you mean 'width'?"),
        ("vdeo/Stack.depth = 4", "--gin.vdeo/Stack.depth: nothing uses vdeo/Stack.depth"),
        ("Root.name = run2", "--gin.Root.name: "),
        ("Root.video = @Stak()", "unknown name 'Stak'; did you mean 'Stack'?"),
        ("STEPS = %WIDHT", "the macro 'WIDHT' is used but not defined; did you mean 'WIDTH'?"),
    ],
)
def test_a_mistake_in_a_flag_is_one_clear_line(flag, expected):
    assert expected in refusal(flags=(flag,))


def test_what_a_swap_leaves_behind_is_no_mistake():
    write(swap="from __gin__ import dynamic_registration\nimport toy\n"
          "toy.Layer.dropout = 0.5\ntoy.Root.video = @toy.Pool()\n")  # fmt: skip
    root = load("run.gin", "swap.gin").build()
    assert root.video == Pool()
    assert root.audio.layer.dropout == 0.5


def test_a_part_that_refuses_its_parameters_is_named():
    with pytest.raises(ValueError, match="Stack: depth is -1; it must be above 0"):
        load(flags=("video/Stack.depth = -1",)).build()


def test_a_bug_in_an_imported_module_is_told_with_its_line():
    Path("broken.py").write_text("\nraise AttributeError('a bug')\n")
    sys.path.insert(0, ".")
    try:
        write(run=changed(RUN, "import toy", "import toy\nimport broken"))
        said = r"run.gin line 4: module 'broken' .* AttributeError: a bug \(.*broken.py line 2\)"
        assert re.fullmatch(said, refusal())
    finally:
        sys.path.remove(".")


def test_missing_modules_of_similar_names_do_not_recommend_each_other():
    imports = "import toy\nimport my_encoder\nimport my_decoder"
    write(run=changed(RUN, "import toy", imports))
    assert refusal().splitlines() == [
        "run.gin line 4: no module 'my_encoder'",
        "run.gin line 5: no module 'my_decoder'",
    ]


def test_a_module_that_another_line_imports_is_offered(monkeypatch):
    monkeypatch.syspath_prepend("elsewhere")
    Path("elsewhere").mkdir()
    Path("elsewhere/my_decoder.py").write_text("")
    write(run=changed(RUN, "import toy", "import toy\nimport my_decoderr\nimport my_decoder"))
    assert refusal() == "run.gin line 4: no module 'my_decoderr'; did you mean 'my_decoder'?"


def test_an_overlay_alone_is_no_experiment():
    write(overlay="STEPS = 5\n")
    assert "binds Root" in refusal("overlay.gin")


def test_files_are_found_from_here_and_then_in_the_shipped_folder():
    assert find("run.gin") == Path("run.gin")
    assert find("overlays/tiny.gin") == shipped_folder() / "overlays/tiny.gin"
    with pytest.raises(ValueError, match=r"did you mean 'overlays/tiny\.gin'"):
        find("overlays/tyny.gin")


def test_a_name_that_begins_at_home_or_is_not_normal_has_a_nearest(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("cache").mkdir()
    Path("pieces.txt").write_text("")
    assert closest_folder("~/cahe") == str(tmp_path / "cache")
    assert closest_file("~/peices.txt") == str(tmp_path / "pieces.txt")
    assert closest_folder(".//cahe/") == "cache"


def test_a_run_is_named_after_its_file_not_after_an_overlay():
    assert run_name(["runs/a.gin"]) == "a"
    assert run_name(["gin/runs/a.gin", "overlays/tiny.gin"]) == "a"
    assert run_name(["overlays/tiny.gin"]) == "tiny"
    assert run_name(["runs/a.gin", "ablations/b.gin"]) == "b"
