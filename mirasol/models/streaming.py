"""Streaming: a clip is taken in chunk by chunk, and asked about at any moment.

Nobody has to wait for the end: encoders see one chunk, the Combiner and the latent model are causal
over chunks, and the text decoder looks at the latents there are. What is kept between two chunks is

    Combiner      nothing (a chunk alone), its memory (Token Turing Machine: constant), or the keys
                  and values of all earlier tokens (Transformer over earlier chunks)
    latent model  keys and values of M tokens a chunk; of the window alone, if it has one
    this stream   h of every chunk, which the text decoder looks at: M * D numbers a chunk

Equal to the whole clip in one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from mirasol.models.generation import GREEDY, Strategy

if TYPE_CHECKING:
    from mirasol.models.mirasol3b import Mirasol


class Stream:
    """Clips being watched side by side. Made by `Mirasol.stream`.

    Attributes:
      chunks: how many were taken in.
    """

    def __init__(self, model: Mirasol, batch_size: int):
        self._model = model
        parameter = next(model.parameters())
        where = (batch_size, parameter.device, parameter.dtype)
        self._combiner: Any = model.combiner.start(*where)
        self._latent: Any = model.latent_model.start(*where)
        self._h: list[torch.Tensor] = []
        self._valid: list[torch.Tensor] = []

    @property
    def chunks(self) -> int:
        """How many chunks were taken in."""
        return len(self._h)

    @torch.no_grad()
    def step(
        self,
        video_BFHWC: torch.Tensor,
        audio_BAS: torch.Tensor,
        has_video_B: torch.Tensor | None = None,
        has_audio_B: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Takes in the next chunk.

        Args:
          video_BFHWC: uint8.
          audio_BAS: float.
          has_video_B: bool, where there are pictures; None: everywhere.
          has_audio_B: bool, where there is sound; None: everywhere.

        Returns:
          h_BMD of this chunk.
        """
        everywhere_B = torch.ones(len(video_BFHWC), dtype=torch.bool, device=video_BFHWC.device)
        has_video_B = everywhere_B if has_video_B is None else has_video_B
        has_audio_B = everywhere_B if has_audio_B is None else has_audio_B
        tokens_BTND, valid_BTN = self._model.media_tokens(
            video_BFHWC[:, None], audio_BAS[:, None], has_video_B[:, None], has_audio_B[:, None]
        )
        x_BMD, self._combiner = self._model.combiner.step(
            tokens_BTND[:, 0], valid_BTN[:, 0], self._combiner
        )
        valid_B = has_video_B | has_audio_B
        h_BMD, self._latent = self._model.latent_model.step(x_BMD, valid_B, self._latent)
        self._h.append(h_BMD)
        self._valid.append(valid_B)
        return h_BMD

    @torch.no_grad()
    def answer(
        self, prompt_BQP: torch.Tensor, length: int, strategy: Strategy = GREEDY
    ) -> torch.Tensor:
        """Answers from what was seen so far: int64 [B, Q, length], as `Mirasol.generate`.

        Raises:
          ValueError: no chunk was taken in yet.
        """
        if not self._h:
            raise ValueError("Stream.answer before the first chunk; call step first")
        memory = self._model.look_back(torch.stack(self._h, 1), torch.stack(self._valid, 1))
        return strategy.write(self._model.text_decoder, memory, prompt_BQP, length)
