"""One batch on its way, file by file, as the README tells it; its figures are read there."""

import dataclasses

import pytest
import torch

from mirasol import config
from mirasol.batch import EOS_ID
from mirasol.data.loader import Stage, training_batches
from mirasol.gin_files import shipped_folder
from mirasol.training.step import train_step

README = (shipped_folder().parent / "README.md").read_text()
WALK = README[README.index("## One batch, file by file") :]


def told(*sizes):
    """The sizes as the README writes them; fails if it does not."""
    text = "x".join(map(str, sizes))
    assert text in WALK, f"the README's walk does not say {text}"
    return tuple(sizes)


@pytest.fixture(scope="module")
def experiment():
    tiny = ["joint/loader.Stage.task = 'av_shapes_tiny_joint'"]
    return config.load(["runs/av_shapes.gin"], tiny).build()


@pytest.fixture(scope="module")
def batch(experiment, unbroken):
    """The last stage's first batch; `unbroken` has made the clips."""
    plan = experiment.training
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_DATA", str(unbroken.data))
        stream = training_batches(
            plan.stages[-1:],
            plan.split,
            experiment.converter,
            plan.batch_size,
            experiment.trainer.seed,
        )
        try:
            return next(stream)
        finally:
            stream.close()


def test_the_batch_has_the_sizes_told(batch):
    assert batch.video_BTFHWC.shape == told(16, 4, 8, 32, 32, 3)
    assert batch.video_BTFHWC.dtype == torch.uint8
    assert batch.audio_BTAS.shape == told(16, 4, 32, 64)
    assert batch.prompt_BQP.shape == told(16, 16, 8)
    assert batch.answer_BQR.shape == told(16, 16, 2)


def test_it_holds_pictures_sound_and_questions(batch):
    assert batch.has_video_BT.all()
    assert batch.has_audio_BT.all()
    assert batch.question_BQ.float().mean() > 0.9
    assert batch.video_BTFHWC.float().std() > 10
    assert batch.audio_BTAS.std() > 0.1
    answers = batch.answer_BQR[batch.question_BQ]
    assert (answers[:, 1] == EOS_ID).all()  # One word, one piece, then the end.


def test_each_part_hands_on_what_is_told(experiment, batch):
    model = experiment.build_model().eval()
    video = model.video_encoder(batch.video_BTFHWC.flatten(0, 1))
    audio = model.audio_encoder(batch.audio_BTAS.flatten(0, 1))
    assert video.shape == told(64, 16, 96)
    assert audio.shape == told(64, 16, 96)
    clip = model.encode(batch)
    assert clip.x_BTMD.shape == clip.h_BTMD.shape == told(16, 4, 8, 96)
    assert model.reconstruction.predict(clip.h_BTMD).shape == told(16, 4, 32, 48)
    memory = model.remember(clip)
    logits = model.text_decoder(memory, batch.prompt_BQP, batch.answer_BQR)
    assert logits.shape == told(16, 16, 2, 384)
    assert model.generate(batch).shape == told(16, 16, 2)


def test_the_step_moves_every_part(experiment, batch):
    model = experiment.build_model().train()
    recipe = experiment.trainer.optimizer
    optimizer = recipe.build(model, {})
    recipe.set_rate(optimizer, 100)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    values = train_step(model, optimizer, batch, experiment.trainer.clip_norm)
    assert values.keys() >= {"loss", "text_loss", "latent_loss", "reconstruction_loss"}
    # Masking may leave out the mask token, absence the token that stands for no clip.
    still = {name for name, p in model.named_parameters() if torch.equal(p, before[name])}
    assert still <= {"latent_model.mask_D"}


def test_the_first_stage_has_sizes_of_its_own(experiment):
    whole = experiment.converter.shape
    plan = experiment.training
    parts, joint = plan.stages
    assert joint.shape(whole) == whole
    shape = parts.shape(whole)
    assert (shape.chunks, shape.questions) == (1, 4)
    assert parts.examples(plan.batch_size, whole) == 64
    assert dataclasses.replace(shape, chunks=4, questions=16) == whole


def test_where_a_stage_asks_about_chunks_each_is_an_example(experiment, unbroken):
    plan, whole = experiment.training, experiment.converter.shape
    tiny = [
        Stage("av_shapes_tiny_parts", batches=1, chunk_questions=4),
        Stage("av_shapes_tiny_motion", batches=1, chunk_questions=1),
    ]
    arguments = (plan.split, experiment.converter, 2, experiment.trainer.seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRASOL_DATA", str(unbroken.data))
        stream = training_batches([*tiny, Stage("av_shapes_tiny_joint")], *arguments)
        resumed = training_batches(
            [*tiny, Stage("av_shapes_tiny_joint")], *arguments, first_batch=1
        )
        try:
            parts, motion, joint = next(stream), next(stream), next(stream)
            again, joint_again = next(resumed), next(resumed)
        finally:
            stream.close()
            resumed.close()
    assert parts.video_BTFHWC.shape[:2] == motion.video_BTFHWC.shape[:2] == (8, 1)
    assert joint.video_BTFHWC.shape[:2] == (2, whole.chunks)
    vocabulary = experiment.converter.vocabulary
    asked = [
        sorted(vocabulary.decode(ids.tolist()).split()[1] for ids in prompts_QP)
        for prompts_QP in parts.prompt_BQP
    ]
    assert asked == [["colour", "shape", "sound", "way"]] * 8
    assert {vocabulary.decode(ids.tolist()) for ids in motion.prompt_BQP[:, 0]} == {
        "what way comes first"
    }
    assert torch.equal(motion.video_BTFHWC, again.video_BTFHWC)
    assert torch.equal(joint.prompt_BQP, joint_again.prompt_BQP)
    for batch_of_stage in (parts, motion, joint):
        assert experiment.build_model()(batch_of_stage)["loss"].isfinite()
