"""What `check` says of meshes that cannot share an experiment, with what to change."""

import dataclasses

import pytest
from torch import nn

from mirasol import config
from mirasol.findings import ExperimentError
from mirasol.models.transformer import Transformer, in_loops
from mirasol.runtime.sharding import Sharding, ShardingRule

RUN = "runs/av_shapes_tiny.gin"
FOUR_HEADS = [f"{part}HEADS = 4" for part in ("", "VIDEO_", "AUDIO_", "DECODER_")]
TENSOR = ["overlays/tensor.gin"]
MICRO = ["overlays/microbatches.gin"]


@pytest.mark.parametrize(
    ("overlays", "bindings", "said"),
    [
        (
            TENSOR,
            [],
            r"Mesh.tensor is 2, and does not divide the 3 heads of video_encoder, audio_encoder, "
            r"combiner, latent_model, text_decoder; set their heads",
        ),
        (
            ["overlays/fsdp.gin"],
            ["FSDP_DEVICES = 3"],
            r"TrainingData.batch_size is 4, and a batch of 4 examples cannot be cut .* a multiple "
            r"of 3 \(BATCH_SIZE\)",
        ),
        (
            [*MICRO, "overlays/data_parallel.gin"],
            ["DATA_DEVICES = 4"],
            r"Mesh.data 4 x Mesh.fsdp 1 x Trainer.microbatches 2; make it a multiple of 8",
        ),
    ],
)
def test_a_mesh_that_cannot_share_is_refused_and_told(overlays, bindings, said):
    with pytest.raises(ExperimentError, match=said):
        config.check([RUN, *overlays], bindings)


@pytest.mark.parametrize(
    ("overlays", "bindings", "least"),
    [
        (TENSOR, FOUR_HEADS, {"data": 1, "fsdp": 1, "tensor": 2}),
        (["overlays/fsdp.gin"], [], {"data": 1, "fsdp": 1, "tensor": 1}),
        (["overlays/fsdp.gin", *MICRO], ["FSDP_DEVICES = 2"], {"data": 1, "fsdp": 2, "tensor": 1}),
        (
            ["overlays/data_parallel.gin", "overlays/fsdp.gin"],
            ["FSDP_DEVICES = 2"],
            {"data": 1, "fsdp": 2, "tensor": 1},
        ),
    ],
)
def test_a_mesh_that_can_passes(overlays, bindings, least):
    spec = config.check([RUN, *overlays], bindings)
    assert spec.build().sharding.mesh.least() == least


def test_the_devices_that_there_are_decide_what_is_left_to_them():
    experiment = config.load([RUN]).build()
    model = experiment.build_model("meta")
    experiment.try_sharing(model, experiment.sharding.mesh.sizes(4))
    with pytest.raises(ExperimentError, match=r"Mesh.fsdp 8 x Trainer.microbatches 1"):
        experiment.try_sharing(model, experiment.sharding.mesh.sizes(8))


@pytest.mark.parametrize(
    ("pattern", "axes", "said"),
    [
        (
            "text_decodr.*",
            ("fsdp", None),
            r"called 'text_decodr\.\*'; did you mean 'text_decoder\.\*'",
        ),
        (
            "text_decoder.*",
            (None,) * 7,
            r"of 7 dimensions, as many as the rule has axes, is called 'text_decoder\.\*'",
        ),
    ],
)
def test_a_sharding_rule_for_nothing_is_found(pattern, axes, said):
    experiment = config.load([RUN]).build()
    rules = [ShardingRule(pattern="combiner.*", axes=("fsdp", None))]
    model = experiment.build_model("meta")
    shared = dataclasses.replace(experiment, sharding=Sharding(rules=rules))
    shared.try_sharing(model)
    wrong = Sharding(rules=[*rules, ShardingRule(pattern=pattern, axes=axes)])
    with pytest.raises(ExperimentError, match=said):
        dataclasses.replace(experiment, sharding=wrong).try_sharing(model)


@pytest.mark.parametrize("different", [{"drop_path": 0.1}, {"gated_blocks": (0,)}])
def test_blocks_that_differ_are_no_loop(different):
    stack = nn.ModuleList([Transformer(12, 3, 2, **different)])
    with pytest.raises(ValueError, match=r"Mirasol\.scan_layers: .* width 12 differ: by a gate"):
        stack.apply(in_loops)
