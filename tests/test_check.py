"""`check`: each planted mistake has its own clear message, and several are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirasol import config
from mirasol.__main__ import main
from mirasol.data import task_names
from mirasol.findings import ExperimentError
from mirasol.gin_files import shipped_folder
from tests.planted import PLANTED, STAGES, Planted, written

RUN = (shipped_folder() / "runs/av_shapes_tiny.gin").read_text()


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    # What seqio knows besides is asked for in tests/data/test_task_names.py.
    monkeypatch.setattr(task_names, "registered", task_names.shipped)
    monkeypatch.chdir(tmp_path)
    Path("kept").mkdir()
    Path("other.gin").write_text(
        "from __gin__ import dynamic_registration\nfrom mirasol import experiment\n"
        "experiment.Trainer.clip_norm = 2.0\n"
    )
    return tmp_path


def write(*changes: Planted) -> list[str]:
    """Writes the run with the mistakes in it and returns the flags that make the others."""
    text = RUN
    for change in changes:
        assert change.old in text
        text = text.replace(change.old, change.new, 1) if change.old else text + change.new
    Path("run.gin").write_text(text)
    return [f"--gin.{change.flag}" for change in changes if change.flag]


def files(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_has_its_own_message(mistake, folder, capfd):
    planted = PLANTED[mistake]
    flags = write(planted)
    before = files(folder)
    assert main(["check", "--gin_file=run.gin", *flags]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert all(text in err for text in planted.says), err
    assert err.count("\n") == err.count("mirasol: ") == planted.lines, err
    assert files(folder) == before


def test_at_least_thirty_mistakes_are_planted():
    assert len(PLANTED) >= 30


TOGETHER = (
    "unknown parameter",
    "unknown reference",
    "misspelt macro",
    "unknown task of the evaluation",
    "unknown split",
    "macro never used",
    "neither True nor False",
    "unknown precision",
    "depth of a tubelet",
    "heads against width",
    "wrong type for several parts",
    "side of a frame against the reconstruction",
    "width in one place",
    "number that torch refuses",
    "out of range",
)


@pytest.mark.parametrize("command", ["check", "train"])
def test_mistakes_in_one_file_are_told_all_at_once(command, folder, capfd):
    chosen = [PLANTED[name] for name in TOGETHER]
    flags = write(*chosen)
    assert main([command, "--gin_file=run.gin", *flags]) == 2
    err = capfd.readouterr().err
    for planted in chosen:
        assert all(text in err for text in planted.says), (planted.says, err)
    assert err.count("\n") == sum(planted.lines for planted in chosen)
    assert {path.name for path in folder.iterdir()} == {"run.gin", "other.gin", "kept"}


def test_a_run_without_a_mistake_is_told_so(folder, capsys):
    Path("run.gin").write_text(RUN)
    assert main(["check", "--gin_file=run.gin"]) == 0
    assert capsys.readouterr().out.startswith("no mistake found in run.gin")
    assert {path.name for path in folder.iterdir()} == {"run.gin", "other.gin", "kept"}


INDEPENDENT = {
    "of one part": {
        "TUBELET = (3, 8, 8)": "VideoEncoder: patches of (3, 8, 8)",
        "VIDEO_HEADS = 7": "VideoEncoder: width 96 is not a multiple of 7 heads",
    },
    "of parts that make no model": {
        "DECODER_HEADS = 7": "TextDecoder: width 96 is not a multiple of 7 heads",
        "COMBINER_TOKENS = 99": "TransformerCombiner makes 99 tokens",
        "AdamW.eps = -1.0": "AdamW: Invalid epsilon",
    },
    "of parts that make one": {
        "VOCAB_SIZE = 100": "TextDecoder.vocab_size is 100",
        "COMBINER_TOKENS = 99": "TransformerCombiner makes 99 tokens",
        "NOTHING = 3": "nothing uses the macro 'NOTHING'",
    },
    "behind a name that is wrong": {
        "LatentModel.width = %WIDHT": "did you mean 'WIDTH'?",
        "HEADS = 5": "does not fit TransformerCombiner, LatentModel",
    },
    "beside a value of the wrong type": {
        "VideoEncoder.layers = 'two'": "VideoEncoder.layers is 'two'",
        "VIDEO_HEADS = 7": "VideoEncoder: width 96 is not a multiple of 7 heads",
    },
}


@pytest.mark.parametrize("mistakes", INDEPENDENT)
def test_one_mistake_does_not_hide_another(mistakes):
    write()
    wanted = INDEPENDENT[mistakes]
    with pytest.raises(ExperimentError) as caught:
        config.check(["run.gin"], list(wanted))
    findings = caught.value.findings
    assert len(findings) == len(wanted), findings
    for flag_, said in wanted.items():
        name = flag_.partition(" ")[0]
        assert any(each.place == f"--gin.{name}" and said in each.message for each in findings)


def test_a_misspelt_definition_does_not_hide_what_hangs_on_it():
    text = (shipped_folder() / "models/mirasol_tiny.gin").read_text()
    Path("models").mkdir()
    wrong = text.replace("\nWIDTH = 96", "\nWIDHT = 96").replace("\nHEADS = 3", "\nHEADS = 5")
    Path("models/mirasol_tiny.gin").write_text(wrong)
    write()
    with pytest.raises(ExperimentError) as caught:
        config.check(["run.gin"])
    used, defined, heads = map(str, caught.value.findings)
    assert "'WIDTH' is used but not defined; did you mean 'WIDHT'?" in used
    assert "nothing uses the macro 'WIDHT'; did you mean 'WIDTH'?" in defined
    assert heads.startswith("models/mirasol_tiny.gin line 14: HEADS = 5 does not fit")


def test_a_flag_that_every_stage_overrides_is_told_by_what(monkeypatch):
    with pytest.raises(ExperimentError) as caught:
        config.load(["runs/av_shapes.gin"], ["Stage.task = 'av_shapes_4_joint'"])
    (finding,) = caught.value.findings
    assert "parts/Stage.task (" in finding.message
    assert "joint/Stage.task (" in finding.message


def test_what_a_later_file_hides_is_no_mistake():
    Path("later.gin").write_text(
        "from __gin__ import dynamic_registration\nfrom mirasol.data import loader\n"
        "first/loader.Stage.task = 'av_shapes_4_joint'\n"
    )
    stages = f"experiment.{STAGES}"
    first = stages.replace("@", "@first/") + "\nfirst/loader.Stage.batch_size = 3"
    write(written(stages, first))
    spec = config.load(["run.gin", "later.gin"])
    assert spec.build().training.stages[0].task == "av_shapes_4_joint"


def test_what_holds_a_part_that_failed_is_not_blamed():
    write()
    with pytest.raises(ExperimentError) as caught:
        config.check(["run.gin"], ["VIDEO_HEADS = 5"])
    (finding,) = caught.value.findings
    assert finding.message.startswith("VideoEncoder")
