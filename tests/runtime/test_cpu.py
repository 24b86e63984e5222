"""The CPU runtime, and through it what every runtime promises."""

import pytest
import torch

from mirasol.batch import ExampleShape, empty_batch
from mirasol.runtime.cpu import CpuRuntime


def test_a_seed_repeats_the_step() -> None:
    runtime = CpuRuntime()
    runtime.seed(3)
    first = torch.rand(4)
    runtime.seed(3)
    assert torch.equal(torch.rand(4), first)


def test_scalars_are_numbers() -> None:
    values = {"loss": torch.tensor(0.5), "count": torch.tensor(3)}
    assert CpuRuntime().scalars(values) == {"loss": 0.5, "count": 3.0}


def test_host_copies_do_not_follow_the_originals() -> None:
    weight = torch.ones(2, requires_grad=True)
    state = {"model": {"weight": weight}, "step": 7, "groups": [{"betas": (0.9, 0.99)}]}
    copy = CpuRuntime().to_host(state)
    with torch.no_grad():
        weight.zero_()
    assert copy["model"]["weight"].tolist() == [1.0, 1.0]
    assert (copy["step"], copy["groups"]) == (7, [{"betas": (0.9, 0.99)}])


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_autocast_multiplies_in_the_precision(precision: str, dtype: torch.dtype) -> None:
    with CpuRuntime(precision).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_nothing_is_compiled_and_batches_stay() -> None:
    runtime = CpuRuntime()
    sizes = dict.fromkeys(ExampleShape.__dataclass_fields__, 2)
    batch = runtime.transfer(empty_batch(ExampleShape(**sizes), 3))
    assert batch.video_BTFHWC.device == runtime.device == torch.device("cpu")
    assert runtime.compile(len) is len
    assert runtime.compiled_graphs() == 0


def test_the_optimizer_takes_the_options_and_a_rate_that_is_a_tensor() -> None:
    runtime = CpuRuntime()
    model = runtime.place(torch.nn.Linear(2, 1))
    before = model.weight.detach().clone()
    rate = torch.tensor(0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, **runtime.optimizer_options())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert torch.equal(model.weight, before)
    rate.copy_(torch.tensor(0.1))
    optimizer.step()
    assert not torch.equal(model.weight, before)
    assert runtime.describe().startswith("cpu: eager, float32")
