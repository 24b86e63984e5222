"""What happens to a residual branch and to a block's output, where it is asked for."""

from __future__ import annotations

import torch
from torch import nn


class DropPath(nn.Module):
    """Stochastic depth: in training, leaves a whole residual branch out for some samples.

    What stays is divided by the probability of staying, so that the expectation is that of
    evaluation, where nothing is dropped (arXiv 1603.09382, which scales in evaluation instead).

    Args:
      rate: probability of dropping, in [0, 1). At 0 no random number is drawn.

    Raises:
      ValueError: the rate is not in [0, 1).
    """

    def __init__(self, rate: float = 0.0):
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop_path is {rate}; it must be in [0, 1)")
        self.rate = rate

    def forward(self, branch_BND: torch.Tensor) -> torch.Tensor:
        """Returns the branch, zeroed for the samples that go without it."""
        if not self.training or self.rate == 0.0:
            return branch_BND
        # One draw a sample, multiplied rather than selected: the shape stays as it is (XLA).
        draw_B11 = torch.rand((branch_BND.shape[0], 1, 1), device=branch_BND.device)
        kept_B11 = (draw_B11 >= self.rate).to(branch_BND.dtype)
        return branch_BND * (kept_B11 / (1.0 - self.rate))


class Gate(nn.Module):
    """TubeViT's gate from images to video: z = MLP(LN(y)) + y + tanh(alpha) z0.

    It lets a ViT trained on images take up tokens of tubes that it has never seen: alpha is learned
    and starts at 0, so at first the block gives what it gave without the gate (arXiv 2212.03229).
    y is the block's sum after attention.

    Our reading is that z0 is what enters the first block, as the 0 says in a ViT's usual numbering.
    Our sources do not settle that, nor whether positions belong to z0 (here they do), whether alpha
    is one number or one a channel (here one), which blocks have the gate, and whether Mirasol3B
    has it at all.
    """

    def __init__(self) -> None:
        super().__init__()
        # Of shape [1], not []: torch_xla may keep equal scalars in one buffer.
        self.alpha_1 = nn.Parameter(torch.zeros(1))

    def forward(self, z_BND: torch.Tensor, z0_BND: torch.Tensor) -> torch.Tensor:
        """Returns z + tanh(alpha) z0."""
        return z_BND + self.alpha_1.tanh().to(z_BND.dtype) * z0_BND


class NoGate(nn.Module):
    """The gate left out."""

    def forward(self, z_BND: torch.Tensor, z0_BND: torch.Tensor) -> torch.Tensor:
        """Returns z itself."""
        return z_BND
