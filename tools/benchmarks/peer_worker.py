"""One side of the comparison with mirasol-pytorch, in a process of its own.

PYTHONPATH=tools python -m benchmarks.peer_worker ours '{"chunks": 2, ...}'

Prints one line of JSON. The other side needs mirasol-pytorch on the path and imports nothing of
ours but this package's timing.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.clocks import in_turns, seconds
from mirasol.description.operations import flops
from mirasol.description.parts import parameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """What both sides share.

    Attributes:
      columns: of the spectrogram in a chunk. The other side cuts a clip into as many pieces of
        sound as a chunk has columns, of which it uses the first `chunks`: no fewer will do.
    """

    chunks: int
    columns: int
    chunk_frames: int = 8
    image_size: int = 112
    mel_bins: int = 128
    width: int = 384
    heads: int = 6
    encoder_layers: int = 12
    combiner_layers: int = 4
    latent_layers: int = 4
    decoder_layers: int = 4
    out_tokens: int = 32
    patch_px: int = 16
    patch_frames: int = 4
    patch_columns: int = 8
    patch_bins: int = 16
    prompt_length: int = 8
    answer_length: int = 2
    written: int = 32
    vocab_size: int = 384
    batch_size: int = 1
    steps: int = 3
    threads: int = 1


@dataclasses.dataclass(frozen=True)
class Side:
    """A model and what is timed of it; `train` returns the loss of inputs on the device named."""

    model: nn.Module
    train: Callable[[str], Callable[[], torch.Tensor]]
    generate: Callable[[], Callable[[], torch.Tensor]]


def ours(sizes: Sizes, device: str) -> Side:
    """Builds our model to match the other: each chunk combined alone, every loss on."""
    from benchmarks.peer_ours import build, clips

    model = build(sizes, device)

    def train(where: str) -> Callable[[], torch.Tensor]:
        batch = clips(sizes, sizes.answer_length, where)
        return lambda: model(batch)["loss"]

    def generate() -> Callable[[], torch.Tensor]:
        batch = clips(sizes, sizes.written, "cpu")
        return lambda: model.generate(batch)

    return Side(model, train, generate)


def theirs(sizes: Sizes, device: str) -> Side:
    """Builds mirasol-pytorch's model."""
    model = _theirs_built(sizes, device)

    def media(where: str) -> dict[str, torch.Tensor]:
        frames, side = sizes.chunks * sizes.chunk_frames, sizes.image_size
        video = torch.randn(sizes.batch_size, 3, frames, side, side, device=where)
        audio = torch.randn(sizes.batch_size, sizes.mel_bins, sizes.columns**2, device=where)
        return {"video": video, "audio": audio}

    def text(length: int, where: str) -> torch.Tensor:
        return torch.randint(2, sizes.vocab_size, (sizes.batch_size, length), device=where)

    def train(where: str) -> Callable[[], torch.Tensor]:
        given, words = media(where), text(sizes.prompt_length + sizes.answer_length, where)
        return lambda: model(**given, text=words)

    def generate() -> Callable[[], torch.Tensor]:
        given, prompt = media("cpu"), text(sizes.prompt_length, "cpu")
        return lambda: model.generate(**given, prompt=prompt, seq_len=sizes.written)

    return Side(model, train, generate)


def _theirs_built(sizes: Sizes, device: str) -> Any:
    encoder = {"depth": sizes.encoder_layers, "heads": sizes.heads}
    encoder["attn_dim_head"] = sizes.width // sizes.heads
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")
        return importlib.import_module("mirasol_pytorch").Mirasol(
            dim=sizes.width,
            num_text_tokens=sizes.vocab_size,
            video_image_size=sizes.image_size,
            video_frames_per_timechunk=sizes.chunk_frames,
            audio_freq_dim=sizes.mel_bins,
            audio_time_dim_per_timechunk=sizes.columns,
            audio_patch_size=(sizes.patch_bins, min(sizes.patch_columns, sizes.columns)),
            video_patch_size=(sizes.patch_px, sizes.patch_frames),
            # The largest that it takes; without it, one linear map to all pixels: 15 G parameters.
            video_recon_patch_size=(sizes.patch_px, sizes.patch_frames),
            video_encoder=dict(encoder),
            audio_encoder=dict(encoder),
            num_audio_video_register_tokens=0,
            audio_video_mask_prob=0.0,
            text_forgetful_causal_mask_prob=0.0,
            text_max_seq_len=sizes.prompt_length + sizes.written + 1,
            encoder_depth=sizes.latent_layers,
            decoder_depth=sizes.decoder_layers,
            combiner_depth=sizes.combiner_layers,
            combiner_output_num_tokens=sizes.out_tokens,
            attn_dim_head=sizes.width // sizes.heads,
            attn_heads=sizes.heads,
        )


SIDES = {"ours": ours, "theirs": theirs}


def main(side: str, given: str) -> None:
    """Prints parameters, operations and times of one side."""
    sizes = Sizes(**json.loads(given))
    torch.set_num_threads(sizes.threads)
    torch.manual_seed(0)
    on_paper = SIDES[side](sizes, "meta").train
    loss_on_paper = on_paper("meta")
    counted = flops(lambda: loss_on_paper().backward())
    built = SIDES[side](sizes, "cpu")
    train_s = _training_times(built, sizes.steps)
    built.model.eval()
    write = built.generate()
    write()
    generate_s = [seconds(write) for _ in range(sizes.steps)]
    found = {"parameters": parameters(built.model), "flops": counted}
    print(json.dumps({**found, **train_s, "generate_s": generate_s}))


def _training_times(side: Side, steps: int) -> dict[str, list[float]]:
    """Times the parts of training steps, after one that warms up: what each takes, in s.

    Both updates are AdamW's: fused, as our trainer runs it, and as torch makes it unasked.
    """
    loss = side.train("cpu")
    fused = torch.optim.AdamW(side.model.parameters(), lr=1e-5, fused=True)
    unasked = torch.optim.AdamW(side.model.parameters(), lr=1e-5)

    def gradients() -> None:
        side.model.zero_grad()
        loss().backward()

    parts = {
        "gradients_s": gradients,
        "fused_update_s": fused.step,
        "unasked_update_s": unasked.step,
    }
    return in_turns(parts, steps, "parts of a step")


if __name__ == "__main__":
    main(*sys.argv[1:])
