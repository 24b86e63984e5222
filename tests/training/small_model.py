"""A model of a few hundred numbers with every kind of parameter, for tests of what trains it."""

import torch
from torch import nn
from torch.nn import functional

VOCABULARY, WIDTH, LAYERS = 7, 8, 3


class SmallModel(nn.Module):
    """Embedding, blocks of wide and tall matrices, a learned vector, an output of its own."""

    def __init__(self, layers):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.start_D = nn.Parameter(torch.randn(WIDTH))
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 20), nn.GELU(), nn.Linear(20, WIDTH)
            )
            for _ in range(layers)
        )
        self.out = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens_BL):
        x_BLD = self.embedding(tokens_BL) + self.start_D
        for block in self.blocks:
            x_BLD = x_BLD + block(x_BLD)
        logits_BLV = self.out(x_BLD[:, :-1])
        return {
            "loss": functional.cross_entropy(logits_BLV.flatten(0, 1), tokens_BL[:, 1:].flatten())
        }


def small_model(layers=LAYERS):
    torch.manual_seed(0)
    return SmallModel(layers)


def tokens(step):
    return torch.randint(VOCABULARY, (4, 5), generator=torch.Generator().manual_seed(step))


def state_of(model, optimizer):
    """Returns copies of all parameters and of the optimizer's state, in one list."""
    live = [*model.parameters()]
    live += [each for state in optimizer.state.values() for each in state.values()]
    return [each.detach().clone() for each in live]


def same(a, b):
    return len(a) == len(b) and all(map(torch.equal, a, b))
