"""What is not there reaches nothing: no loss, no measure, no answer, no score, no gradient.

Held against the whole model with every Combiner: by gradient, and by filling what is not there with
NaN, or, where a number cannot be NaN or a padding slot holds one anyway, with something else.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mirasol.batch import EOS_ID, PAD_ID, Batch
from mirasol.models.beam import Beam
from mirasol.models.generation import Sampling
from mirasol.models.mirasol3b import Mirasol
from mirasol.models.reconstruction import AudioReconstruction, VideoAndAudioReconstruction
from tests.models.builders import (
    COMBINERS,
    SHAPE,
    VOCAB_SIZE,
    WIDTH,
    random_batch,
    with_combiner,
)
from tests.models.tracing import Trace

P = SHAPE.prompt_length
CHUNKED = ("video_BTFHWC", "audio_BTAS", "has_video_BT", "has_audio_BT")
LOSSES = ("loss", "text_loss", "latent_loss", "reconstruction_loss")


def build(combiner: str) -> Mirasol:
    """In training mode, with every loss."""
    model = with_combiner(combiner)
    model.reconstruction = VideoAndAudioReconstruction(
        video=model.reconstruction,
        audio=AudioReconstruction(
            chunk_bands=6,
            mel_bins=8,
            in_width=WIDTH,
            width=12,
            layers=1,
            heads=2,
            shrink=(3, 2),
            patch=(1, 2),
        ),
    )
    model.latent_model.mask_ratio = 0.0
    return model


def holed_batch() -> Batch:
    """Clip 0 has no sound in its second chunk, no pictures in its third; clip 1 ends after two."""
    video = torch.tensor([[True, True, False], [True, True, False]])
    audio = torch.tensor([[True, False, True], [True, True, False]])
    return dataclasses.replace(random_batch(), has_video_BT=video, has_audio_BT=audio)


def outputs(model: Mirasol, batch: Batch) -> dict[str, torch.Tensor]:
    """Returns whatever the model tells about what is there."""
    clip, there = model.encode(batch), batch.question_BQ
    logits_BQRV = model.text_decoder(model.remember(clip), batch.prompt_BQP, batch.answer_BQR)
    short_BQR = torch.tensor([7, EOS_ID, PAD_ID, PAD_ID]).expand_as(batch.answer_BQR)
    options_BQOR = torch.stack([batch.answer_BQR, short_BQR], dim=2)
    return model(batch) | {
        "x": clip.x_BTMD[clip.valid_BT],
        "h": clip.h_BTMD[clip.valid_BT],
        "logits": logits_BQRV[(batch.answer_BQR != PAD_ID) & there[..., None]],
        "greedy": model.generate(batch)[there],
        "drawn": model.generate(batch, Sampling(temperature=3.0))[there],
        "beams": model.generate(batch, Beam(width=3))[there],
        "scores": model.score(batch, options_BQOR)[there],
    }


def gradients(model: Mirasol, batch: Batch) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(batch)["loss"].backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_the_same(found, expected):
    for name, value in expected.items():
        assert value.isfinite().all(), name
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("combiner", COMBINERS)
def test_absent_media_have_no_gradient_and_present_media_have_one(combiner, loss):
    model, batch = build(combiner), holed_batch()
    audio_BTAS = batch.audio_BTAS.requires_grad_()
    patches = []  # Pictures are bytes, so the gradient is taken where they are cut into patches.

    def keep(_, inputs):
        patches.append(inputs[0].requires_grad_())

    model.video_encoder.patches.register_forward_pre_hook(keep)
    model(batch)[loss].backward()
    video_BT = patches[0].grad.unflatten(0, batch.has_video_BT.shape).abs().amax(dim=(2, 3)) > 0
    audio_BT = audio_BTAS.grad.abs().amax(dim=(2, 3)) > 0
    assert (video_BT <= batch.has_video_BT).all() and (audio_BT <= batch.has_audio_BT).all()
    if loss == "loss":
        assert torch.equal(video_BT, batch.has_video_BT)
        assert torch.equal(audio_BT, batch.has_audio_BT)
    assert video_BT.any() and audio_BT.any()


@pytest.mark.parametrize("combiner", COMBINERS)
def test_absent_media_may_hold_anything(combiner):
    model, batch = build(combiner), holed_batch()
    noise = random_batch(seed=1).video_BTFHWC
    filled = dataclasses.replace(
        batch,
        video_BTFHWC=torch.where(
            batch.has_video_BT[..., None, None, None, None], batch.video_BTFHWC, noise
        ),
        audio_BTAS=batch.audio_BTAS.masked_fill(~batch.has_audio_BT[..., None, None], torch.nan),
    )
    assert_the_same(outputs(model, filled), outputs(model, batch))
    assert_the_same(gradients(model, filled), gradients(model, batch))


@pytest.mark.parametrize("combiner", COMBINERS)
def test_a_short_clip_is_as_in_a_window_of_its_length(combiner):
    model, batch = build(combiner), random_batch()
    longer = dataclasses.replace(
        batch,
        **{name: torch.cat([getattr(batch, name)] * 2, dim=1) for name in CHUNKED},
    )
    there_BT = torch.arange(2 * SHAPE.chunks).expand(2, -1) < SHAPE.chunks
    longer = dataclasses.replace(longer, has_video_BT=there_BT, has_audio_BT=there_BT)
    found = outputs(model, longer)
    for name, value in outputs(model, batch).items():
        torch.testing.assert_close(found[name], value, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("combiner", COMBINERS)
def test_tokens_of_absent_pictures_may_be_nan(combiner):
    model, batch = build(combiner), holed_batch()
    expected = outputs(model, batch)
    absent_X = ~batch.has_video_BT.flatten()
    model.video_encoder.register_forward_hook(
        lambda _, inputs, tokens_BND: tokens_BND.masked_fill(absent_X[:, None, None], torch.nan)
    )
    assert_the_same(outputs(model, batch), expected)


def test_a_question_slot_that_is_empty_may_hold_anything():
    model, batch = build("transformer"), holed_batch()
    empty_BQ1 = ~batch.question_BQ[..., None]
    assert empty_BQ1.any()
    other = torch.Generator().manual_seed(5)

    def fill(ids):
        noise = torch.randint(0, VOCAB_SIZE, ids.shape, generator=other)
        return torch.where(empty_BQ1, noise, ids)

    filled = dataclasses.replace(
        batch, prompt_BQP=fill(batch.prompt_BQP), answer_BQR=fill(batch.answer_BQR)
    )
    assert_the_same(outputs(model, filled), outputs(model, batch))
    assert_the_same(gradients(model, filled), gradients(model, batch))


def test_padding_of_prompts_and_answers_has_no_gradient_and_words_have_one():
    """By the word vectors: a slot matters if it is a word of the prompt, or a word is due there."""
    model, batch = build("transformer"), holed_batch()
    vectors = []

    def keep(_, inputs, vectors_XLD):
        vectors_XLD.retain_grad()
        vectors.append(vectors_XLD)

    model.text_decoder.embedding.register_forward_hook(keep)
    model(batch)["loss"].backward()
    (vectors_XLD,) = vectors
    matters_BQL = torch.cat([batch.prompt_BQP, batch.answer_BQR], dim=2) != PAD_ID
    matters_BQL &= batch.question_BQ[..., None]
    assert torch.equal(vectors_XLD.grad.abs().amax(-1) > 0, matters_BQL.flatten(0, 1))
    assert not matters_BQL[batch.question_BQ].all()


def padding(ids_XL: torch.Tensor) -> torch.Tensor:
    """Returns which slots the text decoder must not mind: bool [X, L].

    Those of the prompt that hold no word, and of each response those after the one that holds its
    end token, that one with them: nothing is due there.

        prompt 5 6 0, response 7 1 0, read as    5 6 0   0 7 1
        padding                                  . . x   . . x
    """
    responses_XOR = ids_XL[:, P:].unflatten(1, (-1, SHAPE.answer_length))
    ended_XOR = (responses_XOR == EOS_ID).cumsum(-1) > 0
    return torch.cat([ids_XL[:, :P] == PAD_ID, ended_XOR.flatten(1)], dim=1)


def test_padding_of_prompts_and_answers_may_be_any_vector():
    model, batch = build("transformer"), holed_batch()
    expected = outputs(model, batch)
    filled = []

    def fill(_, inputs, vectors_XLD):
        (ids_XL,) = inputs
        if ids_XL.shape[1] == 1:  # One step of an answer.
            return vectors_XLD
        padding_XL = padding(ids_XL)
        filled.append(padding_XL.sum().item())
        return vectors_XLD.masked_fill(padding_XL[..., None], 50.0)

    model.text_decoder.embedding.register_forward_hook(fill)
    assert_the_same(outputs(model, batch), expected)
    assert min(filled) > 0


@pytest.mark.parametrize("combiner", ["transformer", "token_turing"])
def test_what_is_absent_changes_no_shape_and_no_operation(combiner):
    """One graph serves whole clips, holed and short ones, and questions alone."""
    model, whole = build(combiner), random_batch()
    nothing = torch.zeros_like(whole.has_video_BT)
    question_alone = dataclasses.replace(whole, has_video_BT=nothing, has_audio_BT=nothing)
    traces = []
    for batch in (whole, holed_batch(), question_alone):
        with Trace() as trace, torch.no_grad():
            model(batch)
            model.generate(batch)
        traces.append(trace.operations)
    assert len(traces[0]) > 500
    assert traces[1] == traces[0]
    assert traces[2] == traces[0]
