"""A clip chunk by chunk equals the clip in one pass."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mirasol.models.mirasol3b import Mirasol
from mirasol.models.streaming import Stream
from tests.models.builders import COMBINERS, SHAPE, random_batch, with_combiner


def absent_batch():
    """The first clip has no sound in its second chunk, the second is one chunk long."""
    batch = random_batch()
    video = torch.tensor([[True, True, True], [True, False, False]])
    audio = torch.tensor([[True, False, True], [True, False, False]])
    return dataclasses.replace(batch, has_video_BT=video, has_audio_BT=audio)


def watch(model: Mirasol, batch) -> tuple[Stream, torch.Tensor]:
    stream = model.stream(batch_size=2)
    h = [
        stream.step(
            batch.video_BTFHWC[:, t],
            batch.audio_BTAS[:, t],
            batch.has_video_BT[:, t],
            batch.has_audio_BT[:, t],
        )
        for t in range(SHAPE.chunks)
    ]
    return stream, torch.stack(h, dim=1)


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("combiner", COMBINERS)
def test_chunk_by_chunk_equals_the_whole_clip(combiner, window):
    model, batch = with_combiner(combiner, window).eval(), absent_batch()
    stream, h_BTMD = watch(model, batch)
    clip = model.encode(batch)
    seen = clip.valid_BT
    torch.testing.assert_close(h_BTMD[seen], clip.h_BTMD[seen], rtol=1e-4, atol=1e-5)
    answers = stream.answer(batch.prompt_BQP, SHAPE.answer_length)
    assert torch.equal(answers, model.generate(batch))
    assert stream.chunks == SHAPE.chunks


def test_a_question_in_the_middle_is_answered_from_what_was_seen():
    model, batch = with_combiner("token_turing").eval(), random_batch()
    stream = model.stream(batch_size=2)
    stream.step(batch.video_BTFHWC[:, 0], batch.audio_BTAS[:, 0])
    now = stream.answer(batch.prompt_BQP, SHAPE.answer_length)
    first = dataclasses.replace(
        batch,
        video_BTFHWC=batch.video_BTFHWC[:, :1],
        audio_BTAS=batch.audio_BTAS[:, :1],
        has_video_BT=batch.has_video_BT[:, :1],
        has_audio_BT=batch.has_audio_BT[:, :1],
    )
    assert torch.equal(now, model.generate(first))


def test_a_question_before_the_first_chunk_is_an_error():
    with pytest.raises(ValueError, match="call step first"):
        with_combiner("transformer_chunk_alone").stream().answer(random_batch().prompt_BQP, 2)
