"""What gin files state: what is built of it, what it means, and how two differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirasol import config
from tests.toy_house import RUN, Layer, Pool, Stack, changed, load, move_in, write


@pytest.fixture(autouse=True)
def house(monkeypatch, tmp_path):
    move_in(monkeypatch, tmp_path)


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


def test_what_a_swap_leaves_behind_is_no_mistake():
    write(swap="from __gin__ import dynamic_registration\nimport toy\n"
          "toy.Layer.dropout = 0.5\ntoy.Root.video = @toy.Pool()\n")  # fmt: skip
    root = load("run.gin", "swap.gin").build()
    assert root.video == Pool()
    assert root.audio.layer.dropout == 0.5
