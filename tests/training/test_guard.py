"""Bad steps: undone on the device, told on the host."""

import json
import math

import pytest
import torch

from mirasol.training.averaging import Averaging
from mirasol.training.bad_steps import BadStepError, BadStepFile, BadSteps
from mirasol.training.guard import DETAILS, HALTED, SKIPPED, Guard, GuardJudge
from mirasol.training.hooks import Log
from mirasol.training.masking import mask_of
from mirasol.training.muon import Muon
from mirasol.training.optimizers import AdamW
from mirasol.training.run_state import RunState
from mirasol.training.schedules import Constant
from mirasol.training.step import train_step
from mirasol.training.writers import MetricsWriter
from tests.training.small_model import same, small_model, state_of, tokens

SCHEDULE = Constant(peak=0.01)


class Poisonable(torch.nn.Module):
    """The small model, whose loss is multiplied by a number."""

    def __init__(self):
        super().__init__()
        self.inner = small_model()

    def forward(self, batch):
        batch_BL, factor = batch
        losses = self.inner(batch_BL)
        return {"loss": losses["loss"] * factor, "other": losses["loss"].detach() * factor}


class Training:
    """Steps with a judge and a running mean; `factors` names the losses that are poisoned."""

    def __init__(self, guard, recipe=None, pardoned=(), **factors):
        self.model = Poisonable()
        recipe = recipe or AdamW(schedule=SCHEDULE)
        self.optimizer = recipe.build(self.model, {"fused": True})
        recipe.set_rate(self.optimizer, 0)
        self.average = Averaging(decay=0.5).build(self.model)
        self.judge = GuardJudge(guard, mask_of(self.optimizer), pardoned)
        self.factors = {int(name[1:]): factor for name, factor in factors.items()}

    def step(self, number):
        self.judge.set_step(number)
        self.average.set_step(number)
        batch = (tokens(number), self.factors.get(number, 1.0))
        return train_step(
            self.model, self.optimizer, batch, 1.0, judge=self.judge, average=self.average
        )

    def steps(self, *numbers):
        return [self.step(number) for number in numbers]

    def state(self):
        averages = [each.clone() for each in self.average.tensors.values()]
        return [*state_of(self.model, self.optimizer), *averages]


def numbers(values):
    return {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize("recipe", [AdamW(schedule=SCHEDULE), Muon(schedule=SCHEDULE)])
@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e9])
def test_a_skipped_step_leaves_no_trace_bit_by_bit(recipe, factor):
    training = Training(Guard(skips=1, max_norm=1e4), recipe, s3=factor)
    values = training.steps(1, 2, 3, 4, 5)
    other = Training(Guard(), recipe)
    other.steps(1, 2, 4, 5)
    assert same(training.state(), other.state())
    assert [v[SKIPPED].item() for v in values] == [0, 0, 1, 0, 0]
    assert values[2]["loss"] == values[2]["other"] == values[2]["gradient_norm"] == 0
    assert not any(v[HALTED] for v in values)


def test_the_first_bad_step_halts_a_run_that_skips_none():
    training = Training(Guard(), s3=math.nan)
    training.steps(1, 2)
    before = training.state()
    values = training.steps(3, 4, 5)
    assert same(training.state(), before)
    assert [v[HALTED].item() for v in values] == [1, 1, 1]
    assert all(v["loss"] == 0 for v in values)


def test_bad_steps_in_a_row_are_counted_and_good_ones_begin_anew():
    poisoned = dict.fromkeys(("s2", "s3", "s5", "s6", "s7"), math.inf)
    training = Training(Guard(skips=2), **poisoned)
    values = training.steps(*range(1, 8))
    assert [v[SKIPPED].item() for v in values] == [0, 1, 1, 0, 1, 1, 0]
    assert [v[HALTED].item() for v in values] == [0] * 6 + [1]
    assert training.judge.row == 2


def test_a_pardoned_step_passes_if_it_is_bad_again_and_is_trained_if_not():
    bad = Training(Guard(), pardoned={3}, s3=math.nan)
    values = bad.steps(1, 2, 3, 4)
    assert [v[SKIPPED].item() for v in values] == [0, 0, 1, 0]
    mended, plain = Training(Guard(), pardoned={3}), Training(Guard())
    mended.steps(1, 2, 3, 4)
    plain.steps(1, 2, 3, 4)
    assert same(mended.state(), plain.state())
    again = Training(Guard(), pardoned={3}, s3=math.nan, s4=math.nan)
    assert [v[HALTED].item() for v in again.steps(1, 2, 3, 4)] == [0, 0, 0, 1]


def test_a_judged_step_is_traced_once():
    training = Training(Guard(skips=1), s4=math.nan)
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    values = {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(2.0)}
    torch._dynamo.reset()
    judge = torch.compile(training.judge.judge, backend=count, dynamic=False, fullgraph=True)
    follow = torch.compile(training.average.follow, backend=count, dynamic=False, fullgraph=True)
    for step in range(1, 6):
        training.judge.set_step(step)
        training.average.set_step(step)
        judge(values | {"loss": torch.tensor(math.nan if step == 3 else 1.0)})
        follow(training.optimizer)
    torch._dynamo.reset()
    assert len(graphs) == 2


def hook(tmp_path, fetched):
    def fetch(values):
        fetched.append(len(values))
        return numbers(values)

    clips = {3: [{"media": "a.mp4"}, {"media": "b.mp4"}]}
    return BadSteps(
        fetch=fetch, note=BadStepFile(tmp_path).add, clips=lambda step: clips.get(step, [])
    )


def test_the_host_reads_one_number_where_all_is_well(tmp_path):
    fetched, training = [], Training(Guard())
    watch = hook(tmp_path, fetched)
    for step in range(1, 8):
        watch.after_step(step, 4, training.step(step))
    assert fetched == []
    watch.check()
    watch.check()
    assert fetched == [1]
    assert not BadStepFile(tmp_path).path.exists()


def test_a_bad_step_is_written_down_and_named(tmp_path):
    training = Training(Guard(skips=1), s3=math.nan, s4=1e39)
    watch = hook(tmp_path, [])
    for step in range(1, 7):
        watch.after_step(step, 4, training.step(step))
    with pytest.raises(
        BadStepError, match=r"step 4 is bad: its loss is inf, .* not known"
    ) as error:
        watch.check()
    assert error.value.step == 4
    lines = [json.loads(line) for line in (tmp_path / "bad_steps.jsonl").read_text().splitlines()]
    assert [(line["step"], line["action"]) for line in lines] == [(3, "skipped"), (4, "stopped")]
    assert lines[0]["clips"] == [{"media": "a.mp4"}, {"media": "b.mp4"}]
    assert lines[0]["loss"] is lines[0]["gradient_norm"] is None
    again = BadStepFile(tmp_path)
    assert again.stopped_at() == {4}
    again.add(3, 1.0, 1.0, "skipped", [])
    assert len((tmp_path / "bad_steps.jsonl").read_text().splitlines()) == 2


def test_the_log_has_the_mean_of_the_steps_that_were_made(tmp_path):
    training, writer = Training(Guard(skips=3), s2=math.nan), MetricsWriter(tmp_path, 0)
    log = Log(
        interval=3,
        first_step=0,
        last_step=3,
        rate=lambda step: 0.1,
        fetch=numbers,
        graphs=lambda: 0,
        writer=writer,
    )
    values = training.steps(1, 2, 3)
    for step, each in enumerate(values, start=1):
        log.after_step(step, 4, each)
    log.close()
    writer.close()
    (line,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert line["loss"] == pytest.approx((values[0]["loss"].item() + values[2]["loss"].item()) / 2)
    assert line["skipped_steps"] == 1
    assert not set(DETAILS) & line.keys()


def test_a_run_goes_back_to_before_its_bad_step():
    run = RunState(step=4)
    run.sums.add({"loss": torch.tensor(2.0)})
    for _ in range(2):  # Steps that were undone.
        run.sums.add({"loss": torch.tensor(0.0)})
    run.step = 7
    run.rewind(5)
    assert (run.step, run.sums.steps, run.sums.totals["loss"]) == (5, 1, 2.0)


@pytest.mark.parametrize("options", [{"skips": -1}, {"max_norm": 0.0}, {"max_norm": math.inf}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="Guard"):
        Guard(**options)
