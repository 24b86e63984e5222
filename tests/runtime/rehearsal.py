"""A small training on XLA and on the CPU, in a process of its own; prints what happened as JSON.

In a process of its own, because the kind of XLA device is fixed for a process, and because
torch_xla must be loaded before the process's first `backward()` (and before TensorFlow).
"""

import json
import sys

import torch
from torch import nn
from torch.nn import functional

from mirasol.batch import Batch, ExampleShape, empty_batch
from mirasol.runtime.base import Runtime
from mirasol.runtime.select import open_runtime

WIDTH, HEADS, VOCABULARY, STEPS = 16, 2, 11, 20
SHAPE = ExampleShape(
    chunks=2,
    chunk_frames=2,
    image_size=4,
    chunk_bands=2,
    mel_bins=4,
    questions=2,
    prompt_length=4,
    answer_length=5,
)


class TinyAnswerer(nn.Module):
    """One block of what the real model leans on: uint8 video, a bool mask, tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = nn.Linear(SHAPE.chunk_frames * SHAPE.image_size**2 * 3, WIDTH)
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.up = nn.Linear(WIDTH, 2 * WIDTH)
        self.down = nn.Linear(2 * WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, VOCABULARY)
        self.out.weight = self.embedding.weight

    def forward(self, batch: Batch) -> torch.Tensor:
        video_BTD = self.pixels(batch.video_BTFHWC.flatten(2).float() / 127.5 - 1.0)
        answer_BXR = batch.answer_BQR.flatten(1)
        x_BLD = torch.cat([video_BTD, self.embedding(answer_BXR)], dim=1)
        x_BLD = x_BLD + self._attend(self.norm(x_BLD))
        x_BLD = x_BLD + self.down(functional.gelu(self.up(x_BLD)))
        logits_BXV = self.out(x_BLD[:, SHAPE.chunks - 1 : -1])
        nll = functional.cross_entropy(
            logits_BXV.transpose(1, 2), answer_BXR, reduction="none", ignore_index=0
        )
        return nll.sum() / (answer_BXR != 0).sum().clamp(min=1)

    def _attend(self, x_BLD: torch.Tensor) -> torch.Tensor:
        L = x_BLD.shape[1]
        place_L = torch.arange(L, device=x_BLD.device)
        qkv = self.qkv(x_BLD).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        mask_LL = place_L[:, None] >= place_L[None, :]
        y = functional.scaled_dot_product_attention(*qkv.unbind(0), attn_mask=mask_LL)
        return y.transpose(1, 2).flatten(2)


class Trainee:
    """The model, its optimizer with all state born before step 1, and the compiled step."""

    def __init__(self, runtime: Runtime) -> None:
        torch.manual_seed(0)
        self.runtime = runtime
        self.model = runtime.place(TinyAnswerer())
        rate = torch.tensor(1e-3, device=runtime.device)
        options = runtime.optimizer_options()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, **options)
        for parameter in self.model.parameters():
            self.optimizer.state[parameter] = {
                "step": torch.zeros((), device=runtime.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        self.step = runtime.compile(self._step)

    def run(self, first: int, last: int) -> tuple[list[dict[str, float]], list[int]]:
        """Returns each step's scalars, and how many graphs there were after it."""
        values, graphs = [], []
        for number in range(first, last):
            batch = self.runtime.transfer(batch_of(number))
            self.runtime.seed(number)
            for group in self.optimizer.param_groups:
                group["lr"].fill_(1e-2 * (number + 1) / STEPS)
            on_device = self.step(batch)
            self.runtime.end_step()
            values.append(self.runtime.scalars(on_device))
            graphs.append(self.runtime.compiled_graphs())
        return values, graphs

    def save(self) -> dict:
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return self.runtime.to_host(state)

    def load(self, state: dict) -> None:
        rate = self.optimizer.param_groups[0]["lr"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.param_groups[0]["lr"] = rate
        self.runtime.settle(self.optimizer.state_dict())

    def _step(self, batch: Batch) -> dict[str, torch.Tensor]:
        with self.runtime.autocast():
            loss = self.model(batch)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"loss": loss.detach(), "gradient_norm": norm}


def batch_of(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    batch = empty_batch(SHAPE, 3)
    batch.video_BTFHWC.random_(0, 256, generator=generator)
    batch.answer_BQR.random_(0, VOCABULARY, generator=generator)
    return batch


def dropped(runtime: Runtime) -> dict:
    """Drops out twice under one seed, once under another."""
    ones = torch.ones(64, device=runtime.device)
    drop = runtime.compile(lambda: functional.dropout(ones, 0.5))

    def under(seed: int) -> list[float]:
        runtime.seed(seed)
        return runtime.to_host(drop()).tolist()

    first = under(7)
    graphs = runtime.compiled_graphs()
    again, other = under(7), under(2**40)
    new_graphs = runtime.compiled_graphs() - graphs
    return {"first": first, "again": again, "other": other, "new_graphs": new_graphs}


def resumed(runtime: Runtime) -> dict:
    """Trains half the steps, moves the state through the host to a new trainee, and goes on."""
    half = Trainee(runtime)
    values, _ = half.run(0, STEPS // 2)
    state = half.save()
    half.run(STEPS // 2, STEPS // 2 + 1)
    fresh = Trainee(runtime)
    fresh.load(state)
    graphs = runtime.compiled_graphs()
    values += fresh.run(STEPS // 2, STEPS)[0]
    return {"values": values, "new_graphs": runtime.compiled_graphs() - graphs}


def bfloat16_product(runtime: Runtime) -> str:
    a = torch.ones(2, 2, device=runtime.device)
    with runtime.autocast():
        return str((a @ a).dtype)


def main() -> None:
    torch.set_num_threads(1)
    quiet = "torch_xla" not in sys.modules
    xla = open_runtime("xla")
    report = {"lazy": quiet, "describe": xla.describe(), "name": xla.name}
    trainee = Trainee(xla)
    report["xla"], report["graphs"] = trainee.run(0, STEPS)
    report["tied"] = trainee.model.out.weight is trainee.model.embedding.weight
    report["resumed"] = resumed(xla)
    report["dropout"] = dropped(xla)
    report["bfloat16"] = bfloat16_product(open_runtime("xla", "bfloat16"))
    report["cpu"], _ = Trainee(open_runtime("cpu")).run(0, STEPS)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
