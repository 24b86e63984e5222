"""A stack of like blocks as a loop in the compiled program, which then holds one block.

    one by one   block 0, block 1, ... block 31, each traced and compiled
    as a loop    a block, for each slice of the 32 blocks' parameters in stacks

For XLA, whose time to compile grows with the depth. The parameters keep their places and names;
they are stacked anew in each step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch._functorch import config as functorch_config
from torch._functorch.partitioners import default_partition, min_cut_rematerialization_partition

Body = Callable[[torch.Tensor, Any], tuple[torch.Tensor, None]]


class Loop:
    """Runs stacks of one transformer as loops."""

    def __init__(self) -> None:
        # torch_xla finds what it has traced by the function, which must be the same each time.
        self._bodies: dict[tuple, Body] = {}

    def __call__(
        self, blocks: nn.ModuleList, x_BND: torch.Tensor, mask: Any, recompute: bool
    ) -> torch.Tensor:
        """Returns what the blocks make of x, one after the other.

        Args:
          blocks: alike in everything but the values of their parameters.
          x_BND: on XLA.
          mask: of all of them: None, a tensor, or a named tuple of tensors (ChunkMasks).
          recompute: whether the backward pass computes each block again from its input.
        """
        named = [dict(block.named_parameters()) for block in blocks]
        stacks = {name: torch.stack([each[name] for each in named]) for name in named[0]}
        # The body may not hold tensors: each round is given the mask, as if it had its own.
        leaves, layout = torch.utils._pytree.tree_flatten(mask)
        masks = [leaf.expand(len(blocks), *leaf.shape) for leaf in leaves if leaf is not None]
        kind = (
            layout,
            blocks[0].training,
            torch.is_autocast_enabled("xla"),
            torch.get_autocast_dtype("xla"),
        )
        if kind not in self._bodies:
            self._bodies[kind] = functools.partial(_body, blocks[0], layout)
        partition = _keep_inputs if recompute else default_partition
        return _scan()(self._bodies[kind], x_BND, (stacks, masks), partition, True)[0]


def _body(
    block: nn.Module, layout: Any, x_BND: torch.Tensor, given: Any
) -> tuple[torch.Tensor, None]:
    """Runs a block with the parameters and the mask of a round."""
    parameters, masks = given
    mask = torch.utils._pytree.tree_unflatten(masks or [None], layout)
    return torch.func.functional_call(block, parameters, (x_BND, mask)), None


def _keep_inputs(*arguments: Any, **named: Any) -> Any:
    """Cuts a traced block into forward and backward, of which the latter computes all again."""
    with functorch_config.patch(activation_memory_budget=0.0):
        return min_cut_rematerialization_partition(*arguments, **named)


def _scan() -> Callable[..., Any]:
    """Returns torch_xla's scan, without the one place where it needs jax."""
    from torch_xla.experimental import scan

    # On several devices it has jax say that gradients lie like their parameters. The optimizer's
    # state, marked to lie so, says it, too; and jax would bring TensorFlow into the process.
    scan.shard_as = lambda like, gradients: (like, gradients)
    return scan.scan
