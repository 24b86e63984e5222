"""Pre-norm transformer blocks, and the masks that they take.

A mask is bool and true where a query may look: [..., queries, keys]; or such masks chunk by chunk,
ChunkMasks, where most of one whole would be false.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from mirasol.models.activations import Activation, nonlinearity
from mirasol.models.chunk_masks import ChunkMasks
from mirasol.models.recomputation import recomputed
from mirasol.models.residuals import DropPath, Gate, NoGate
from mirasol.models.scanning import Loop
from mirasol.numbers import require_positive

KeysValues = tuple[torch.Tensor, torch.Tensor]
"""What a layer looks at, projected: two tensors [B, K, N, D / K]."""


def chunk_causal_mask(chunks: int, tokens: int, device: torch.device | None = None) -> torch.Tensor:
    """Returns the mask by which a token sees its whole chunk and all earlier ones.

    Three chunks of two tokens (x: may look):

                keys  0 0 1 1 2 2
        queries  0    x x . . . .
                 0    x x . . . .
                 1    x x x x . .
                 1    x x x x . .
                 2    x x x x x x
                 2    x x x x x x

    Returns:
      bool [chunks * tokens, chunks * tokens].
    """
    chunk_of_token = torch.arange(chunks, device=device).repeat_interleave(tokens)
    return chunk_of_token[:, None] >= chunk_of_token[None, :]


def look_at_valid(valid_BN: torch.Tensor) -> torch.Tensor:
    """Returns the mask by which each token sees the valid ones, and always itself.

    Its own key keeps a softmax over nothing (NaN) from arising in rows that are padding.

    Args:
      valid_BN: bool.

    Returns:
      bool [B, N, N].
    """
    own = torch.eye(valid_BN.shape[-1], dtype=torch.bool, device=valid_BN.device)
    return valid_BN[:, None, :] | own


Mask = torch.Tensor | ChunkMasks | None
"""Who looks at whom; None: each at all."""


class Attention(nn.Module):
    """Multi-head attention with its four projections.

    Args:
      width: D of queries and outputs.
      heads: K; must divide the width.
      context_width: width of keys and values where they come from elsewhere.

    Raises:
      ValueError: a size is not above 0, or the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None):
        super().__init__()
        require_positive("Attention", width=width, heads=heads, context_width=context_width)
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.head_width = width // heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context_width or width, 2 * width)
        self.out = nn.Linear(width, width)

    def keys_values(self, context_BND: torch.Tensor) -> KeysValues:
        """Projects what is looked at: two tensors [B, K, N, D / K]."""
        keys_BND, values_BND = self.key_value(context_BND).chunk(2, dim=-1)
        return self._split(keys_BND), self._split(values_BND)

    def forward(
        self,
        x_BND: torch.Tensor,
        keys_values: KeysValues,
        mask_BNN: Mask = None,
    ) -> torch.Tensor:
        """Looks from x at the projected keys and values; returns [B, N, D]."""
        attended_BKNd = _attend(self._split(self.query(x_BND)), *keys_values, mask_BNN)
        return self.out(attended_BKNd.transpose(1, 2).flatten(start_dim=2))

    def _split(self, x_BND: torch.Tensor) -> torch.Tensor:
        # Not into K heads: where devices share them, each has some.
        return x_BND.unflatten(-1, (-1, self.head_width)).transpose(1, 2)


def _attend(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: Mask
) -> torch.Tensor:
    if isinstance(mask, ChunkMasks):
        return mask.attend(queries, keys, values)
    mask = None if mask is None else mask[:, None]
    return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


class FeedForward(nn.Sequential):
    """Linear, nonlinearity, linear.

    Args:
      width: D.
      hidden: width inside; None: 4 * width.
      activation: the nonlinearity, by name (activations.py).
    """

    def __init__(self, width: int, hidden: int | None = None, activation: Activation = "gelu"):
        require_positive("FeedForward", width=width, hidden=hidden)
        hidden = hidden or 4 * width
        super().__init__(
            nn.Linear(width, hidden), nonlinearity(activation), nn.Linear(hidden, width)
        )


class Block(nn.Module):
    """One pre-norm layer: self-attention, then the feed-forward network, both residual.

    Args:
      width: D, of the tokens.
      heads: K; must divide the width.
      dropout: probability, on both branches.
      drop_path: probability that a sample goes without a branch, drawn for each branch.
      gated: whether the tokens that entered the stack are added to the output through a gate that
        starts closed (residuals.Gate).
      hidden, activation, norm_eps: see Transformer.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float = 0.0,
        *,
        drop_path: float = 0.0,
        gated: bool = False,
        hidden: int | None = None,
        activation: Activation = "gelu",
        norm_eps: float = 1e-5,
    ):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, norm_eps)
        self.attention = Attention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width, norm_eps)
        self.feed_forward = FeedForward(width, hidden, activation)
        self.dropout = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)
        self.gate = Gate() if gated else NoGate()

    def forward(
        self,
        x_BND: torch.Tensor,
        mask_BNN: Mask = None,
        entered_BND: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns [B, N, D]; see `step`."""
        return self.step(x_BND, None, mask_BNN, entered_BND)[0]

    def step(
        self,
        x_BND: torch.Tensor,
        earlier: KeysValues | None,
        mask_BNN: Mask,
        entered_BND: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, KeysValues]:
        """Goes on after tokens already seen; returns the output, and all keys and values.

        Args:
          x_BND: the new tokens.
          earlier: keys and values of the E tokens before them.
          mask_BNN: [..., N, E + N]; None: everything is seen.
          entered_BND: z0, what the gate adds: the new tokens as they entered the stack; None: x,
            for a block on its own.
        """
        entered_BND = x_BND if entered_BND is None else entered_BND
        y_BND = self.attention_norm(x_BND)
        seen = self.attention.keys_values(y_BND)
        if earlier is not None:
            seen = (torch.cat([earlier[0], seen[0]], 2), torch.cat([earlier[1], seen[1]], 2))
        x_BND = x_BND + self._branch(self.attention(y_BND, seen, mask_BNN))
        x_BND = x_BND + self._branch(self.feed_forward(self.feed_forward_norm(x_BND)))
        return self.gate(x_BND, entered_BND), seen

    def _branch(self, y_BND: torch.Tensor) -> torch.Tensor:
        return self.drop_path(self.dropout(y_BND))


class Transformer(nn.Module):
    """A stack of blocks with a final norm.

    Args:
      width: D, of the tokens.
      layers: how many blocks.
      heads: K; must divide the width.
      dropout: probability, on both residual branches.
      drop_path: stochastic depth, the probability that a sample goes without a branch of the last
        block; it rises linearly from 0 in the first, so one block alone never drops. A sample is a
        row of B: one chunk in the encoders. The paper does not state whether it is used.
      checkpoint: whether `forward` computes each block again in the backward pass instead of
        keeping its activations. `step` keeps keys and values anyway and takes no notice.
      gated_blocks: numbers of the blocks, from 0, that have TubeViT's gate, which adds the tokens
        that entered the first block (residuals.Gate). Our sources do not state which blocks have
        one; as we understand TubeViT, a single block, the first above the frozen ones.
      hidden: width inside the feed-forward networks; None: 4 * width.
      activation: their nonlinearity: GELU, or the approximation that pretrained weights have.
      norm_eps: added to the variance in every norm.
      input_norm: whether the tokens are normalised before the first block, as in CLIP.
      final_norm: whether they are behind the last; else they are handed on as its sum.

    Raises:
      ValueError: width, heads, hidden or norm_eps not above 0, layers below 0, drop_path not in
        [0, 1), an unknown activation, or a number in gated_blocks of which there is no block.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
        *,
        drop_path: float = 0.0,
        checkpoint: bool = False,
        gated_blocks: Sequence[int] = (),
        hidden: int | None = None,
        activation: Activation = "gelu",
        norm_eps: float = 1e-5,
        input_norm: bool = False,
        final_norm: bool = True,
    ):
        super().__init__()
        require_positive("Transformer", width=width, heads=heads, hidden=hidden)
        if layers < 0:
            raise ValueError(f"Transformer.layers is {layers}; it must be 0 or more")
        if not 0.0 <= drop_path < 1.0:
            raise ValueError(f"Transformer.drop_path is {drop_path}; it must be in [0, 1)")
        if not set(gated_blocks) <= set(range(layers)):
            raise ValueError(
                f"Transformer.gated_blocks is {tuple(gated_blocks)}; with {layers} layers the "
                f"blocks are 0 to {layers - 1}"
            )
        if not norm_eps > 0.0:
            raise ValueError(f"Transformer.norm_eps is {norm_eps}; it must be above 0")
        self.width = width
        self.checkpoint = checkpoint
        self.loop: Loop | None = None
        self.input_norm = nn.LayerNorm(width, norm_eps) if input_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                width,
                heads,
                dropout,
                drop_path=drop_path * number / max(layers - 1, 1),
                gated=number in gated_blocks,
                hidden=hidden,
                activation=activation,
                norm_eps=norm_eps,
            )
            for number in range(layers)
        )
        self.norm = nn.LayerNorm(width, norm_eps) if final_norm else nn.Identity()

    def forward(self, x_BND: torch.Tensor, mask_BNN: Mask = None) -> torch.Tensor:
        """Returns [B, N, D], normalised. `mask_BNN` broadcasts over the batch."""
        recompute = self.checkpoint and torch.is_grad_enabled()
        entered_BND = x_BND = self.input_norm(x_BND)
        if self.loop is not None and x_BND.device.type == "xla":
            return self.norm(self.loop(self.blocks, x_BND, mask_BNN, recompute))
        for block in self.blocks:
            if recompute:
                x_BND = recomputed(block, x_BND, mask_BNN, entered_BND)
            else:
                x_BND = block(x_BND, mask_BNN, entered_BND)
        return self.norm(x_BND)

    def step(
        self,
        x_BND: torch.Tensor,
        earlier: Sequence[KeysValues] | None = None,
        mask_BNN: Mask = None,
    ) -> tuple[torch.Tensor, list[KeysValues]]:
        """Goes on after tokens already seen: the whole pass, piece by piece.

        Args:
          x_BND: the new tokens.
          earlier: what `step` returned for the E tokens before them, a pair a block.
          mask_BNN: [..., N, E + N]; None: everything is seen.

        Returns:
          The normalised output [B, N, D], and the keys and values of all E + N tokens.
        """
        seen = []
        entered_BND = x_BND = self.input_norm(x_BND)
        for number, block in enumerate(self.blocks):
            before = None if earlier is None else earlier[number]
            x_BND, now = cast(Block, block).step(x_BND, before, mask_BNN, entered_BND)
            seen.append(now)
        return self.norm(x_BND), seen


def keep_no_activations(module: nn.Module) -> None:
    """Switches activation checkpointing on, if this is a transformer; for `Module.apply`."""
    if isinstance(module, Transformer):
        module.checkpoint = True


def in_loops(module: nn.Module) -> None:
    """Has a stack run as a loop on XLA (scanning.py), if this is a transformer of several blocks.

    Raises:
      ValueError: its blocks differ in more than the values of their parameters.
    """
    if not isinstance(module, Transformer) or len(module.blocks) < 2:
        return
    kinds = {(str(block), cast(Block, block).drop_path.rate) for block in module.blocks}
    if len(kinds) > 1:
        raise ValueError(
            "Mirasol.scan_layers: a loop runs blocks that are alike, and those of a transformer of "
            f"width {module.width} differ: by a gate (gated_blocks), or by drop_path, which rises "
            "from block to block; leave these out, or set scan_layers to False"
        )
    module.loop = Loop()


def initialise(module: nn.Module) -> None:
    """Draws weights anew: Xavier for linear maps, N(0, 1 / D) for embeddings, zero biases.

    Embeddings are multiplied by sqrt(D) where they are read (decoder.py), so that words are as loud
    as positions, and as outputs they give logits of order 1. The paper does not state its own.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
