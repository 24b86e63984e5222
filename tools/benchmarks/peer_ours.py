"""Our model with the sizes of the comparison with mirasol-pytorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from benchmarks.sizes import random_batch
from mirasol.batch import Batch, ExampleShape, empty_batch
from mirasol.models.combiners import TransformerCombiner
from mirasol.models.decoder import TextDecoder
from mirasol.models.encoders import AudioEncoder, VideoEncoder
from mirasol.models.latent import LatentModel
from mirasol.models.losses import LossWeights
from mirasol.models.mirasol3b import Mirasol
from mirasol.models.reconstruction import (
    AudioReconstruction,
    Reconstruction,
    VideoAndAudioReconstruction,
    VideoReconstruction,
)

if TYPE_CHECKING:
    from benchmarks.peer_worker import Sizes


def build(sizes: Sizes, device: str) -> Mirasol:
    """Builds the model: each chunk combined alone and no masking, as in the other."""
    width, heads = sizes.width, sizes.heads
    vit: dict[str, Any] = {
        "width": width,
        "out_width": width,
        "layers": sizes.encoder_layers,
        "heads": heads,
    }
    with torch.device(device):
        return Mirasol(
            video_encoder=VideoEncoder(
                chunk_frames=sizes.chunk_frames,
                image_size=sizes.image_size,
                tubelet=(sizes.patch_frames, sizes.patch_px, sizes.patch_px),
                **vit,
            ),
            audio_encoder=AudioEncoder(
                chunk_bands=sizes.columns,
                mel_bins=sizes.mel_bins,
                patch=(min(sizes.patch_columns, sizes.columns), sizes.patch_bins),
                **vit,
            ),
            combiner=TransformerCombiner(
                width=width,
                layers=sizes.combiner_layers,
                heads=heads,
                out_tokens=sizes.out_tokens,
                earlier_chunks=False,
            ),
            latent_model=LatentModel(
                width=width,
                layers=sizes.latent_layers,
                heads=heads,
                tokens=sizes.out_tokens,
                mask_ratio=0.0,
            ),
            reconstruction=_reconstruction(sizes),
            text_decoder=TextDecoder(
                vocab_size=sizes.vocab_size,
                width=width,
                layers=sizes.decoder_layers,
                heads=heads,
                context_width=width,
            ),
            loss_weights=LossWeights(),
        )


def _reconstruction(sizes: Sizes) -> Reconstruction:
    """Returns that of both media: two blocks of width 256, as in Mirasol small."""
    blocks: dict[str, Any] = {"in_width": sizes.width, "width": 256, "layers": 2, "heads": 4}
    return VideoAndAudioReconstruction(
        video=VideoReconstruction(
            chunk_frames=sizes.chunk_frames, image_size=sizes.image_size, **blocks
        ),
        audio=AudioReconstruction(
            chunk_bands=sizes.columns,
            mel_bins=sizes.mel_bins,
            shrink=(1, 2),
            patch=(min(4, sizes.columns), 4),
            **blocks,
        ),
    )


def clips(sizes: Sizes, answer_length: int, device: str) -> Batch:
    """Returns clips of noise with one question each; on the meta device, of nothing."""
    shape = ExampleShape(
        chunks=sizes.chunks,
        chunk_frames=sizes.chunk_frames,
        image_size=sizes.image_size,
        chunk_bands=sizes.columns,
        mel_bins=sizes.mel_bins,
        questions=1,
        prompt_length=sizes.prompt_length,
        answer_length=answer_length,
    )
    if device == "meta":
        return empty_batch(shape, sizes.batch_size, device)
    return random_batch(shape, sizes.batch_size, sizes.vocab_size)
