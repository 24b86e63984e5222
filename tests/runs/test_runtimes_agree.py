"""One gin file on two runtimes: the same losses, and a number of graphs that stops growing.

Whole runs by the command; a few steps of a smaller model are in tests/runtime/test_xla.py.
"""

import pytest

from tests.runs import command

pytestmark = pytest.mark.slow


def train_lines(finished):
    return [line for line in command.lines(finished.workdir) if line["split"] == "train"]


@pytest.mark.parametrize("name", ["loss", "text_loss", "latent_loss", "reconstruction_loss"])
def test_the_first_twenty_losses_agree(on_cpu, on_xla, name):
    cpu = [line[name] for line in train_lines(on_cpu)]
    xla = [line[name] for line in train_lines(on_xla)]
    assert len(cpu) == 20
    assert xla == pytest.approx(cpu, rel=1e-3)


def test_no_graph_is_compiled_after_the_third_step(on_xla):
    lines = command.lines(on_xla.workdir, "speed.jsonl")
    assert len(lines) == 20
    graphs = [line["compiled_graphs"] for line in lines]
    assert graphs[0] > 0
    assert graphs[2:] == [graphs[2]] * 18, graphs


def test_both_answer_alike(on_cpu, on_xla):
    def score(finished):
        (line,) = [x for x in command.lines(finished.workdir) if x["split"] == "validation"]
        return line["accuracy"]

    assert score(on_xla) == pytest.approx(score(on_cpu), abs=0.02)


def test_xla_runs_without_tensorflow(on_xla):
    assert on_xla.process.stdout.splitlines()[-1] == "IMPORTED torch_xla"
