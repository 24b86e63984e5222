"""Rules for parameters by name."""

import re

import pytest
import torch

from mirasol import config
from mirasol.__main__ import main
from mirasol.description.memory import step_memory
from mirasol.description.report import describe
from mirasol.description.text import render
from mirasol.findings import ExperimentError
from mirasol.gin_files import shipped_folder
from mirasol.training.optimizers import AdamW
from mirasol.training.parameter_rules import (
    LayerwiseDecay,
    ParameterRule,
    Treatment,
    freeze,
    treatments,
)
from mirasol.training.schedules import Constant
from mirasol.training.step import train_step
from tests.training.small_model import small_model, tokens

RUN = "runs/av_shapes_tiny.gin"
FROZEN = "training/frozen_encoders.gin"
DECAY = "training/layerwise_decay.gin"


def test_rates_multiply_and_the_last_word_counts_for_the_rest():
    rules = [
        ParameterRule(pattern="*", frozen=True, rate=0.5),
        ParameterRule(pattern="out.*", frozen=False, weight_decay=0.2),
        ParameterRule(pattern="out.weight", rate=0.1),
    ]
    found = treatments(small_model(), rules)
    assert found["embedding.weight"] == Treatment(rate=0.5, frozen=True)
    assert found["out.weight"] == Treatment(rate=0.05, weight_decay=0.2)


def test_layers_have_lower_rates_the_lower_they_are():
    rule = LayerwiseDecay(blocks="blocks", decay=0.5, below=["embedding.*", "start_D"])
    found = {name: how.rate for name, how in treatments(small_model(), [rule]).items()}
    assert found["out.weight"] == 1.0
    assert [found[f"blocks.{i}.1.weight"] for i in range(3)] == [0.125, 0.25, 0.5]
    assert found["embedding.weight"] == found["start_D"] == 0.0625


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            lambda: ParameterRule(pattern="emedding.*", frozen=True),
            r"ParameterRule.pattern: no parameter is called 'emedding.\*'; did you mean 'embedding",
        ),
        (
            lambda: LayerwiseDecay(blocks="bloks"),
            r"LayerwiseDecay.blocks: no stack of blocks is called 'bloks'; did you mean 'blocks'\?",
        ),
        (lambda: LayerwiseDecay(blocks="embedding"), "is of no numbered block"),
        (lambda: LayerwiseDecay(blocks="blocks", below=["x.*"]), "LayerwiseDecay.below: no"),
        (lambda: LayerwiseDecay(blocks="blocks", decay=1.5), "decay is 1.5"),
        (lambda: ParameterRule(pattern="*", rate=0.0), "rate is 0.0; it must be above 0"),
        (lambda: ParameterRule(pattern="*", weight_decay=-0.1), "weight_decay is -0.1"),
        (lambda: ParameterRule(pattern="*", frozen=True), "nothing is left to train"),
    ],
)
def test_what_a_rule_cannot_mean_is_told(rule, message):
    with pytest.raises(ValueError, match=message):
        treatments(small_model(), [rule()])


def test_frozen_parameters_take_no_gradient_no_state_and_no_step():
    model, rules = small_model(), [ParameterRule(pattern="blocks.*", frozen=True)]
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    freeze(model, rules)
    recipe = AdamW(schedule=Constant(peak=0.1))
    optimizer = recipe.build(model, {"fused": True}, rules)
    recipe.set_rate(optimizer, 0)
    train_step(model, optimizer, tokens(0), clip_norm=1.0)
    assert len(optimizer.state) == 3
    for name, parameter in model.named_parameters():
        moved = not torch.equal(parameter, before[name])
        assert moved == (not name.startswith("blocks.")), name
        assert parameter.requires_grad == moved


def test_describe_tells_what_matched_and_what_it_saves():
    described, whole = describe(config.load([RUN, FROZEN])), config.load([RUN]).build()
    plain = step_memory(whole, whole.converter.shape, whole.training.batch_size)
    model = whole.build_model("meta")
    sizes = {name: 4 * each.numel() for name, each in model.named_parameters()}
    saved = sum(
        size for name, size in sizes.items() if name.split("_encoder")[0] in ("video", "audio")
    )
    assert plain.gradients - described["memory"]["gradients"] == saved
    assert plain.optimizer - described["memory"]["optimizer"] >= 2 * saved
    assert described["training"]["frozen"] == saved // 4
    names = [name for rule in described["training"]["rules"] for name in rule["names"]]
    assert set(names) == {name for name in sizes if name.partition(".")[0].endswith("_encoder")}
    assert "Rules for parameters" in render(described)


def test_check_finds_a_rule_for_nothing(capsys):
    binding = "--gin.video/ParameterRule.pattern='video_encodr.*'"
    assert main(["check", f"--gin_file={RUN}", f"--gin_file={FROZEN}", binding]) == 2
    said = capsys.readouterr().err
    assert "no parameter is called 'video_encodr.*'; did you mean 'video_encoder.*'?" in said
    assert main(["check", f"--gin_file={RUN}", f"--gin_file={FROZEN}"]) == 0


@pytest.mark.parametrize("part", ["video", "audio"])
def test_check_tells_which_of_two_rules_is_wrong(part, tmp_path):
    text = (shipped_folder() / FROZEN).read_text()
    own = tmp_path / "own.gin"
    own.write_text(text.replace(f"'{part}_encoder.*'", f"'{part}_encodr.*'"))
    with pytest.raises(ExperimentError) as caught:
        config.check([RUN, str(own)])
    [finding] = caught.value.findings
    line = 1 + text[: text.index(f"'{part}_encoder.*'")].count("\n")
    assert finding.place == f"{own} line {line}"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("video_encoder*", "video_encoder.*"),
        ("video_encoder.**", "video_encoder.*"),
        ("text_decoder.blocks.1*", "text_decoder.blocks.1.*"),
    ],
)
def test_a_star_that_says_more_than_was_meant_is_a_mistake(wrong, right):
    for binding in (
        f"video/ParameterRule.pattern = {wrong!r}",
        f"LayerwiseDecay.below = ['video_encoder.patches.*', {wrong!r}]",
    ):
        files = [RUN, FROZEN if "video/" in binding else DECAY]
        with pytest.raises(ExperimentError, match=rf"did you mean '{re.escape(right)}'\?"):
            config.check(files, [binding])
