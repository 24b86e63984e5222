"""How a prompt and its responses lie in one sequence: who sees whom, and who stands where.

    slots:      0 .. P - 1 | P .. P + R - 1 | P + R .. P + 2 R - 1 | ...
    they hold:  the prompt | one response   | another one          | ...

Responses that stand side by side share the prompt and do not see one another.
"""

from __future__ import annotations

import torch

from mirasol.batch import EOS_ID, PAD_ID


def prefix_mask(
    prompt_XP: torch.Tensor, response: int, options: int = 1, causal: bool = False
) -> torch.Tensor:
    """Returns the mask of a prefix language model over a prompt and its responses.

    Prompt tokens see the whole prompt, response tokens also see earlier tokens of their own
    response; padding is seen by nobody but itself. A prompt of three slots (one padding), and one
    response of three slots; the same prompt with two responses of two slots:

               p p - r r r              p p - r r s s
        p      x x . . . .       p      x x . . . . .
        p      x x . . . .       p      x x . . . . .
        -      x x x . . .       -      x x x . . . .
        r      x x . x . .       r      x x . x . . .
        r      x x . x x .       r      x x . x x . .
        r      x x . x x x       s      x x . . . x .
                                 s      x x . . . x x

    Args:
      prompt_XP: int token ids, 0 = padding.
      response: R.
      options: O, responses that stand side by side.
      causal: whether a prompt token sees only those before it and itself.

    Returns:
      bool [X, L, L] with L = P + O * R.
    """
    X, P = prompt_XP.shape
    length = P + options * response
    device = prompt_XP.device
    answers_XL = torch.ones((X, length - P), dtype=torch.bool, device=device)
    real_XL = torch.cat([prompt_XP != PAD_ID, answers_XL], dim=1)
    slot = torch.arange(length, device=device)
    option = torch.div(slot - P, response, rounding_mode="floor")  # The prompt's are below 0.
    before_LL = slot[None, :] <= slot[:, None]
    earlier_LL = before_LL & (option[None, :] == option[:, None])
    prompt_LL = (slot[None, :] < P) & before_LL if causal else slot[None, :] < P
    in_order_LL = prompt_LL | earlier_LL
    return (real_XL[:, None, :] & in_order_LL) | torch.eye(length, dtype=torch.bool, device=device)


def text_positions(prompt_XP: torch.Tensor, response: int, options: int = 1) -> torch.Tensor:
    """Counts real tokens only, so that padding moves nothing.

    Every response goes on from the prompt's last token: p p - r r s s stand at 0 1 2 2 3 2 3.

    Returns:
      int64 [X, L] with L = P + O * R.
    """
    real_XP = (prompt_XP != PAD_ID).to(torch.int64)
    length_X1 = real_XP.sum(dim=1, keepdim=True)
    response_L = torch.arange(response, device=prompt_XP.device).repeat(options)
    return torch.cat([real_XP.cumsum(dim=1) - real_XP, length_X1 + response_L], dim=1)


def up_to_end(tokens_XR: torch.Tensor) -> torch.Tensor:
    """Returns which tokens count: those up to the first end token, with it; padding does not.

    Args:
      tokens_XR: int64, any leading dimensions.

    Returns:
      bool, as large.
    """
    end_XR = (tokens_XR == EOS_ID).to(torch.int64)
    ended_before_XR = end_XR.cumsum(dim=-1) > end_XR
    return (tokens_XR != PAD_ID) & ~ended_before_XR
