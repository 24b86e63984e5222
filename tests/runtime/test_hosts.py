"""Two hosts under XLA: they meet, save together, stop together; what a machine can show of it."""

from __future__ import annotations

import importlib.util
import json

import pytest

from mirasol.launched import Launch, announce, is_told, launch
from mirasol.runtime.xla_hosts import meeting_point, require_one_process_a_host
from tests import hosts, processes

SAVED = {
    f"{part}{layer}.{name}{kind}"
    for layer in "01"
    for name in ("weight", "bias")
    for part, kinds in (("model.", [""]), ("optimizer.", [".exp_avg", ".exp_avg_sq", ".step"]))
    for kind in kinds
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> list[dict]:
    """What each of them saw."""
    if importlib.util.find_spec("torch_xla") is None:
        pytest.skip("torch_xla is not installed (extra `xla`)")
    folder = tmp_path_factory.mktemp("hosts")
    arguments = ["-m", "tests.runtime.hosts_rehearsal", str(folder)]
    told = processes.finish(processes.start(2, arguments, told=hosts.variables))
    assert told == ["", ""]
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(2)]


def test_they_meet_by_what_xla_says(seen):
    assert [each["launch"] for each in seen] == [[0, 2, 1], [1, 2, 1]]
    assert [each["leads"] for each in seen] == [True, False]
    for each in seen:
        assert each["described"].startswith("xla: CPU, 2 hosts, 1 device")
        assert each["decided"] == "by 0"
        assert each["gathered"] == each["opened again"] == [0, 1]


def test_each_array_is_written_once_and_each_host_writes_its_part(seen):
    first, second = (each["written"] for each in seen)
    assert first.keys() | second.keys() == SAVED
    assert not first.keys() & second.keys()
    assert 1 / 2 < sum(first.values()) / sum(second.values()) < 2


def test_what_they_saved_is_what_they_restore_and_go_on_with(seen):
    for each in seen:
        assert each["steps"] == [3, 4]
        assert each["restored"] == 4
        assert each["same bits"]
        assert each["read"]
        assert each["goes on alike"]


def test_a_signal_to_one_stops_both_at_one_step(seen):
    assert [each["stopped at"] for each in seen] == [3, 3]


def test_processes_that_would_each_be_the_whole_run_are_refused():
    require_one_process_a_host(1, 1)
    with pytest.raises(ValueError, match=r"says 8 processes, and XLA knows 2: .* one process a ho"):
        require_one_process_a_host(8, 2)


class TpuRuntime:
    """What of torch_xla.runtime is asked on a TPU."""

    def __init__(self, address: str = ""):
        self.spmd, self.address = False, address

    def is_spmd(self) -> bool:
        return self.spmd

    def use_spmd(self) -> None:
        self.spmd = True

    def process_count(self) -> int:
        return 4

    def get_master_ip(self) -> str:
        assert self.spmd, "torch_xla finds the first host by SPMD, or by what SPMD does not have"
        if not self.address:
            raise RuntimeError("no metadata here")
        return self.address


@pytest.fixture
def nobody_tells(monkeypatch):
    for name in processes.variables(0, 1, 0):
        monkeypatch.setenv(name, "")


def test_they_meet_where_the_environment_or_the_tpu_says(nobody_tells, monkeypatch):
    assert meeting_point(TpuRuntime("10.0.0.7")) == ("10.0.0.7", "12355")
    with pytest.raises(ValueError, match=r"4 hosts, .* \(no metadata here\): set MASTER_ADDR"):
        meeting_point(TpuRuntime())
    monkeypatch.setenv("MASTER_ADDR", "host-0")
    monkeypatch.setenv("MASTER_PORT", "1234")
    assert meeting_point(TpuRuntime()) == ("host-0", "1234")


def test_what_is_announced_is_what_a_launcher_would_say(nobody_tells):
    assert not is_told()
    announce(Launch(3, 4, 0, 1), "host-0", "1234")
    assert is_told()
    assert launch() == Launch(rank=3, world=4, local_rank=0, local_world=1)
