"""The command: a sweep's folder, runs by name, and mistakes in one line."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.sweeps.reporting import made_up

main = runpy.run_path(str(Path(__file__).parents[2] / "tools/report.py"))["main"]


@pytest.fixture
def sweep(tmp_path) -> Path:
    return made_up.write_synthetic(tmp_path / "combiner", made_up.synthetic_rows())


def test_a_sweep_gets_a_report_of_its_own(sweep, capsys):
    assert main([str(sweep), "--clips=0"]) == 0
    printed = capsys.readouterr().out
    table = (sweep / "report" / "table.md").read_text(encoding="utf-8")
    assert printed == f"{table}\n{sweep / 'report' / 'report.html'}\n"
    assert "| transformer | 3 of 3 |" in table
    page = (sweep / "report" / "report.html").read_text(encoding="utf-8")
    assert f"python tools/report.py {sweep} --clips=0" in page


@pytest.mark.parametrize("words", [["--keep={}"], ["--keep", "{}/"]])
def test_what_is_kept_has_its_report_and_the_command_for_it(sweep, tmp_path, words):
    kept = tmp_path / "kept"
    assert main([str(sweep), *(word.format(kept) for word in words), "--clips=0"]) == 0
    page = (kept / "report" / "report.html").read_text(encoding="utf-8")
    assert f"python tools/report.py {kept} --clips=0" in page
    assert str(sweep) not in page.replace(str(kept), "")
    assert not (sweep / "report").exists()
    table = (kept / "report" / "table.md").read_text(encoding="utf-8")
    assert main([str(kept), "--clips=0"]) == 0
    assert (kept / "report" / "table.md").read_text(encoding="utf-8") == table


def test_single_runs_are_not_kept(sweep, capsys):
    run = f"--run=a={sweep}/trials/transformer-0/workdir"
    assert main([run, f"--keep={sweep.parent / 'kept'}"]) == 2
    assert "--keep wants the folder of a sweep" in capsys.readouterr().err


def test_runs_by_name(sweep, tmp_path, capsys):
    trials = ("transformer-0", "transformer-1")
    runs = [f"--run=a={sweep}/trials/{trial}/workdir" for trial in trials]
    other = f"--run=b={sweep}/trials/without-sound-0/workdir"
    line = [*runs, other, f"--output={tmp_path / 'out'}", f"--metric={made_up.METRIC}/order"]
    assert main([*line, "--clips=0", "--baseline=b"]) == 0
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert table.splitlines()[2].startswith("| b | 1 of 1 |")
    assert "accuracy/order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give the folder of a sweep, or --run"),
        (["nowhere"], "nowhere holds no sweep"),
        (["nowhere", "--clips=-1"], "clips=-1; it must be 0 or more"),
        (["nowhere", "--questions=0"], "questions=0; it must be 1 or more"),
        (["--run=nowhere"], "it must be NAME=WORKDIR"),
        (["--run=a=nowhere"], "the workdir nowhere of --run=a is not there"),
        (["mine/combiner.gin"], "wanted, such as workdirs/sweeps/combiner"),
    ],
)
def test_mistakes_are_one_line(arguments, told, capsys):
    assert main(arguments) == 2
    stderr = capsys.readouterr().err
    assert told in stderr
    assert stderr.count("\n") == 1


def test_a_folder_of_another_kind_is_told(sweep, capsys, tmp_path):
    workdir = sweep / "trials/transformer-0/workdir"
    assert main([str(workdir)]) == 2
    assert f"it is a workdir, a single run: --run=NAME={workdir} reports" in capsys.readouterr().err
    assert main([f"--run=a={sweep}"]) == 2
    assert "is no workdir but a sweep: give it without --run" in capsys.readouterr().err
    assert main([f"--run=a={workdir}s"]) == 2
    assert f"did you mean '{workdir}'?" in capsys.readouterr().err
    (tmp_path / "file").write_text("mine")
    assert main([str(sweep), f"--keep={tmp_path / 'file'}"]) == 2
    assert "file is a file; name a folder" in capsys.readouterr().err


@pytest.mark.parametrize("slip", ["accuracy/order", "accuracy/ordr", f"{made_up.TASK}/acuracy"])
def test_a_slip_in_the_metric_is_told_with_the_nearest(sweep, capsys, slip):
    assert main([str(sweep), f"--metric={slip}"]) == 2
    right = "accuracy" if "acuracy" in slip else "accuracy/order"
    said = capsys.readouterr().err
    assert (
        f"none of the runs has it at its last step; did you mean '{made_up.TASK}/{right}'?" in said
    )


def test_runs_of_different_lengths_and_seeds_are_told(sweep, tmp_path):
    log = sweep / "trials/transformer-0/workdir/metrics.jsonl"
    log.write_text(log.read_text().replace('"step": 20,', '"step": 30,'))
    start = log.with_name("provenance.json")
    old, new = '"mirasol.experiment.Trainer.steps": "{}"'.format, "mirasol.experiment.Trainer.steps"
    assert new in start.read_text()
    start.write_text(start.read_text().replace(old(20), old(30)))
    runs = [f"--run=a={log.parent}"]
    runs += [f"--run=b={sweep}/trials/without-sound-{seed}/workdir" for seed in (0, 1)]
    assert main([*runs, f"--output={tmp_path / 'out'}", "--clips=0"]) == 0
    table = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    assert "Trained for different numbers of steps: a 30; b 20." in table
    assert "b, seed 1: done, and in no difference, since a has no such seed" in table


def test_a_slip_in_the_baseline_is_told_with_the_nearest(sweep, capsys):
    assert main([str(sweep), "--baseline=transformr"]) == 2
    assert "did you mean 'transformer'?" in capsys.readouterr().err


def test_a_slip_in_the_folder_is_told_with_the_nearest(sweep, capsys):
    assert main([f"{sweep}s"]) == 2
    assert f"did you mean '{sweep}'?" in capsys.readouterr().err


def test_plots_of_an_earlier_report_do_not_stay(sweep):
    folder = sweep / "report"
    folder.mkdir()
    earlier, other = folder / "pareto_time.svg", folder / "mine.svg"
    for path in (earlier, other):
        path.write_text("an earlier one")
    assert main([str(sweep)]) == 0
    assert not earlier.exists() or earlier.read_text() != "an earlier one"
    assert other.exists()
