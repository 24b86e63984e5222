"""The text decoder: a prefix language model that cross-attends to the latents (Mirasol3B).

remember(latents) -> Memory                          once a clip
forward(memory, prompts, answers) -> logits          whole answers at once, for training
score(memory, prompts, options) -> log-probabilities whole options at once
prefill(memory, prompts, R) -> Cache                 to write: the prompt once,
step(memory, cache, tokens) -> logits, Cache         then a token at a time (generation.py)
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn import functional

from mirasol.batch import PAD_ID
from mirasol.models.activations import Activation
from mirasol.models.decoder_block import Cache, DecoderBlock, Memory
from mirasol.models.text_layout import prefix_mask, text_positions, up_to_end
from mirasol.models.token_positions import LearnedPositions, SincosPositions, TokenPositions
from mirasol.models.transformer import KeysValues
from mirasol.numbers import require_positive


class TextDecoder(nn.Module):
    """Reads a question, looks at the clip, writes the answer.

    Args:
      vocab_size: V; at least that of the vocabulary in use.
      width: D of the decoder.
      layers: blocks of the decoder.
      heads: K, attention heads.
      context_width: D of the latents.
      dropout: probability of dropout.
      tied: whether the output shares the embedding's weights.
      activation: the nonlinearity of the feed-forward networks: GELU, or the approximation that
        pretrained weights have.
      embedding_scale: what an embedding is multiplied by where it is read; None: sqrt(width).
      max_positions: how many tokens a prompt and its answer may have, where positions are learned,
        as in GPT-2; None: positions are fixed and there is no bound.
      causal_prompt: whether a prompt token sees only those before it, as in GPT-2; else the prompt
        is a prefix, whose tokens all see one another.

    Raises:
      ValueError: a size is not above 0, the heads do not divide the width, or an unknown
        activation.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        width: int,
        layers: int,
        heads: int,
        context_width: int,
        dropout: float = 0.0,
        tied: bool = True,
        activation: Activation = "gelu",
        embedding_scale: float | None = None,
        max_positions: int | None = None,
        causal_prompt: bool = False,
    ):
        super().__init__()
        require_positive("TextDecoder", max_positions=max_positions)
        self.width = width
        self.vocab_size = vocab_size
        # The table is N(0, 1 / D); times sqrt(D) it is as loud as the fixed positions.
        self.embedding_scale = width**0.5 if embedding_scale is None else embedding_scale
        self.causal_prompt = causal_prompt
        # Before the embedding, so that tied weights start as an embedding's.
        self.out = nn.Linear(width, vocab_size, bias=False)
        self.embedding = nn.Embedding(vocab_size, width)
        self.nothing_D = nn.Parameter(torch.randn(context_width) * 0.02)
        self.context_norm = nn.LayerNorm(context_width)
        self.blocks = nn.ModuleList(
            DecoderBlock(width, heads, context_width, dropout, activation) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.positions: TokenPositions = SincosPositions(width)
        if max_positions is not None:
            self.positions = LearnedPositions(max_positions, width)
        if tied:
            self.out.weight = self.embedding.weight

    def remember(self, context_BND: torch.Tensor, valid_BN: torch.Tensor) -> Memory:
        """Projects the clip for every block; an always valid empty token stands for no clip."""
        B = context_BND.shape[0]
        nothing_B1D = self.nothing_D.to(context_BND.dtype).expand(B, 1, -1)
        context = self.context_norm(torch.cat([nothing_B1D, context_BND], dim=1))
        mask_BN = torch.cat([torch.ones_like(valid_BN[:, :1]), valid_BN], dim=1)
        keys_values = [cast(DecoderBlock, block).look_at(context) for block in self.blocks]
        return Memory(keys_values, mask_BN[:, None])

    def forward(
        self, memory: Memory, prompt_BQP: torch.Tensor, answer_BQR: torch.Tensor
    ) -> torch.Tensor:
        """Returns the logits of each answer token given those before it: [B, Q, R, V]."""
        return self._logits_of_options(memory, prompt_BQP, answer_BQR[:, :, None])[:, :, 0]

    def score(
        self, memory: Memory, prompt_BQP: torch.Tensor, options_BQOR: torch.Tensor
    ) -> torch.Tensor:
        """Returns how likely the decoder is to write each option.

        The O options of a question stand side by side behind it in one pass, see `prefix_mask`:
        the question is read once.

        Args:
          memory: of the clips.
          prompt_BQP: int64.
          options_BQOR: int64 token ids that end in 1 (end), padded on the right with 0.

        Returns:
          float32 [B, Q, O], the sum of log-probabilities of the tokens up to the end token, with
          it; -inf for an option without tokens, so that a padded slot is never the best.
        """
        logits = self._logits_of_options(memory, prompt_BQP, options_BQOR).float()
        loss_Y = functional.cross_entropy(
            logits.flatten(end_dim=-2), options_BQOR.flatten(), reduction="none"
        )
        counts_BQOR = up_to_end(options_BQOR)
        score_BQO = torch.where(counts_BQOR, -loss_Y.view_as(options_BQOR), 0.0).sum(dim=-1)
        return score_BQO.masked_fill(~counts_BQOR.any(dim=-1), -torch.inf)

    def prefill(self, memory: Memory, prompt_BQP: torch.Tensor, response: int) -> Cache:
        """Reads the prompts; returns the cache with room for `response` tokens (R), X = B * Q."""
        prompt_XP = prompt_BQP.flatten(0, 1)
        P = prompt_XP.shape[1]
        self.positions.require(P + response)
        mask_XLL = prefix_mask(prompt_XP, response, causal=self.causal_prompt)
        positions_XL = text_positions(prompt_XP, response)
        x_XPD = self._embed(prompt_XP, positions_XL[:, :P])
        _, seen = self._run(x_XPD, mask_XLL[:, :P, :P], memory)
        room = (0, 0, 0, response)
        return Cache(
            [(functional.pad(keys, room), functional.pad(values, room)) for keys, values in seen],
            visible_XL=mask_XLL[:, -1],
            shift_X1=positions_XL[:, P : P + 1] - P,
            slot_1=torch.full((1,), P, dtype=torch.int64, device=prompt_XP.device),
        )

    def step(
        self, memory: Memory, cache: Cache, token_X: torch.Tensor
    ) -> tuple[torch.Tensor, Cache]:
        """Reads one more token of each answer.

        Args:
          memory: of the clips.
          cache: from `prefill` or the step before.
          token_X: int64, the token written last; padding before the first. X may be a multiple of
            B * Q (see `Cache.rows`): the rows of a clip come one after the other.

        Returns:
          The logits of the next token [X, V], and the cache with this one.
        """
        slot_L = torch.arange(cache.visible_XL.shape[1], device=token_X.device)
        mask_X1L = (cache.visible_XL & (slot_L <= cache.slot_1))[:, None]
        x_X1D = self._embed(token_X[:, None], cache.slot_1 + cache.shift_X1)
        x_X1D, seen = self._run(x_X1D, mask_X1L, memory, cache)
        cache = Cache(seen, cache.visible_XL, cache.shift_X1, cache.slot_1 + 1)
        return self._logits(x_X1D)[:, 0], cache

    def _logits_of_options(
        self, memory: Memory, prompt_BQP: torch.Tensor, options_BQOR: torch.Tensor
    ) -> torch.Tensor:
        """Returns the logits of each token of each option given those before: [B, Q, O, R, V]."""
        prompt_XP, options_XOR = prompt_BQP.flatten(0, 1), options_BQOR.flatten(0, 1)
        P, options, R = prompt_XP.shape[1], *options_XOR.shape[1:]
        self.positions.require(P + R)
        start_XO1 = torch.full_like(options_XOR[..., :1], PAD_ID)
        before_XOR = torch.cat([start_XO1, options_XOR[..., :-1]], dim=-1)
        tokens_XL = torch.cat([prompt_XP, before_XOR.flatten(1)], dim=1)
        x_XLD = self._embed(tokens_XL, text_positions(prompt_XP, R, options))
        mask_XLL = prefix_mask(prompt_XP, R, options, self.causal_prompt)
        x_XLD, _ = self._run(x_XLD, mask_XLL, memory)
        logits_XORV = self._logits(x_XLD[:, P:]).unflatten(1, (options, R))
        return logits_XORV.unflatten(0, prompt_BQP.shape[:2])

    def _run(
        self,
        x_XLD: torch.Tensor,
        mask_XLL: torch.Tensor,
        memory: Memory,
        cache: Cache | None = None,
    ) -> tuple[torch.Tensor, list[KeysValues]]:
        seen = []
        for number, block in enumerate(self.blocks):
            cached = None if cache is None else (cache.keys_values[number], cache.slot_1)
            clip = memory.keys_values[number]
            x_XLD, looked_at = block(x_XLD, mask_XLL, clip, memory.mask_B1N, cached)
            seen.append(looked_at)
        return x_XLD, seen

    def _embed(self, tokens_XL: torch.Tensor, positions_XL: torch.Tensor) -> torch.Tensor:
        x_XLD = self.embedding(tokens_XL) * self.embedding_scale
        return x_XLD + self.positions(positions_XL).to(x_XLD.dtype)

    def _logits(self, x_XLD: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(x_XLD))
