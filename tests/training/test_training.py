import json
import math

import pytest
import torch
from torch import nn

from mirasol.training.hooks import Every, Log
from mirasol.training.loop import step_seed
from mirasol.training.optimizers import AdamW
from mirasol.training.schedules import WarmupCosine
from mirasol.training.step import train_step
from mirasol.training.writers import MetricsWriter


class Line(nn.Module):
    """y = a x + b, with the square as its loss; the batch is a tensor."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 1), 2.0))
        self.bias = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        return {"loss": (batch @ self.weight + self.bias).square().mean()}


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_rate_rises_to_its_peak_and_falls_along_half_a_cosine():
    schedule = WarmupCosine(peak=2.0, warmup_steps=4, total_steps=12, floor=0.1)
    assert [schedule(step) for step in range(4)] == [0.5, 1.0, 1.5, 2.0]
    assert schedule(4) == 2.0
    assert schedule(8) == pytest.approx(2.0 * 0.55)
    assert schedule(12) == pytest.approx(0.2)
    assert schedule(100) == pytest.approx(0.2)


def test_a_warm_up_longer_than_the_run_is_refused():
    with pytest.raises(ValueError, match="more than total_steps 3"):
        WarmupCosine(peak=1.0, warmup_steps=4, total_steps=3)


def test_one_step_of_adamw_by_hand():
    model = Line()
    schedule = WarmupCosine(peak=0.1, warmup_steps=1, total_steps=10)
    recipe = AdamW(schedule=schedule, betas=(0.9, 0.98), weight_decay=0.5)
    optimizer = recipe.build(model, {})
    recipe.set_rate(optimizer, 0)
    values = train_step(model, optimizer, torch.tensor([[3.0]]), clip_norm=1.0)
    # y = 7: dL/da = 2 * 7 * 3 = 42, dL/db = 14; the norm is before clipping.
    assert values["gradient_norm"].item() == pytest.approx(math.hypot(42, 14))
    assert values["loss"].item() == pytest.approx(49)
    # The first step of Adam is the sign of the gradient; decay on the matrix alone.
    assert model.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1, rel=1e-5)
    assert model.bias.item() == pytest.approx(1.0 - 0.1, rel=1e-5)
    assert model.weight.grad is None


def test_the_optimizer_has_its_state_before_the_first_step():
    model = Line()
    schedule = WarmupCosine(peak=0.1, warmup_steps=1, total_steps=10)
    optimizer = AdamW(schedule=schedule).build(model, {"fused": True})
    before = {name: list(state) for name, state in optimizer.state.items()}
    train_step(model, optimizer, torch.tensor([[3.0]]), clip_norm=1.0)
    assert {name: list(state) for name, state in optimizer.state.items()} == before
    assert all(state["step"] == 1 for state in optimizer.state.values())


def test_every_step_has_its_own_seed():
    seeds = {step_seed(seed, step) for seed in range(5) for step in range(1000)}
    assert len(seeds) == 5000
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_resumed_writer_drops_what_lies_beyond_its_step(tmp_path):
    writer = MetricsWriter(tmp_path, 0)
    for step in (1, 2, 3):
        writer.write(step, "train", {"loss": 1.0 / step})
    writer.write(2, "validation", {"accuracy": 0.5}, task="a_task")
    writer.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "spl')
    MetricsWriter(tmp_path, 2).close()
    lines = read_lines(tmp_path)
    assert lines == [
        {"step": 1, "split": "train", "loss": 1.0},
        {"step": 2, "split": "train", "loss": 0.5},
        {"step": 2, "split": "validation", "task": "a_task", "accuracy": 0.5},
    ]


def test_the_log_writes_means_of_each_interval_and_the_rest_at_the_end(tmp_path):
    writer = MetricsWriter(tmp_path, 0)
    log = Log(
        interval=2,
        first_step=0,
        last_step=3,
        rate=lambda step: step / 10,
        fetch=lambda values: {name: value.item() for name, value in values.items()},
        graphs=lambda: 7,
        writer=writer,
        broken=lambda: 2,
    )
    for step, loss in enumerate([1.0, 3.0, 5.0], start=1):
        log.after_step(step, 4, {"loss": torch.tensor(loss)})
    assert "loss 5.0000" in log.bar.postfix and ", 2 broken media files" in log.bar.postfix
    log.close()
    writer.close()
    lines = read_lines(tmp_path)
    assert [(line["step"], line["loss"], line["learning_rate"]) for line in lines] == [
        (2, 2.0, 0.1),
        (3, 5.0, 0.2),
    ]
    speed = [json.loads(line) for line in (tmp_path / "speed.jsonl").read_text().splitlines()]
    assert [line["step"] for line in speed] == [2, 3]
    assert all(line["examples_per_s"] > 0 and line["compiled_graphs"] == 7 for line in speed)
    assert all(line["broken_media"] == 2 for line in lines)


def test_every_acts_on_its_interval_and_at_the_last_step():
    acted = []
    hook = Every(3, 8, acted.append)
    for step in range(1, 9):
        hook.after_step(step, 4, {})
    assert acted == [3, 6, 8]
