"""What the paper leaves open, or has in several ways, is one line or one file of gin away."""

from __future__ import annotations

import functools
import re

import pytest

from mirasol import config
from mirasol.evaluation.answers import Choosing, Writing
from mirasol.experiment import Experiment
from mirasol.gin_files import shipped_folder
from mirasol.models.beam import Beam
from mirasol.models.generation import Greedy, Sampling
from tests.golden.losses import draw_batch

RUN = "runs/av_shapes_tiny.gin"
TUBES = "models/encoders/tubes.gin"
TURING = "models/combiners/token_turing.gin"
SOUND = "models/reconstruction/video_and_audio.gin"
DROP_PATH = "models/encoders/stochastic_depth.gin"


@functools.cache
def usual_model():
    return build().build_model("meta")


def build(*changes: str) -> Experiment:
    """Builds the tiny run with these files and lines."""
    files = [change for change in changes if change.endswith(".gin")]
    lines = [change for change in changes if not change.endswith(".gin")]
    return config.load([RUN, *files], lines).build()


def drop_rates(model):
    encoders = (model.video_encoder, model.audio_encoder)
    return [encoder.transformer.blocks[-1].drop_path.rate for encoder in encoders]


def gates(model):
    return [name for name, _ in model.named_parameters() if "gate" in name]


def kind(*path):
    """Returns a function from a model to the name of a part's class."""

    def name(part):
        for attribute in path:
            part = getattr(part, attribute)
        return type(part).__name__

    return name


# What is looked at; what the tiny run has; what is changed; what there is then.
SWITCHES = {
    "2-D patches": (
        lambda model: (model.video_encoder.patches.patch, model.video_encoder.tokens),
        ((8, 8, 8), 16),
        ["TUBELET = (1, 8, 8)"],
        ((1, 8, 8), 128),
    ),
    "shorter tubelets": (
        lambda model: model.video_encoder.patches.counts,
        (1, 4, 4),
        ["TUBELET = (4, 8, 8)"],
        (2, 4, 4),
    ),
    "sparse tubes": (lambda model: model.video_encoder.tokens, 16, [TUBES], 1 + 1 + 2 + 4),
    "single images": (
        lambda model: model.video_encoder.tokens,
        16,
        ["models/encoders/images.gin"],
        4,
    ),
    "one ViT for both": (
        lambda model: model.audio_encoder.transformer is model.video_encoder.transformer,
        False,
        ["Mirasol.shared_vit = True"],
        True,
    ),
    "stochastic depth": (drop_rates, [0.0, 0.0], [DROP_PATH, "AUDIO_LAYERS = 2"], [0.1, 0.1]),
    "stochastic depth of one": (
        drop_rates,
        [0.0, 0.0],
        [DROP_PATH, "video/Transformer.drop_path = 0.3"],
        # The tiny model's ViT for sound is a single block, and the first never drops.
        [0.3, 0.0],
    ),
    "tanh gate": (
        gates,
        [],
        ["models/encoders/gate.gin"],
        ["video_encoder.transformer.blocks.0.gate.alpha_1"],
    ),
    "gates in all blocks": (
        lambda model: len(gates(model)),
        0,
        ["models/encoders/gate.gin", "video/Transformer.gated_blocks = (0, 1)"],
        2,
    ),
    "activation checkpointing": (
        lambda model: [
            part.checkpoint for part in model.modules() if type(part).__name__ == "Transformer"
        ],
        [False] * 5,
        ["Mirasol.checkpoint = True"],
        [True] * 5,
    ),
    "earlier chunks": (
        lambda model: model.combiner.earlier_chunks,
        False,
        ["TransformerCombiner.earlier_chunks = True"],
        True,
    ),
    "Token Turing Machine": (
        kind("combiner"),
        "TransformerCombiner",
        [TURING],
        "TokenTuringCombiner",
    ),
    "masking of tokens": (
        lambda model: model.latent_model.mask_ratio,
        0.0075,
        ["MASK_RATIO = 0.75"],
        0.75,
    ),
    "masking of chunks": (
        lambda model: model.latent_model.mask_chunks,
        False,
        ["LatentModel.mask_chunks = True"],
        True,
    ),
    "window over chunks": (
        lambda model: model.latent_model.window,
        None,
        ["LatentModel.window = 2"],
        2,
    ),
    "target x with a gradient": (
        lambda model: model.detach_target,
        True,
        ["Mirasol.detach_target = False"],
        False,
    ),
    "reconstruction of the next chunk": (
        lambda model: model.reconstruction.next_chunk,
        False,
        ["VideoReconstruction.next_chunk = True"],
        True,
    ),
    "reconstruction of sound, too": (
        kind("reconstruction"),
        "VideoReconstruction",
        [SOUND],
        "VideoAndAudioReconstruction",
    ),
    "reconstruction of sound alone": (
        kind("reconstruction"),
        "VideoReconstruction",
        [SOUND, "Mirasol.reconstruction = @AudioReconstruction()"],
        "AudioReconstruction",
    ),
    "no reconstruction": (
        kind("reconstruction"),
        "VideoReconstruction",
        ["models/reconstruction/none.gin"],
        "NoReconstruction",
    ),
    "untied embeddings": (
        lambda model: model.text_decoder.out.weight is model.text_decoder.embedding.weight,
        True,
        ["TextDecoder.tied = False"],
        False,
    ),
    "a weight of a loss": (
        lambda model: model.loss_weights.latent,
        1.0,
        ["LossWeights.latent = 0.5"],
        0.5,
    ),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_of_the_model(name):
    look, usual, changes, expected = SWITCHES[name]
    assert look(usual_model()) == usual
    experiment = build(*changes)
    model = experiment.build_model()
    assert look(model) == expected
    values = model(draw_batch(experiment.converter.shape, model.text_decoder.vocab_size))
    values["loss"].backward()
    assert all(value.isfinite() for value in values.values())


def test_tubes_of_ones_own(tmp_path):
    own = tmp_path / "own.gin"
    own.write_text(
        "from __gin__ import dynamic_registration\n"
        "from mirasol.models import encoders\n"
        "from mirasol.models import tubes\n"
        f"include '{TUBES}'\n"
        "encoders.TubeVideoEncoder.tubes = @tubes.tubes_of_tubevit()\n"
    )
    model = build(str(own), "CHUNK_FRAMES = 32", "CHUNK_BANDS = 128").build_model("meta")
    # Frames 0-15 and 16-31; 4-19, 10-25 and 16-31; 0-3 and 16-19; the four patches of frame 0.
    assert [kind.tokens for kind in model.video_encoder.kinds] == [2, 3, 2, 4]


@pytest.mark.parametrize(
    ("line", "shape_of", "shape"),
    [
        ("TokenTuringCombiner.memory_tokens = 64", "read_memory_XD", (64, 96)),
        ("TokenTuringCombiner.in_tokens = 32", "read_input_ND", (32, 96)),
        ("TokenTuringCombiner.hidden = 16", "read.score.0.weight", (16, 96)),
    ],
)
def test_a_size_of_the_token_turing_machine(line, shape_of, shape):
    plain, changed = (build(TURING, *lines).build_model("meta") for lines in ([], [line]))
    assert plain.combiner.get_parameter(shape_of).shape != shape
    assert changed.combiner.get_parameter(shape_of).shape == shape


@pytest.mark.parametrize("stamped", [True, False])
def test_time_stamps_of_the_token_turing_machine(stamped):
    model = build(TURING, f"TokenTuringCombiner.time_stamps = {stamped}").build_model("meta")
    assert model.combiner.time_stamps == stamped


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [
        ([], Greedy()),
        (["decoding/beam.gin"], Beam(width=4, length_penalty=1.0)),
        (["decoding/beam.gin", "Beam.width = 2"], Beam(width=2)),
        (["decoding/beam.gin", "Beam.length_penalty = 0.0"], Beam(length_penalty=0.0)),
        (["decoding/sampling.gin"], Sampling(top_p=0.9)),
        (
            ["decoding/sampling.gin", "Sampling.temperature = 0.7", "Sampling.top_p = None"],
            Sampling(temperature=0.7),
        ),
        (["decoding/sampling.gin", "Sampling.top_k = 5"], Sampling(top_k=5, top_p=0.9)),
    ],
)
def test_how_answers_are_written(changes, strategy):
    assert build(*changes).evaluation.answers == Writing(strategy=strategy)


def test_answers_can_be_chosen():
    assert build("decoding/choosing.gin").evaluation.answers == Choosing()


def files_to_give_after_a_run():
    folder = shipped_folder()
    kinds = ("models/combiners", "models/encoders", "models/reconstruction", "decoding")
    kinds += ("evaluation",)
    return [
        path.relative_to(folder).as_posix()
        for kind in kinds
        for path in sorted((folder / kind).glob("*.gin"))
    ]


@pytest.mark.parametrize("name", files_to_give_after_a_run())
def test_a_file_says_what_it_is_and_how_to_use_it_and_can_be_read_back(name, tmp_path):
    header = re.match(r"(#.*\n)+", (shipped_folder() / name).read_text())
    assert header and f"--gin_file={name}" in header[0] and "python -m mirasol" in header[0]
    spec = config.load([RUN, name])
    for text in (spec.declared, spec.operative):
        (tmp_path / "alone.gin").write_text(text)
        assert config.load([str(tmp_path / "alone.gin")]).meaning == spec.meaning


@pytest.mark.parametrize("name", files_to_give_after_a_run())
def test_a_file_fits_a_larger_model(name):
    files = [RUN, "models/mirasol_small.gin", "data/frames_16.gin", name]
    # Without a Combiner as many as the encoders make: 2x14x14 tubelets and 4x8 patches.
    lines = ["COMBINER_TOKENS = 424"] if name == "models/combiners/none.gin" else []
    config.load(files, lines).build().rehearse()
