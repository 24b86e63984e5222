"""The Token Turing Machine as a Combiner: constant cost a chunk, whatever came before.

    chunk t ----+--> Read --> Process --o--> Output --> x_t
                |     ^                 |
                |    M_t                |
                |     v                 |
                +--> Write <------------+
                      |
                    M_t+1

Ryoo et al., Token Turing Machines, arXiv 2211.09119; in Mirasol3B it does with 18 % less compute
than the Transformer Combiner. Mirasol3B states none of its sizes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from mirasol.models.combiners import Combiner, zero_invalid
from mirasol.models.positions import sincos_positions
from mirasol.models.token_learner import Summary, TokenLearner, join
from mirasol.models.transformer import Transformer
from mirasol.numbers import require_positive


class TuringState(NamedTuple):
    """What is kept between chunks: of one size, however many there have been.

    Attributes:
      memory_BXD: X memory tokens.
      chunks: int64 scalar, how many there have been.
    """

    memory_BXD: torch.Tensor
    chunks: torch.Tensor


class TokenTuringCombiner(Combiner):
    """Reads chunk and memory into M tokens, processes them, writes what is to be remembered.

        z = Read(I, M_t)          = S_r([M_t || I])
        o = Process(z)            a transformer
        M_{t+1} = Write(M_t, o, I) = S_m([M_t || I || o])
        x_t = Output(o)           a linear map

    Read and write each add learned positions: one a memory token and one an output token, so that
    they are told apart and can be addressed, and for the chunk's tokens I, whose own positions the
    encoders have added, a single one that tells them from memory; with `in_tokens` one each, as in
    the reference code. Memory starts as zeros.

    Args:
      width: D, of the tokens that come in and go out.
      heads: K, of the transformer.
      layers: blocks of the transformer; TTM: 4.
      out_tokens: M, which is r, tokens read and processed; TTM: 8 or 16, Mirasol3B: 32 outputs.
      memory_tokens: m, here X; TTM: 64 or 96.
      hidden: units in the scores of read and write; TokenLearner: 64.
      in_tokens: N, to give each of the chunk's tokens a learned position; None: they share one, and
        any N will do.
      time_stamps: whether tokens carry a fixed sine and cosine code of their chunk's number when
        they are read and written, which the memory then holds. TTM has none; BLIP-3-Video (arXiv
        2410.16267) found it crucial for long videos; Mirasol3B does not state it.
      dropout: probability, in the transformer.

    Raises:
      ValueError: a number of layers, tokens or units is below 1.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        layers: int = 4,
        out_tokens: int = 32,
        memory_tokens: int = 96,
        hidden: int = 64,
        in_tokens: int | None = None,
        time_stamps: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        require_positive(
            "TokenTuringCombiner",
            layers=layers,
            out_tokens=out_tokens,
            memory_tokens=memory_tokens,
            hidden=hidden,
            in_tokens=in_tokens,
        )
        self.out_tokens = out_tokens
        self.in_tokens = in_tokens
        self.time_stamps = time_stamps
        self.read = TokenLearner(width, out_tokens, hidden)
        self.write = TokenLearner(width, memory_tokens, hidden)
        self.process = Transformer(width, layers, heads, dropout)
        self.out = nn.Linear(width, width)

        def positions(tokens: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(tokens, width) * 0.02)

        self.read_memory_XD = positions(memory_tokens)
        self.read_input_ND = positions(in_tokens or 1)
        self.write_memory_XD = positions(memory_tokens)
        self.write_input_ND = positions(in_tokens or 1)
        self.write_output_MD = positions(out_tokens)

    def forward(self, tokens_BTND: torch.Tensor, valid_BTN: torch.Tensor) -> torch.Tensor:
        """Combines [B, T, N, D] to [B, T, M, D]: the chunks' tokens at once, then a loop.

        Raises:
          ValueError: `in_tokens` is given and is not N.
        """
        B, T, _, _ = tokens_BTND.shape
        stamp_TD = self._stamps(torch.arange(T, device=tokens_BTND.device), tokens_BTND)
        stamped_BTND = tokens_BTND + stamp_TD[:, None]
        read, write = self._look_at(stamped_BTND.flatten(0, 1), valid_BTN.flatten(0, 1))
        memory_BXD = self.start(B, tokens_BTND.device, tokens_BTND.dtype).memory_BXD
        x = []
        chunks = zip(_by_chunk(read, T), _by_chunk(write, T), stamp_TD.unbind(), strict=True)
        for read_t, write_t, stamp_D in chunks:
            x_BMD, memory_BXD = self._advance(memory_BXD, read_t, write_t, stamp_D)
            x.append(x_BMD)
        return torch.stack(x, dim=1)

    def start(
        self, batch_size: int, device: torch.device | str | None, dtype: torch.dtype
    ) -> TuringState:
        """Returns an empty memory."""
        size = (batch_size, *self.read_memory_XD.shape)
        return TuringState(
            torch.zeros(size, device=device, dtype=dtype),
            torch.zeros((), device=device, dtype=torch.int64),
        )

    def step(
        self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor, state: TuringState
    ) -> tuple[torch.Tensor, TuringState]:
        """Combines one chunk to [B, M, D]."""
        stamp_1D = self._stamps(state.chunks[None], tokens_BND)
        read, write = self._look_at(tokens_BND + stamp_1D, valid_BN)
        x_BMD, memory_BXD = self._advance(state.memory_BXD, read, write, stamp_1D)
        return x_BMD, TuringState(memory_BXD, state.chunks + 1)

    def _look_at(self, tokens_BND: torch.Tensor, valid_BN: torch.Tensor) -> tuple[Summary, Summary]:
        """Summarises what the chunk brings to read and to write; the memory has no part in it."""
        if self.in_tokens not in (None, tokens_BND.shape[1]):
            raise ValueError(
                f"TokenTuringCombiner.in_tokens is {self.in_tokens}, but the encoders make "
                f"{tokens_BND.shape[1]} tokens of a chunk; set it to that, or to None"
            )
        tokens_BND = zero_invalid(tokens_BND, valid_BN)
        return (
            self.read(tokens_BND + self.read_input_ND, valid_BN),
            self.write(tokens_BND + self.write_input_ND, valid_BN),
        )

    def _advance(
        self, memory_BXD: torch.Tensor, read: Summary, write: Summary, stamp_D: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns x of one chunk and the memory after it."""
        o_BMD = self.process(join(self.read(memory_BXD + self.read_memory_XD), read))
        kept_BLD = torch.cat(
            [memory_BXD + self.write_memory_XD, o_BMD + stamp_D + self.write_output_MD], dim=1
        )
        return self.out(o_BMD), join(self.write(kept_BLD), write).to(memory_BXD.dtype)

    def _stamps(self, number_T: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Encodes the numbers of chunks [T, D], in the dtype of `like`; zeros if switched off."""
        stamp_TD = sincos_positions(number_T[:, None], like.shape[-1]).to(like.dtype)
        return stamp_TD if self.time_stamps else torch.zeros_like(stamp_TD)


def _by_chunk(clips: Summary, chunks: int) -> list[Summary]:
    """Splits a summary [B * T, ...] into T of [B, ...]."""
    parts = [part.unflatten(0, (-1, chunks)).unbind(dim=1) for part in clips]
    return [Summary(*chunk) for chunk in zip(*parts, strict=True)]
