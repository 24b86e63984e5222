"""Small parts for the tests of the model; sizes differ from one another so that a mix-up shows."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mirasol.batch import EOS_ID, Batch, ExampleShape
from mirasol.models.combiners import Combiner, TransformerCombiner
from mirasol.models.decoder import TextDecoder
from mirasol.models.encoders import AudioEncoder, VideoEncoder
from mirasol.models.latent import LatentModel
from mirasol.models.losses import LossWeights
from mirasol.models.mirasol3b import Mirasol
from mirasol.models.pooling import MeanPoolCombiner, NoCombiner
from mirasol.models.queries import ClsCombiner, PerceiverCombiner
from mirasol.models.reconstruction import VideoReconstruction
from mirasol.models.token_turing import TokenTuringCombiner

SHAPE = ExampleShape(
    chunks=3,
    chunk_frames=4,
    image_size=16,
    chunk_bands=6,
    mel_bins=8,
    questions=2,
    prompt_length=5,
    answer_length=4,
)
VOCAB_SIZE = 23
WIDTH = 24
M, N = 5, 12  # Tokens of a chunk: kept by the Combiner, made by the encoders.

_SIZES = {"width": WIDTH, "layers": 2, "heads": 2, "out_tokens": M}
_TURING = {**_SIZES, "memory_tokens": 7, "hidden": 6}
COMBINERS: dict[str, Callable[[], Combiner]] = {
    "transformer": lambda: TransformerCombiner(**_SIZES),
    "transformer_chunk_alone": lambda: TransformerCombiner(**_SIZES, earlier_chunks=False),
    "cls": lambda: ClsCombiner(**_SIZES),
    "cls_chunk_alone": lambda: ClsCombiner(**_SIZES, earlier_chunks=False),
    "token_turing": lambda: TokenTuringCombiner(**_TURING),
    "token_turing_plain": lambda: TokenTuringCombiner(**_TURING, in_tokens=N, time_stamps=False),
    "perceiver": lambda: PerceiverCombiner(**_SIZES),
    "mean_pool": lambda: MeanPoolCombiner(out_tokens=M),
    "none": lambda: NoCombiner(out_tokens=N),
}
"""Every kind that there is, for whole models."""


def with_combiner(name: str, window: int | None = None) -> Mirasol:
    """Returns a model with that Combiner, and a latent model of two blocks with that window."""
    model = build_model()
    torch.manual_seed(1)
    model.combiner = COMBINERS[name]()
    model.latent_model = LatentModel(
        width=WIDTH, layers=2, heads=2, tokens=model.combiner.out_tokens, window=window
    )
    return model


def build_model(seed: int = 0, mask_ratio: float = 0.0, earlier_chunks: bool = True) -> Mirasol:
    torch.manual_seed(seed)
    return Mirasol(
        video_encoder=VideoEncoder(
            chunk_frames=4,
            image_size=16,
            tubelet=(2, 8, 8),
            width=12,
            out_width=WIDTH,
            layers=1,
            heads=2,
        ),
        audio_encoder=AudioEncoder(
            chunk_bands=6, mel_bins=8, patch=(3, 4), width=12, out_width=WIDTH, layers=1, heads=2
        ),
        combiner=TransformerCombiner(
            width=WIDTH, layers=1, heads=2, out_tokens=M, earlier_chunks=earlier_chunks
        ),
        latent_model=LatentModel(width=WIDTH, layers=1, heads=2, tokens=M, mask_ratio=mask_ratio),
        reconstruction=VideoReconstruction(
            chunk_frames=4,
            image_size=16,
            in_width=WIDTH,
            width=12,
            layers=1,
            heads=2,
            shrink=2,
            frame_step=2,
        ),
        text_decoder=TextDecoder(
            vocab_size=VOCAB_SIZE, width=20, layers=2, heads=2, context_width=WIDTH
        ),
        loss_weights=LossWeights(text=10.0, latent=2.0, reconstruction=3.0),
    )


def random_batch(seed: int = 0, batch_size: int = 2) -> Batch:
    """Prompts and answers of uneven lengths; the last question of the last clip is padding."""
    generator = torch.Generator().manual_seed(seed)
    B, T, Q = batch_size, SHAPE.chunks, SHAPE.questions
    P, R = SHAPE.prompt_length, SHAPE.answer_length

    def ids(length: int) -> torch.Tensor:
        return torch.randint(3, VOCAB_SIZE, (B, Q, length), generator=generator)

    prompt, answer = ids(P), ids(R)
    prompt[0, 0, 3:] = 0
    answer[..., -1] = EOS_ID
    answer[0, 1, 2:] = torch.tensor([EOS_ID, 0])
    question = torch.ones((B, Q), dtype=torch.bool)
    question[-1, -1] = False
    size = SHAPE.image_size
    return Batch(
        video_BTFHWC=torch.randint(
            0, 256, (B, T, 4, size, size, 3), dtype=torch.uint8, generator=generator
        ),
        audio_BTAS=torch.randn((B, T, 6, 8), generator=generator),
        has_video_BT=torch.ones((B, T), dtype=torch.bool),
        has_audio_BT=torch.ones((B, T), dtype=torch.bool),
        prompt_BQP=prompt,
        answer_BQR=answer,
        question_BQ=question,
    )
