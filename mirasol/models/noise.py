"""Random numbers that are a function of a seed and a place, and of nothing else.

No generator is held, seeded or advanced: training draws what it would have drawn, a compiled graph
holds no state, and every kind of device draws the same.
"""

from __future__ import annotations

import torch

_WORD = 0xFFFFFFFF
_PARITY = 0x1BD11BDA
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def uniform_numbers(seed: int, first_X: torch.Tensor, second_X: torch.Tensor) -> torch.Tensor:
    """Returns one number a place, uniform on [0, 1) in steps of 2^-24.

    Args:
      seed: 0 to 2^64 - 1.
      first_X: int64, 0 to 2^32 - 1, the place's first coordinate.
      second_X: likewise; the two broadcast.

    Returns:
      float32.
    """
    high_X, _ = threefry((seed & _WORD, seed >> 32), first_X, second_X)
    return (high_X >> 8).to(torch.float32) * 2.0**-24


def threefry(
    key: tuple[int, int], first_X: torch.Tensor, second_X: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Encrypts pairs of 32-bit words by Threefry-2x32 with 20 rounds.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Words are int64 here,
    because torch has next to no arithmetic on uint32.
    """
    keys = (*key, key[0] ^ key[1] ^ _PARITY)
    a_X, b_X = (first_X + keys[0]) & _WORD, (second_X + keys[1]) & _WORD
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            a_X = (a_X + b_X) & _WORD
            b_X = (((b_X << rotation) | (b_X >> (32 - rotation))) & _WORD) ^ a_X
        a_X = (a_X + keys[(group + 1) % 3]) & _WORD
        b_X = (b_X + keys[(group + 2) % 3] + group + 1) & _WORD
    return a_X, b_X
