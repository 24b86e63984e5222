"""A step in parts is the step of the whole batch, however unequal the parts are."""

import dataclasses

import pytest
import torch

from mirasol.models.reconstruction import VideoAndAudioReconstruction
from mirasol.training.step import train_step
from tests.models.builders import WIDTH, build_model, random_batch
from tests.models.test_reconstruction import build_audio, build_video

SPREAD = "latent_spread"  # Of a step in parts it is the mean over these.


def uneven_batch():
    """Four clips: without sound, without pictures, short ones, and questions here and there."""
    torch.manual_seed(3)
    batch = random_batch(batch_size=4)
    has_video_BT, has_audio_BT = batch.has_video_BT.clone(), batch.has_audio_BT.clone()
    has_video_BT[0, 1:], has_audio_BT[0, 1:] = False, False
    has_audio_BT[1], has_video_BT[2, :2] = False, False
    question_BQ = batch.question_BQ.clone()
    question_BQ[0, 1], question_BQ[3] = False, False
    changed = {"has_video_BT": has_video_BT, "has_audio_BT": has_audio_BT}
    return dataclasses.replace(batch, question_BQ=question_BQ, **changed)


def moved(microbatches, **step):
    """Returns the values of a step, and the gradients as plain descent has applied them."""
    model = build_model().train()
    torch.manual_seed(5)
    model.reconstruction = VideoAndAudioReconstruction(
        video=build_video(in_width=WIDTH), audio=build_audio(in_width=WIDTH)
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    descent = torch.optim.SGD(model.parameters(), lr=1.0)
    batch = uneven_batch()
    values = train_step(model, descent, batch, 1e9, microbatches=microbatches, **step)
    return values, {name: before[name] - p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize("microbatches", [2, 4])
def test_losses_and_gradients_are_those_of_the_whole_batch(microbatches):
    values, gradients = moved(microbatches)
    want_values, want_gradients = moved(1)
    assert values.keys() == want_values.keys()
    for name in values.keys() - {SPREAD}:
        torch.testing.assert_close(values[name], want_values[name], rtol=1e-5, atol=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, want_gradients[name], rtol=1e-4, atol=1e-5)


def test_totals_of_other_processes_shrink_this_ones_share():
    """Three more processes with as many elements: a fourth of the loss and its gradients."""
    values, gradients = moved(1, total=lambda values: {n: 4 * v for n, v in values.items()})
    want_values, want_gradients = moved(1)
    # Each process has a fourth of the mean, and all four add up to it.
    torch.testing.assert_close(values["loss"], want_values["loss"])
    for name, gradient in gradients.items():
        torch.testing.assert_close(4 * gradient, want_gradients[name], rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_cut_says_so():
    with pytest.raises(ValueError, match="4 clips cannot be cut into 3 equal parts"):
        moved(3)
