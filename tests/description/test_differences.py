"""Two experiments compared by meaning."""

from __future__ import annotations

import json

from mirasol import config
from mirasol.__main__ import main

TINY = "runs/av_shapes_tiny.gin"


def diff(capsys, *arguments):
    code = main(["diff", *arguments, "--format=json"])
    return code, json.loads(capsys.readouterr().out)


def test_other_words_for_the_same_are_no_difference(tmp_path, capsys):
    written = config.load([TINY]).declared.replace("TRAIN_STEPS", "ALL_STEPS")
    path = tmp_path / "again.gin"
    path.write_text(written)
    code, found = diff(capsys, TINY, str(path))
    assert code == 0
    assert found.pop("same") is True
    assert not any(found.values())
    assert main(["diff", TINY, str(path)]) == 0
    assert capsys.readouterr().out == "the same experiment\n"


def test_a_binding_changes_the_second_or_the_only_one(capsys):
    code, found = diff(capsys, TINY, "--gin.WIDTH=192")
    assert code == 1
    assert found["macros"] == [{"name": "WIDTH", "a": "96", "b": "192"}]
    assert "mirasol.models.latent.LatentModel.width" in [
        each["name"] for each in found["arguments"]
    ]
    total = [each for each in found["parameters"] if each["name"] == "total"]
    assert total[0]["a"] < total[0]["b"]
    shapes = {each["name"]: each for each in found["shapes"]}
    assert shapes["combiner"]["b"] == "4 x 4 x 8 x 192  float32"
    assert "text_decoder" not in shapes
    for kind in ("forward_flops", "backward_flops", "activation_bytes", "memory"):
        assert found[kind], kind


def test_a_workdir_against_gin_files(tmp_path, capsys):
    (tmp_path / "config.gin").write_text(config.load([TINY]).declared)
    combiner = "models/combiners/token_turing.gin"
    code = main(["diff", str(tmp_path), f"{TINY}+{combiner}"])
    shown = capsys.readouterr().out
    assert code == 1
    assert "TokenTuringCombiner.memory_tokens" in shown
    assert "nothing -> " in shown
    assert "Parameters" in shown
    # Sizes stay as they are; what computes them does not.
    assert "Shapes" not in shown


def test_what_costs_nothing_is_a_difference_all_the_same(capsys):
    code, found = diff(capsys, TINY, "--gin.SEED=1", "--gin.LEARNING_RATE=0.5")
    assert code == 1
    assert [each["name"] for each in found["macros"]] == ["LEARNING_RATE", "SEED"]
    assert len(found["arguments"]) == 2
    assert found["parameters"] == found["shapes"] == found["memory"] == []
