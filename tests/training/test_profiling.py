"""Traces of steps, and what is told of a run's speed."""

import contextlib
import json

import pytest
import torch

from mirasol import config
from mirasol.description.report import describe
from mirasol.description.step_operations import StepOperations
from mirasol.runtime.peaks import PEAKS, peak_flops
from mirasol.runtime.select import open_runtime
from mirasol.training.profiling import Profile, ProfiledSteps
from mirasol.training.speed import DeviceMeasures, told


class Traces:
    """Notes which steps are traced."""

    def __init__(self, steps, done, last):
        self.traced, self.open = [], False
        profile = Profile(steps=steps, done=done, trace=self.trace, fetch=lambda values: {})
        for step in range(done + 1, last + 1):
            if self.open:
                self.traced.append(step)
            profile.after_step(step, 1, {})
        profile.close()
        assert not self.open

    @contextlib.contextmanager
    def trace(self):
        self.open = True
        yield
        self.open = False


@pytest.mark.parametrize(
    ("done", "last", "traced"),
    [
        (0, 20, [4, 5, 6]),
        (4, 20, [5, 6]),
        (0, 5, [4, 5]),
        (6, 20, []),
        (0, 3, []),
        (3, 20, [4, 5, 6]),
    ],
)
def test_the_steps_that_were_asked_for_are_traced(done, last, traced):
    assert Traces(ProfiledSteps(4, 6), done, last).traced == traced


def test_the_first_step_can_be_traced():
    assert Traces(ProfiledSteps(1, 1), 0, 3).traced == [1]


@pytest.mark.parametrize("text", ["10", "13:10", "0:3", "a:b", "1:2:3", ""])
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ValueError, match=r"--profile=.* is no span of steps; write FIRST:LAST"):
        ProfiledSteps.parse(text)
    assert ProfiledSteps.parse("10:13") == ProfiledSteps(10, 13)


def test_a_trace_of_the_cpu_holds_the_operations(tmp_path):
    with open_runtime("cpu").trace(tmp_path / "profile"):
        torch.ones(3, 3) @ torch.ones(3, 3)
    events = json.loads((tmp_path / "profile" / "trace.json").read_text())["traceEvents"]
    assert "aten::mm" in {event["name"] for event in events}


def test_operations_are_those_that_describe_tells():
    spec = config.load(["runs/av_shapes.gin"])
    total = describe(spec)["total"]
    operations = StepOperations(spec.build())
    assert operations(451) == total["forward_flops"] + total["backward_flops"]
    # The first stage has examples of one chunk of four.
    assert operations(450) == operations(1) < operations(451) / 2


def test_utilisation_is_operations_over_the_peak_and_left_out_where_that_is_not_known():
    measures = DeviceMeasures(
        operations=lambda step: 10 * step, peak_flops=1000.0, peak_memory=lambda: 2_000_000_000
    )
    found = measures(5, 4.0)
    assert found == {"model_flops_utilisation": 0.2, "peak_memory_bytes": 2e9}
    assert told(found) == ", 20.0% of the peak, 2.0 GB"

    def asked(step):
        raise AssertionError("nobody needs it")

    unknown = DeviceMeasures(operations=asked, peak_flops=None, peak_memory=lambda: None)
    assert unknown(5, 4.0) == {}
    assert told({}) == ""


@pytest.mark.parametrize(
    ("name", "flops"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("TPU v5e", 197e12),
        ("NVIDIA H100 NVL", None),
        ("TPU v2 or v3", None),
        ("Tesla T4", None),
    ],
)
def test_peaks_are_found_by_name(name, flops):
    assert peak_flops(name) == flops
    assert all(peak.source for peak in PEAKS)


def test_the_cpu_tells_its_memory_and_no_peak():
    runtime = open_runtime("cpu")
    assert runtime.peak_memory() > 1e7
    assert runtime.peak_flops() is None
