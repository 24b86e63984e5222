"""One step's tensors, and the legend of dimension letters that every file uses.

Tensor names end in their dimensions: `video_BTFHWC` has six of them.

    B  clips in the batch              Q  questions about one clip
    T  chunks of a clip                P  tokens of a question (the prompt)
    F  frames of a chunk               R  tokens of an answer (the response), end token included
    H  height, px                      N  tokens that an encoder makes of one chunk
    W  width, px                       M  tokens that the Combiner keeps of one chunk
    C  channels of the video (3)       D  width of the model; K  heads; V  vocabulary; d  D / K
    A  spectrogram columns of a chunk  L  a whole sequence: P + R of text, T * M of latents, ...
    S  mel bins of the spectrogram     X  whatever a function says: rows, values of a patch
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable

import torch

from mirasol.numbers import require_positive

PAD_ID = 0
EOS_ID = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleShape:
    """The fixed sizes of one example: what the data road delivers and the model expects.

    Attributes:
      chunks: T, consecutive chunks that a clip is cut into (the paper: 16).
      chunk_frames: F, frames in a chunk (the paper: 8).
      image_size: H and W of a frame, px.
      chunk_bands: A, spectrogram columns in step with one chunk.
      mel_bins: S, mel bins of the spectrogram.
      questions: Q, question-answer pairs that share the encoding of one clip.
      prompt_length: P, tokens; longer questions keep their last P tokens.
      answer_length: R, tokens with the end token.

    Raises:
      ValueError: a size is below 1.
    """

    chunks: int
    chunk_frames: int
    image_size: int
    chunk_bands: int
    mel_bins: int
    questions: int
    prompt_length: int
    answer_length: int

    def __post_init__(self) -> None:
        require_positive("ExampleShape", **dataclasses.asdict(self))

    @property
    def frames(self) -> int:
        """Frames of a whole clip, T * F."""
        return self.chunks * self.chunk_frames


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """The tensors of one step. Lists of strings travel beside it, never in it.

    Attributes:
      video_BTFHWC: uint8, RGB. Zeros where `has_video_BT` is false.
      audio_BTAS: float32 log-mel, standardised. Zeros where `has_audio_BT` is false.
      has_video_BT: bool, whether the chunk has pictures.
      has_audio_BT: bool, whether the chunk has sound.
      prompt_BQP: int64 question tokens, padded on the right with 0.
      answer_BQR: int64 answer tokens that end in 1 (end), padded on the right with 0.
      question_BQ: bool, whether the slot holds a question.
    """

    video_BTFHWC: torch.Tensor
    audio_BTAS: torch.Tensor
    has_video_BT: torch.Tensor
    has_audio_BT: torch.Tensor
    prompt_BQP: torch.Tensor
    answer_BQR: torch.Tensor
    question_BQ: torch.Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Batch:
        """Returns the same batch with every tensor on `device`."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def microbatches(self, count: int) -> list[Batch]:
        """Returns the batch in equal parts; part i has rows i, i + count, ...

        Not neighbours, so that of a batch that lies on several devices in pieces, each part lies on
        all of them.

        Raises:
          ValueError: the clips are no multiple of `count`.
        """
        clips = len(self.question_BQ)
        if clips % count:
            raise ValueError(f"a batch of {clips} clips cannot be cut into {count} equal parts")
        if count == 1:
            return [self]
        return [self.map(operator.itemgetter(slice(i, None, count))) for i in range(count)]

    def pin_memory(self) -> Batch:
        """Returns the same batch in page-locked memory, from which copies to a GPU overlap."""
        return self.map(lambda tensor: tensor.pin_memory())

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """Returns the batch of what the function makes of each tensor."""
        return Batch(
            **{
                field.name: function(getattr(self, field.name))
                for field in dataclasses.fields(self)
            }
        )


def empty_batch(shape: ExampleShape, batch_size: int, device: str | torch.device = "cpu") -> Batch:
    """Returns a batch of the given sizes filled with zeros, every input present.

    For shape checks, `describe` (on the meta device), compilation and benchmarks.
    """
    B, T, Q = batch_size, shape.chunks, shape.questions

    def zeros(*sizes: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(sizes, dtype=dtype, device=device)

    size = shape.image_size
    return Batch(
        video_BTFHWC=zeros(B, T, shape.chunk_frames, size, size, 3, dtype=torch.uint8),
        audio_BTAS=zeros(B, T, shape.chunk_bands, shape.mel_bins, dtype=torch.float32),
        has_video_BT=torch.ones((B, T), dtype=torch.bool, device=device),
        has_audio_BT=torch.ones((B, T), dtype=torch.bool, device=device),
        prompt_BQP=zeros(B, Q, shape.prompt_length, dtype=torch.int64),
        answer_BQR=zeros(B, Q, shape.answer_length, dtype=torch.int64),
        question_BQ=torch.ones((B, Q), dtype=torch.bool, device=device),
    )
