"""Where a token of text stands, as a vector: fixed sines, or a learned table."""

from __future__ import annotations

import abc

import torch
from torch import nn

from mirasol.models.positions import sincos_positions


class TokenPositions(nn.Module, abc.ABC):
    """Tells the places of tokens."""

    @abc.abstractmethod
    def require(self, length: int) -> None:
        """Makes sure that a prompt and its answer of so many slots have a place for each token."""

    @abc.abstractmethod
    def forward(self, positions_XL: torch.Tensor) -> torch.Tensor:
        """Returns a vector for each place of int64 [X, L]: [X, L, D]."""


class SincosPositions(TokenPositions):
    """Sines and cosines of the place (positions.py): any text is short enough.

    Args:
      width: D.
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def require(self, length: int) -> None:
        """Takes any number of tokens."""

    def forward(self, positions_XL: torch.Tensor) -> torch.Tensor:
        """Returns float32 [X, L, D]."""
        return sincos_positions(positions_XL[..., None], self.width)


class LearnedPositions(TokenPositions):
    """A learned vector a place.

    Args:
      length: how many places there are.
      width: D.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.table = nn.Embedding(length, width)

    def require(self, length: int) -> None:
        """Makes sure that a prompt and its answer of so many slots have a place for each token.

        Raises:
          ValueError: they are too long.
        """
        if length > self.table.num_embeddings:
            raise ValueError(
                f"prompt and answer have {length} slots, TextDecoder.max_positions is "
                f"{self.table.num_embeddings}; raise it, or lower PROMPT_LENGTH or ANSWER_LENGTH"
            )

    def forward(self, positions_XL: torch.Tensor) -> torch.Tensor:
        """Returns [X, L, D] in the table's dtype."""
        return self.table(positions_XL)
