"""The first losses of every shipped variant of the model are those kept in the files beside this.

A mistake that leaves every shape right moves these figures. Renew them, where they are to move, by

    python -m tests.golden.renew
"""

from __future__ import annotations

import pytest
import torch

from mirasol.gin_files import shipped_folder
from tests.golden import losses
from tests.golden.variants import every_variant

VARIANTS = every_variant()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_first_losses_are_as_they_were(name):
    path = VARIANTS[name].path
    assert path.exists(), f"python -m tests.golden.renew {name} writes {path.name}"
    moved = losses.differences(path.read_text(), losses.losses_text(VARIANTS[name]))
    if moved:
        lines = "\n  ".join(moved)
        pytest.fail(f"{name} moved; if it is to, python -m tests.golden.renew {name}\n  {lines}")


def test_every_file_of_losses_is_that_of_a_variant():
    files = {path.stem for path in VARIANTS["tiny"].path.parent.glob("*.txt")}
    assert files == set(VARIANTS)


def test_every_gin_file_of_the_model_is_in_a_variant():
    folder = shipped_folder()
    shipped = {path.relative_to(folder).as_posix() for path in folder.glob("models/**/*.gin")}
    used = {file for variant in VARIANTS.values() for file in variant.files}
    # What all sizes include, and what the run does.
    assert shipped - used == {"models/mirasol.gin", "models/mirasol_tiny.gin"}


def test_no_two_variants_have_the_same_losses_but_those_that_say_the_same():
    texts = {
        name: variant.path.read_text().partition("\n")[2] for name, variant in VARIANTS.items()
    }
    same = {name for name, text in texts.items() if text == texts["tiny"]}
    # The tiny model combines each chunk alone, and its run weighs text as in fine-tuning.
    assert same == {"tiny", "combiners-transformer_chunk_alone", "presets-finetuning"}
    others = [text for name, text in texts.items() if name not in same]
    assert len(set(others)) == len(others)


def test_a_figure_that_moves_by_more_than_rounding_is_told():
    golden = "# files\nparameters 12\nstep 0 loss 2.5\nstep 1 loss 0\n"
    rounded = golden.replace("2.5", "2.50001").replace("loss 0", "loss 1e-9")
    assert losses.differences(golden, rounded) == []
    assert losses.differences(golden, golden.replace("2.5", "2.501")) == [
        "step 0 loss: 2.5 -> 2.501 (+4.0e-04)"
    ]
    assert losses.differences(golden, golden.replace("step 1 loss 0", "step 1 new 0")) == [
        "step 1 loss: 0 is gone",
        "step 1 new: 0 is new",
    ]
    assert losses.differences(golden, golden.replace("2.5", "nan"))


def test_a_weight_that_moves_by_a_thousandth_is_seen(monkeypatch):
    draw = losses.draw_weights

    def draw_and_move(model):
        draw(model)
        with torch.no_grad():
            model.latent_model.transformer.blocks[0].attention.out.weight.mul_(1.001)

    monkeypatch.setattr(losses, "draw_weights", draw_and_move)
    moved = losses.differences(
        VARIANTS["tiny"].path.read_text(), losses.losses_text(VARIANTS["tiny"])
    )
    assert any("latent_loss" in line for line in moved), moved
