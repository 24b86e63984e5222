"""A text decoder that has much to say, clips and questions for it, and its answers uncached."""

from __future__ import annotations

import torch

from mirasol.batch import PAD_ID
from mirasol.models.decoder import TextDecoder

B, Q, P, R = 2, 3, 4, 5


def build_decoder(vocab_size=7, seed=0, **changes):
    """Weights of order 1 make the answers differ between questions, and end at any place."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": vocab_size, "width": 20, "layers": 2, "heads": 2, "context_width": 12}
    decoder = TextDecoder(**sizes | {"tied": False} | changes)
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.randn_like(parameter) * 0.5)
    return decoder.eval().requires_grad_(False)


def ask(decoder, seed=1):
    """Clips of uneven length, and questions of uneven length; one has no words."""
    generator = torch.Generator().manual_seed(seed)
    valid_BN = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    memory = decoder.remember(torch.randn(B, 6, 12, generator=generator), valid_BN)
    prompt_BQP = torch.randint(2, decoder.vocab_size, (B, Q, P), generator=generator)
    prompt_BQP[0, 1, 2:] = PAD_ID
    prompt_BQP[1, 2] = PAD_ID
    return memory, prompt_BQP


class Uncached:
    """Log-probabilities of the token that follows, for each question, all computed anew."""

    def __init__(self, decoder, length=R):
        self.decoder, self.length = decoder, length
        self.memory, self.prompt_BQP = ask(decoder)
        self.known = {}

    def __call__(self, tokens):
        """Returns float64 [X, V]."""
        if tokens not in self.known:
            answer = torch.zeros(B, Q, self.length, dtype=torch.int64)
            answer[:, :, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
            logits = self.decoder(self.memory, self.prompt_BQP, answer)[:, :, len(tokens)]
            self.known[tokens] = logits.flatten(0, 1).double().log_softmax(-1).numpy()
        return self.known[tokens]
