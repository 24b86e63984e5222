"""The pages that are made from the code: whether they are as the code is now."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import make_reference
import pytest
from reference import shipped
from reference.gin_page import gin_page
from reference.index import Index
from reference.markdown import anchor
from reference.shipped import GinFile, Named, gin_files
from reference.sources import REPOSITORY, Sources

COMMAND = "python tools/make_reference.py"


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources()


@pytest.fixture(scope="module")
def made():
    return make_reference.pages()


def test_the_pages_are_as_the_code_is_now(made):
    found = [path.relative_to(REPOSITORY).as_posix() for path in make_reference.stale(made)]
    assert found == [], f"{', '.join(found)}: not as the code is now; run {COMMAND}"


def test_everything_that_a_shipped_file_names_has_an_entry(made):
    page = made[REPOSITORY / "docs/reference.md"]
    entries = set(re.findall(r"^### `(.*)`$", page, re.MULTILINE))
    named = {each.selector for file in gin_files() for each in file.named}
    assert len(named) > 30
    assert named - entries == set()


def test_links_within_the_page_lead_to_headings(made):
    page = made[REPOSITORY / "docs/reference.md"]
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = {anchor(heading) for heading in headings}
    assert set(re.findall(r"\]\((#[^)]*)\)", page)) <= anchors
    assert len(anchors) == len(headings)


def test_the_means_of_every_macro_stand_in_the_list():
    page = (REPOSITORY / "gin/README.md").read_text(encoding="utf-8")
    by_hand = page[: page.index("<!-- macros:")]
    rows = re.findall(r"^\| (`[A-Z].*?) \|", by_hand, re.MULTILINE)
    listed = {macro for row in rows for macro in re.findall(r"`(\w+)`", row)}
    assert listed == {macro for file in gin_files() for macro in file.macros}


def test_a_class_that_is_added_is_found_by_its_base(sources):
    combiners = sources.giving("mirasol.models.combiners.Combiner")
    assert "mirasol.models.token_turing.TokenTuringCombiner" in combiners
    assert "mirasol.models.combiners.ChunkCombiner" not in combiners  # Abstract.
    assert "mirasol.models.tubes.tubes_for_images" in sources.giving("mirasol.models.tubes.Tube")


def test_defaults_are_values_and_two_arguments_may_share_a_line(sources):
    known = sources.configurables
    plan = {each.name: each for each in known["mirasol.experiment.EvaluationPlan"].arguments}
    assert plan["broken_media"].default == "Skip(max_share=1.0)"
    mel = {each.name: each for each in known["mirasol.data.spectrogram.LogMel"].arguments}
    assert mel["low_hz"].meaning == mel["high_hz"].meaning != ""


def test_a_name_that_is_no_configurable_is_an_error(sources):
    stray = Named("", "batch.empty_batch", "mirasol.batch.empty_batch", "")
    file = GinFile("x.gin", "", (), (), {}, (stray,), ())
    with pytest.raises(ValueError, match=r"x\.gin names batch\.empty_batch"):
        Index(sources, [file])


def test_an_argument_without_a_meaning_is_an_error(sources, monkeypatch):
    path = "mirasol.models.losses.LossWeights"
    mute = dataclasses.replace(sources.configurables[path].arguments[0], meaning="")
    weights = dataclasses.replace(sources.configurables[path], arguments=(mute,))
    monkeypatch.setitem(sources.configurables, path, weights)
    with pytest.raises(ValueError, match=r"what these mean: .*LossWeights\.text$"):
        Index(sources, [])


@pytest.mark.parametrize("docstring", ["One step's tensors.", "One.\n\nTwo."])
def test_a_lost_legend_is_an_error(sources, monkeypatch, docstring):
    monkeypatch.setattr(sources.find("mirasol.batch").docstring, "value", docstring)
    with pytest.raises(ValueError, match=r"third paragraph of mirasol\.batch's docstring"):
        Index(sources, []).legend()


def test_a_file_says_first_what_it_is_for(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    (tmp_path / "x.gin").write_text("# What it is\n# for. More.\nA = 1")  # No blank line.
    (file,) = gin_files()
    assert file.purpose == "What it is for"
    for text in ("A = 1", "A = 1\n\n# Too late.\n", "# No sentence\n\nA = 1\n", ""):
        (tmp_path / "x.gin").write_text(text)
        with pytest.raises(ValueError, match=r"x\.gin does not begin with a comment"):
            gin_files()


def test_a_page_without_marks_is_an_error(sources):
    with pytest.raises(ValueError, match="files: made by"):
        gin_page("# gin files\n", Index(sources, []), [])


def test_nothing_heavy_is_imported():
    program = (
        "import sys; sys.path.insert(0, 'tools'); import make_reference; make_reference.pages();"
        "print({'torch', 'tensorflow', 'seqio', 'av'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
