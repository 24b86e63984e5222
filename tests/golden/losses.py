"""The first losses of a variant, as the text of its file, and what differs between two such texts.

Weights and batch are drawn by numpy, whose generators give the same numbers on every machine and in
every release; torch's do not promise that.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import nn

from mirasol.batch import EOS_ID, PAD_ID, Batch, ExampleShape
from mirasol.training.step import train_step
from tests.golden.variants import Variant

STEPS = 3
CLIPS, QUESTIONS = 2, 3
# Another CPU sums in another order. Measured with two threads, and without AVX: no figure moved by
# more than 2e-6 of itself. The rest is room for other releases of torch.
TOLERANCE = 1e-4


def losses_text(variant: Variant) -> str:
    """Trains for a few steps and returns the losses by name, a line a step."""
    experiment = variant.load().build()
    model, trainer = experiment.build_model(), experiment.trainer
    draw_weights(model)
    batch = draw_batch(experiment.converter.shape, model.text_decoder.vocab_size)
    optimizer = trainer.optimizer.build(model.train(), {})
    lines = []
    for step in range(STEPS):
        torch.manual_seed(step)  # For stochastic depth, the one thing that is drawn by torch.
        trainer.optimizer.set_rate(optimizer, step)
        values = train_step(model, optimizer, batch, trainer.clip_norm)
        values.pop("token_accuracy")  # It jumps where two words are as likely.
        figures = {name: f"{value.item():.7g}" for name, value in values.items()}
        lines += [f"step {step} {name} {figure}" for name, figure in figures.items()]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return "\n".join([f"# {' '.join(variant.files)}", f"parameters {parameters}", *lines, ""])


def draw_weights(model: nn.Module) -> None:
    """Fills each parameter by its name from N(0, 1 / D); those that are constant stay.

    Zero biases, norms and closed gates are constant. By name, so that a new parameter leaves the
    others as they are.
    """
    for name, parameter in model.named_parameters():
        if parameter.min() < parameter.max():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            drawn = rng.standard_normal(tuple(parameter.shape)) / math.sqrt(parameter.shape[-1])
            parameter.data.copy_(torch.from_numpy(drawn))


def draw_batch(shape: ExampleShape, vocab_size: int) -> Batch:
    """Returns two clips: one falls silent in its last chunk, the other is a chunk short."""
    rng = np.random.default_rng(0)
    B, T, Q, size = CLIPS, shape.chunks, QUESTIONS, shape.image_size
    has_video_BT, has_audio_BT = np.ones((2, B, T), bool)
    has_audio_BT[:, -1], has_video_BT[1, -1] = False, False
    question_BQ = np.ones((B, Q), bool)
    question_BQ[1, -1] = False
    prompt_BQP = rng.integers(3, vocab_size, (B, Q, shape.prompt_length))
    prompt_BQP[:, 1, shape.prompt_length // 2 :] = PAD_ID
    answer_BQR = rng.integers(3, vocab_size, (B, Q, shape.answer_length))
    answer_BQR[..., -1] = EOS_ID
    arrays = {
        "video_BTFHWC": rng.integers(
            0, 256, (B, T, shape.chunk_frames, size, size, 3), dtype=np.uint8
        ),
        "audio_BTAS": rng.normal(size=(B, T, shape.chunk_bands, shape.mel_bins)).astype("float32"),
        "has_video_BT": has_video_BT,
        "has_audio_BT": has_audio_BT,
        "prompt_BQP": prompt_BQP,
        "answer_BQR": answer_BQR,
        "question_BQ": question_BQ,
    }
    return Batch(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def differences(golden: str, found: str) -> list[str]:
    """Returns a line for each figure that moved, came or went; none where both texts agree."""
    was, now = _figures(golden), _figures(found)
    lines = [f"{name}: {was[name]:.7g} is gone" for name in was if name not in now]
    lines += [f"{name}: {now[name]:.7g} is new" for name in now if name not in was]
    for name in was.keys() & now.keys():
        if not math.isclose(was[name], now[name], rel_tol=TOLERANCE, abs_tol=1e-6):
            share = (now[name] - was[name]) / (abs(was[name]) or 1.0)
            lines.append(f"{name}: {was[name]:.7g} -> {now[name]:.7g} ({share:+.1e})")
    return sorted(lines)


def _figures(text: str) -> dict[str, float]:
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(figure) for name, figure in rows}
