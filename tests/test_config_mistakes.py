"""Each mistake in a gin file or a flag is one clear line."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.toy_house import RUN, changed, load, move_in, refusal, write


@pytest.fixture(autouse=True)
def house(monkeypatch, tmp_path):
    move_in(monkeypatch, tmp_path)


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
        "run.gin line 8: STEPS is bound before, in run.gin line 7",
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
