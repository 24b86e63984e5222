"""Optimizers against torch's own, and what all of ours promise: state at birth, steps undone."""

import pytest
import torch
from torch import nn
from torch.optim._muon import _zeropower_via_newtonschulz

from mirasol.training.adafactor import Adafactor
from mirasol.training.masking import mask_of
from mirasol.training.muon import Muon, orthogonal
from mirasol.training.optimizers import AdamW
from mirasol.training.parameter_rules import ParameterRule
from mirasol.training.schedules import Constant
from mirasol.training.step import train_step
from tests.training.small_model import same, small_model, state_of, tokens

SCHEDULE = Constant(peak=0.01)
RECIPES = {
    "adamw": (AdamW(schedule=SCHEDULE), {}),
    "adamw_fused": (AdamW(schedule=SCHEDULE), {"fused": True}),
    "adafactor": (Adafactor(schedule=SCHEDULE, weight_decay=0.1), {}),
    "muon": (Muon(schedule=SCHEDULE), {"fused": True}),
}
EVERY = pytest.mark.parametrize(("recipe", "options"), RECIPES.values(), ids=RECIPES)


def built(recipe, options, rules=()):
    model = small_model()
    optimizer = recipe.build(model, options, rules)
    recipe.set_rate(optimizer, 0)
    return model, optimizer


def go(model, optimizer, *steps):
    for step in steps:
        train_step(model, optimizer, tokens(step), clip_norm=1.0)


def with_torch(model, optimizers, steps):
    for step in range(steps):
        model(tokens(step))["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def assert_close(a, b, atol=1e-7):
    for mine, torchs in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(mine, torchs, rtol=1e-5, atol=atol)


def test_adafactor_is_torchs():
    recipe = Adafactor(schedule=SCHEDULE, eps=(1e-7, 1e-3), weight_decay=0.1)
    model, optimizer = built(recipe, {})
    go(model, optimizer, *range(8))
    reference = small_model()
    groups = [
        {"params": [p for p in reference.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in reference.parameters() if p.ndim < 2]},
    ]
    torchs = torch.optim.Adafactor(groups, lr=0.01, eps=(1e-7, 1e-3), foreach=False)
    with_torch(reference, [torchs], 8)
    assert_close(model, reference)


@pytest.mark.parametrize("adjustment", ["original", "match_rms_adamw"])
@pytest.mark.parametrize(("nesterov", "steps"), [(True, 1), (False, 1), (True, 6)])
def test_muon_is_torchs_and_adamw_has_the_rest(adjustment, nesterov, steps, monkeypatch):
    # bfloat16 is rounded at other places in torch's iteration, which is compared by itself.
    monkeypatch.setattr(
        "torch.optim._muon._zeropower_via_newtonschulz",
        lambda matrix, coefficients, iterations, eps: orthogonal(matrix, iterations).float(),
    )
    recipe = Muon(
        schedule=SCHEDULE, adjustment=adjustment, nesterov=nesterov, adamw=["blocks.0.1.*"]
    )
    model, optimizer = built(recipe, {})
    go(model, optimizer, *range(steps))
    reference = small_model()
    inner = [f"blocks.{i}.{j}.weight" for i in range(3) for j in (1, 3) if (i, j) != (0, 1)]
    named = dict(reference.named_parameters())
    muon = torch.optim.Muon(
        [named[name] for name in inner],
        lr=0.01,
        weight_decay=0.05,
        nesterov=nesterov,
        adjust_lr_fn=adjustment,
    )
    rest = [parameter for name, parameter in named.items() if name not in inner]
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": 0.05},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=0.01,
        betas=(0.9, 0.98),
    )
    with_torch(reference, [muon, adamw], steps)
    # A last bit of a gradient may turn into one of bfloat16.
    assert_close(model, reference, atol=1e-7 if steps == 1 else 3e-3)


def test_an_orthogonal_matrix_has_singular_values_near_one_and_is_torchs():
    torch.manual_seed(0)
    for shape in ((6, 20), (20, 6), (1, 3)):
        matrix = torch.randn(shape)
        values = torch.linalg.svdvals(orthogonal(matrix, 5).float())
        assert values.min() > 0.5
        assert values.max() < 1.4
        torchs = _zeropower_via_newtonschulz(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7)
        torch.testing.assert_close(orthogonal(matrix, 5), torchs, rtol=0, atol=0.04)
    assert torch.equal(orthogonal(torch.zeros(3, 2), 5), torch.zeros(3, 2, dtype=torch.bfloat16))


@EVERY
def test_all_state_is_there_before_the_first_step(recipe, options):
    model, optimizer = built(recipe, options)
    born = {id(p): {name: t.shape for name, t in s.items()} for p, s in optimizer.state.items()}
    assert all(not tensor.any() for s in optimizer.state.values() for tensor in s.values())
    go(model, optimizer, 0, 1)
    now = {id(p): {name: t.shape for name, t in s.items()} for p, s in optimizer.state.items()}
    assert now == born
    assert len(born) == len(list(model.parameters()))
    assert {"params", "lr"} <= optimizer.param_groups[0].keys()
    optimizer.state_dict()


@EVERY
@pytest.mark.parametrize("gradient", [float("nan"), float("inf"), 0.1])
def test_a_step_that_is_undone_changes_nothing_bit_by_bit(recipe, options, gradient):
    for steps_before in (0, 3):
        model, optimizer = built(recipe, options)
        go(model, optimizer, *range(steps_before))
        before = state_of(model, optimizer)
        mask_of(optimizer).fill_(1.0)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
        assert same(state_of(model, optimizer), before)
        mask_of(optimizer).fill_(0.0)
        optimizer.zero_grad()
        go(model, optimizer, 4)
        other, other_optimizer = built(recipe, options)
        go(other, other_optimizer, *range(steps_before), 4)
        assert same(state_of(model, optimizer), state_of(other, other_optimizer))


# The other AdamW is for XLA, which traces by itself.
@pytest.mark.parametrize("name", ["adamw_fused", "adafactor", "muon"])
def test_a_compiled_step_is_traced_once_whatever_the_rate_and_the_mask(name):
    recipe, options = RECIPES[name]
    model = small_model(layers=1)
    optimizer = recipe.build(model, options)
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    step = torch.compile(lambda: optimizer.step(), backend=count, dynamic=False)
    counts = []
    for number in range(4):
        recipe.set_rate(optimizer, number)
        mask_of(optimizer).fill_(float(number == 2))
        model(tokens(number))["loss"].backward()
        step()
        for parameter in model.parameters():
            parameter.grad.zero_()
        counts.append(len(graphs))
    torch._dynamo.reset()
    assert counts[1:] == [counts[1]] * 3


def test_groups_have_their_share_of_the_rate_and_their_decay():
    rules = [
        ParameterRule(pattern="blocks.*", rate=0.5),
        ParameterRule(pattern="blocks.1.*", rate=0.1, weight_decay=0.3),
        ParameterRule(pattern="out.*", frozen=True),
    ]
    model, optimizer = built(AdamW(schedule=SCHEDULE), {}, rules)
    found = {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            found[names[id(parameter)]] = (round(group["lr"].item(), 7), group["weight_decay"])
    assert "out.weight" not in found
    assert found["embedding.weight"] == (0.01, 0.05)
    assert found["start_D"] == (0.01, 0.0)
    assert found["blocks.0.1.weight"] == (0.005, 0.05)
    assert found["blocks.1.1.weight"] == found["blocks.1.1.bias"] == (0.0005, 0.3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adafactor(schedule=SCHEDULE, clip=0.5), "Adafactor.clip is 0.5"),
        (lambda: Adafactor(schedule=SCHEDULE, eps=(1e-30, 1e-3)), "at least 1e-18"),
        (lambda: Adafactor(schedule=SCHEDULE, beta2_decay=0.8), "must be below 0"),
        (lambda: Muon(schedule=SCHEDULE, momentum=1.0), r"Muon.momentum is 1.0"),
        (lambda: Muon(schedule=SCHEDULE, iterations=0), "Muon.iterations is 0"),
        (lambda: Muon(schedule=SCHEDULE, weight_decay=-1.0), "Muon.weight_decay is -1.0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_muon_names_the_nearest_where_a_pattern_matches_nothing():
    with pytest.raises(ValueError, match=r"Muon.adamw: .*'blocs.1.\*'; did you mean 'blocks.1.*'"):
        Muon(schedule=SCHEDULE, adamw=["blocs.1.*"]).check(small_model())
