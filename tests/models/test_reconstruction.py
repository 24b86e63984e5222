"""Reconstruction: targets and losses against numpy, which media count, names of the parameters."""

import dataclasses

import numpy as np
import pytest
import torch

from mirasol.models.reconstruction import (
    AudioReconstruction,
    NoReconstruction,
    VideoAndAudioReconstruction,
    VideoReconstruction,
)
from tests.models.builders import SHAPE, build_model, random_batch

IN_WIDTH, M = 8, 5
TRANSFORMER = {"in_width": IN_WIDTH, "width": 12, "layers": 1, "heads": 2}


def build_video(**changes):
    sizes = {"chunk_frames": 4, "image_size": 16, "shrink": 2, "frame_step": 2}
    return VideoReconstruction(**sizes | TRANSFORMER | changes)


def build_audio(**changes):
    # 6 columns of 8 bins -> 2 x 4 averages -> patches of 1 x 2: two columns of two.
    sizes = {"chunk_bands": 6, "mel_bins": 8, "shrink": (3, 2), "patch": (1, 2)}
    return AudioReconstruction(**sizes | TRANSFORMER | changes)


def latents(chunks=SHAPE.chunks):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, chunks, M, IN_WIDTH, generator=generator)


def small_audio(audio, t):
    """One clip's spectrogram of chunk t, averaged over 3 columns x 2 bins and cut, by loops."""
    small = np.array(
        [[audio[t, 3 * i : 3 * i + 3, 2 * j : 2 * j + 2].mean() for j in range(4)] for i in (0, 1)]
    )
    return [small[0, 0:2], small[0, 2:4], small[1, 0:2], small[1, 2:4]]


def small_video(video, t):
    """One clip's frames 0 and 2 of chunk t, averaged over 2 x 2 px and cut, by loops."""
    patches = []
    for frame in (video[t, 0], video[t, 2]):
        small = frame.astype(np.float64).reshape(8, 2, 8, 2, 3).mean((1, 3)) / 127.5 - 1
        patches += [small[i : i + 4, j : j + 4].reshape(-1) for i in (0, 4) for j in (0, 4)]
    return patches


def mean_of_one_minus_cosine(predicted_BTNX, cut, media, has_BT, ahead):
    terms = []
    for b in range(2):
        for t in range(SHAPE.chunks - ahead):
            if has_BT[b, t + ahead]:
                for p, q in zip(predicted_BTNX[b, t], cut(media[b], t + ahead), strict=True):
                    terms.append(1 - p @ q / np.linalg.norm(p) / np.linalg.norm(q))
    return np.mean(terms)


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize(
    ("build", "cut", "media", "has"),
    [
        (build_video, small_video, "video_BTFHWC", "has_video_BT"),
        (build_audio, small_audio, "audio_BTAS", "has_audio_BT"),
    ],
)
def test_the_loss_is_one_minus_cosine_with_the_small_patches(build, cut, media, has, ahead):
    torch.manual_seed(0)
    part, h_BTMD = build(next_chunk=bool(ahead)), latents()
    some = torch.tensor([[True, True, True], [True, False, True]])
    batch = dataclasses.replace(random_batch(), **{has: some})
    want = mean_of_one_minus_cosine(
        part.predict(h_BTMD).detach().double().numpy(),
        cut,
        getattr(batch, media).numpy(),
        some.numpy(),
        ahead,
    )
    loss = part(h_BTMD, batch)
    assert (loss.dtype, loss.shape) == (torch.float32, ())
    assert loss.item() == pytest.approx(want, rel=1e-5)


def test_without_blocks_a_patch_is_its_normalised_mask_token_mapped():
    torch.manual_seed(0)
    part = build_audio(layers=0)
    tokens = (part.mask_D + part.positions_ND).detach().numpy()
    centred = tokens - tokens.mean(-1, keepdims=True)
    normalised = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    want = normalised @ part.out.weight.detach().numpy().T + part.out.bias.detach().numpy()
    got = part.predict(latents()).detach().numpy()
    np.testing.assert_allclose(got, np.broadcast_to(want, got.shape), atol=1e-5)


def test_positions_of_audio_patches_are_sines_of_their_centres():
    # Patches of 1 x 2 on a grid of 2 x 4: centres at columns 0 and 1, bins 0.5 and 2.5.
    frequencies = 10_000.0 ** -(np.arange(3) / 3)
    for row, centre in zip(
        build_audio().positions_ND.numpy(), [(0, 0.5), (0, 2.5), (1, 0.5), (1, 2.5)], strict=True
    ):
        by_axis = [np.r_[np.sin(c * frequencies), np.cos(c * frequencies)] for c in centre]
        np.testing.assert_allclose(row, np.concatenate(by_axis), atol=1e-6)


@pytest.mark.parametrize("build", [build_video, build_audio])
def test_a_chunk_is_predicted_from_its_own_latents_alone(build):
    torch.manual_seed(0)
    h_BTMD = latents().requires_grad_()
    predicted = build().predict(h_BTMD)
    (gradient,) = torch.autograd.grad(predicted[:, 1].square().sum(), h_BTMD)
    assert (gradient.abs().amax(dim=(0, 3)) > 0).all(-1).tolist() == [False, True, False]
    assert (gradient[:, [0, 2]] == 0).all()


@pytest.mark.parametrize("build", [build_video, build_audio])
def test_with_one_chunk_there_is_no_next_one(build):
    h_BTMD = latents(chunks=1).requires_grad_()
    whole = random_batch()
    media = ("video_BTFHWC", "audio_BTAS", "has_video_BT", "has_audio_BT")
    batch = dataclasses.replace(whole, **{name: getattr(whole, name)[:, :1] for name in media})
    loss = build(next_chunk=True)(h_BTMD, batch)
    loss.backward()
    assert loss == 0
    assert (h_BTMD.grad == 0).all()


def test_pictures_and_sound_are_the_sum_of_the_two():
    torch.manual_seed(0)
    video, audio, h_BTMD, batch = build_video(), build_audio(), latents(), random_batch()
    both = VideoAndAudioReconstruction(video=video, audio=audio)
    torch.testing.assert_close(both(h_BTMD, batch), video(h_BTMD, batch) + audio(h_BTMD, batch))
    silent = dataclasses.replace(batch, has_audio_BT=torch.zeros_like(batch.has_audio_BT))
    torch.testing.assert_close(both(h_BTMD, silent), video(h_BTMD, silent), rtol=0, atol=0)


def test_switched_off_it_is_zero_whatever_it_gets():
    loss = NoReconstruction()(latents().double(), random_batch())
    assert (loss.item(), loss.dtype) == (0.0, torch.float32)


def test_a_model_with_both_trains_both():
    model, batch = build_model(), random_batch()
    audio = build_audio(in_width=model.video_encoder.out.out_features)
    model.reconstruction = VideoAndAudioReconstruction(video=model.reconstruction, audio=audio)
    model(batch)["loss"].backward()
    for name, parameter in model.reconstruction.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("build", [build_video, build_audio])
def test_names_of_parameters_are_those_of_checkpoints(build):
    names = {name for name in build().state_dict() if not name.startswith("transformer.blocks.0.")}
    linear = {f"{part}.{kind}" for part in ("into", "out") for kind in ("weight", "bias")}
    assert names == {"mask_D", *linear, "transformer.norm.weight", "transformer.norm.bias"}


@pytest.mark.parametrize(
    ("build", "changes", "message"),
    [
        (build_video, {"shrink": 3}, r"shrink 3 times patch 4 must divide 16 px"),
        (build_video, {"frame_step": 3}, r"frame_step 3 must divide 4 frames"),
        (build_video, {"patch": 0}, r"VideoReconstruction.patch is 0"),
        (build_audio, {"patch": (4, 2)}, r"shrink \(3, 2\) times patch \(4, 2\).*6 columns"),
        (build_audio, {"shrink": (0, 2)}, r"shrink \(0, 2\).*8 mel bins; all above 0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(build, changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)
