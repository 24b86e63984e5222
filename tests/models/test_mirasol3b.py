import dataclasses

import pytest
import torch

from mirasol.batch import EOS_ID, PAD_ID
from mirasol.models.beam import Beam
from mirasol.models.encoders import AudioEncoder
from mirasol.models.latent import LatentModel
from mirasol.models.mirasol3b import Mirasol
from tests.models.builders import SHAPE, VOCAB_SIZE, WIDTH, build_model, random_batch


def changed(batch, **values):
    return dataclasses.replace(batch, **values)


@pytest.mark.parametrize("earlier_chunks", [True, False])
def test_a_chunk_depends_on_no_later_one(earlier_chunks):
    """By gradient: h_t moves with the media of chunks up to t, and only with those."""
    model = build_model(earlier_chunks=earlier_chunks).eval()
    batch = random_batch()
    audio = batch.audio_BTAS.clone().requires_grad_()
    h_BTMD = model.encode(changed(batch, audio_BTAS=audio)).h_BTMD
    for t in range(SHAPE.chunks):
        (gradient,) = torch.autograd.grad(h_BTMD[:, t].square().sum(), audio, retain_graph=True)
        reach_T = gradient.abs().amax(dim=(0, 2, 3))
        assert (reach_T[: t + 1] > 0).all(), (t, reach_T)
        assert (reach_T[t + 1 :] == 0).all(), (t, reach_T)


def test_the_pictures_of_a_later_chunk_change_nothing_earlier():
    model, batch = build_model().eval(), random_batch()
    video = batch.video_BTFHWC.clone()
    video[:, 2] = 255 - video[:, 2]
    before = model.encode(batch).h_BTMD
    after = model.encode(changed(batch, video_BTFHWC=video)).h_BTMD
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2])


def test_a_combiner_on_each_chunk_alone_sees_no_earlier_chunk():
    model, batch = build_model(earlier_chunks=False).eval(), random_batch()
    audio = batch.audio_BTAS.clone().requires_grad_()
    x_BTMD = model.encode(changed(batch, audio_BTAS=audio)).x_BTMD
    (gradient,) = torch.autograd.grad(x_BTMD[:, 1].square().sum(), audio)
    assert (gradient.abs().amax(dim=(0, 2, 3)) > 0).tolist() == [False, True, False]


def test_a_clip_with_nothing_in_it_still_has_finite_losses_and_gradients():
    model, batch = build_model(), random_batch()
    nothing = torch.zeros_like(batch.has_video_BT)
    losses = model(changed(batch, has_video_BT=nothing, has_audio_BT=nothing))
    assert losses["latent_loss"] == 0
    assert losses["reconstruction_loss"] == 0
    losses["loss"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def sixteen_questions():
    """Questions of uneven lengths about two clips; the last slot of the second clip is empty."""
    ids = torch.Generator().manual_seed(9)
    prompt = torch.randint(3, VOCAB_SIZE, (2, 16, SHAPE.prompt_length), generator=ids)
    answer = torch.randint(3, VOCAB_SIZE, (2, 16, SHAPE.answer_length), generator=ids)
    for q in range(16):
        prompt[:, q, 1 + q % SHAPE.prompt_length :] = PAD_ID
        answer[:, q, q % SHAPE.answer_length] = EOS_ID
        answer[:, q, 1 + q % SHAPE.answer_length :] = PAD_ID
    there = torch.ones(2, 16, dtype=torch.bool)
    there[1, 15] = False
    return changed(random_batch(), prompt_BQP=prompt, answer_BQR=answer, question_BQ=there)


def each_alone(batch):
    """Returns as many batches as there are questions, each with one about every clip."""
    names = ("prompt_BQP", "answer_BQR", "question_BQ")
    return [
        changed(batch, **{name: getattr(batch, name)[:, q : q + 1] for name in names})
        for q in range(batch.prompt_BQP.shape[1])
    ]


def test_sixteen_questions_equal_sixteen_examples():
    model, batch = build_model().eval(), sixteen_questions()
    options = batch.answer_BQR.unsqueeze(2).repeat(1, 1, 3, 1)
    options[:, :, 1, 0] = 7

    def answers(some, options):
        memory = model.remember(model.encode(some))
        return (
            model.text_decoder(memory, some.prompt_BQP, some.answer_BQR),
            model.score(some, options),
            model.generate(some),
            model.generate(some, Beam(width=3)),
        )

    alone = [answers(one, options[:, q : q + 1]) for q, one in enumerate(each_alone(batch))]
    for found, pieces in zip(answers(batch, options), zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(found, torch.cat(pieces, dim=1))


def test_sixteen_questions_train_as_sixteen_examples():
    """The text loss is a mean over words, so that of each example weighs as many as it has."""
    model, batch = build_model(), sixteen_questions()

    def words(some):
        return ((some.answer_BQR != PAD_ID) & some.question_BQ[..., None]).sum()

    def gradients(loss):
        model.zero_grad()
        loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    together = model(batch)
    parts = [model(one) | {"words": words(one)} for one in each_alone(batch)]
    text = sum(part["text_loss"] * part["words"] for part in parts) / words(batch)
    torch.testing.assert_close(text, together["text_loss"])
    torch.testing.assert_close(gradients(together["text_loss"]), gradients(text))
    for name in ("latent_loss", "reconstruction_loss"):
        assert all(torch.equal(part[name], together[name]) for part in parts)


def test_all_questions_about_a_clip_cost_one_pass_of_its_media():
    model, batch = build_model(), sixteen_questions()
    rows = []
    for part in (model.video_encoder, model.audio_encoder, model.combiner, model.latent_model):
        part.register_forward_hook(lambda _, inputs, output: rows.append(len(output)))
    for block in model.text_decoder.blocks:
        block.cross_attention.key_value.register_forward_hook(
            lambda _, inputs, output: rows.append(len(output))
        )
    once = [2 * SHAPE.chunks] * 2 + [2] * (2 + len(model.text_decoder.blocks))
    for ask in (
        lambda: model(batch),
        lambda: model.generate(batch),
        lambda: model.generate(batch, Beam(width=3)),
        lambda: model.score(batch, batch.answer_BQR[:, :, None]),
    ):
        rows.clear()
        ask()
        assert rows == once


def test_the_total_is_the_weighted_sum_of_three_losses():
    losses = build_model().eval()(random_batch())
    expected = (
        10 * losses["text_loss"] + 2 * losses["latent_loss"] + 3 * losses["reconstruction_loss"]
    )
    torch.testing.assert_close(losses["loss"], expected)


def test_the_latent_loss_leaves_its_target_alone_unless_asked():
    batch = random_batch()

    def last_chunk_gradient(detach):
        model = build_model().eval()
        model.detach_target = detach
        audio = batch.audio_BTAS.clone().requires_grad_()
        loss = model(changed(batch, audio_BTAS=audio))["latent_loss"]
        return torch.autograd.grad(loss, audio)[0][:, -1].abs().max()

    # The last chunk is a target only: nothing is predicted from it.
    assert last_chunk_gradient(True) == 0
    assert last_chunk_gradient(False) > 0


def test_cached_generation_equals_running_everything_again():
    model, batch = build_model(seed=3).eval(), random_batch()
    # Weights of order 1 make the answers differ between questions.
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.text_decoder.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    ids_BQR = model.generate(batch)
    memory = model.remember(model.encode(batch))
    expected = torch.zeros_like(ids_BQR)
    for slot in range(SHAPE.answer_length):
        logits_BQRV = model.text_decoder(memory, batch.prompt_BQP, expected)
        best_BQ = logits_BQRV[:, :, slot].argmax(-1)
        ended_BQ = (expected[:, :, :slot] == EOS_ID).any(-1)
        expected[:, :, slot] = torch.where(ended_BQ, PAD_ID, best_BQ)
    assert torch.equal(ids_BQR, expected)
    assert len(ids_BQR.flatten(0, 1).unique(dim=0)) > 1


def test_padding_of_the_prompt_changes_no_answer():
    model, batch = build_model(seed=3).eval(), random_batch()
    padded = changed(batch, prompt_BQP=torch.nn.functional.pad(batch.prompt_BQP, (0, 3)))
    torch.testing.assert_close(model(batch), model(padded))
    assert torch.equal(model.generate(batch), model.generate(padded))


def test_answer_tokens_see_no_later_ones():
    model, batch = build_model().eval(), random_batch()
    memory = model.remember(model.encode(batch))
    other = batch.answer_BQR.clone()
    other[..., 2:] = 7
    before = model.text_decoder(memory, batch.prompt_BQP, batch.answer_BQR)
    after = model.text_decoder(memory, batch.prompt_BQP, other)
    torch.testing.assert_close(before[:, :, :3], after[:, :, :3])
    assert not torch.allclose(before[:, :, 3], after[:, :, 3])


def test_more_frames_need_no_more_parameters():
    # No part is told the number of chunks; the same model takes three times as many.
    model, batch = build_model().eval(), random_batch()
    longer = {
        name: getattr(batch, name).repeat_interleave(3, dim=1)
        for name in ("video_BTFHWC", "audio_BTAS", "has_video_BT", "has_audio_BT")
    }
    losses = model(changed(batch, **longer))
    assert losses["loss"].isfinite()


def test_parts_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"keeps 5 tokens.*expects 4.*one macro"):
        model = build_model()
        type(model)(
            video_encoder=model.video_encoder,
            audio_encoder=model.audio_encoder,
            combiner=model.combiner,
            latent_model=LatentModel(width=24, layers=1, heads=2, tokens=4),
            reconstruction=model.reconstruction,
            text_decoder=model.text_decoder,
            loss_weights=model.loss_weights,
        )


def test_sound_can_go_through_the_transformer_of_the_video():
    def build(audio_width: int) -> Mirasol:
        torch.manual_seed(0)
        whole = build_model()
        parts = ("combiner", "latent_model", "reconstruction", "text_decoder", "loss_weights")
        audio = AudioEncoder(
            chunk_bands=6,
            mel_bins=8,
            patch=(3, 4),
            width=audio_width,
            out_width=WIDTH,
            layers=1,
            heads=2,
        )
        return Mirasol(
            video_encoder=whole.video_encoder,
            audio_encoder=audio,
            **{part: getattr(whole, part) for part in parts},
            shared_vit=True,
        )

    shared = build(audio_width=12)
    assert shared.audio_encoder.transformer is shared.video_encoder.transformer
    shared(random_batch())["loss"].backward()
    again = build(audio_width=12)
    again.load_state_dict(shared.state_dict())
    assert torch.equal(again(random_batch())["loss"], shared(random_batch())["loss"])
    with pytest.raises(ValueError, match=r"VideoEncoder.width is 12 and AudioEncoder.width 16"):
        build(audio_width=16)
