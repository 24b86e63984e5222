"""`check`: each planted mistake has its own clear message, and several are told at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mirasol import config
from mirasol.__main__ import main
from mirasol.data import task_names
from mirasol.findings import ExperimentError
from mirasol.gin_files import shipped_folder

RUN = (shipped_folder() / "runs/av_shapes_tiny.gin").read_text()


@dataclasses.dataclass(frozen=True)
class Planted:
    """A mistake in the run.

    Attributes:
      old, new: what is changed in the run's text; "" adds the new at its end.
      flag: a --gin flag, in place of a change.
      says: what the message must hold.
      lines: messages; more than one where two names that should agree do not.
    """

    says: tuple[str, ...]
    old: str = ""
    new: str = ""
    flag: str = ""
    lines: int = 1


def written(old: str, new: str, *says: str, lines: int = 1) -> Planted:
    return Planted(says, old=old, new=new, lines=lines)


def flag(text: str, *says: str) -> Planted:
    return Planted((f"--gin.{text.partition('=')[0]}", *says), flag=text)


STAGES = "TrainingData.stages = [@loader.Stage()]"
PLANTED = {
    "unknown configurable": written(
        "loader.Stage.task", "loader.Stge.task",
        "run.gin line 32: unknown name 'loader.Stge'; did you mean 'Stage'?", "loader.py",
    ),
    "unknown parameter": written(
        "LossWeights.text", "LossWeights.txt",
        "has no parameter 'txt'; did you mean 'text'?", "LossWeights is defined", "losses.py line",
    ),
    "unknown parameter, nothing near": written(
        "LossWeights.text", "LossWeights.q", "has no parameter 'q'; it has text, latent",
    ),
    "unknown reference": written(
        "@loader.Stage()", "@loader.Stagee()", "'loader.Stagee'; did you mean 'Stage'?",
    ),
    "unknown scope of a reference": written(
        "@loader.Stage()", "@first/loader.Stage()",
        "run.gin line 33: nothing is bound under the scope 'first'",
    ),
    "unknown scope of a binding": written(
        "loader.Stage.task", "frist/loader.Stage.task", "nothing uses frist/Stage.task",
    ),
    "misspelt macro": written(
        "BATCH_SIZE", "BATCH_SZIE",
        "the macro 'BATCH_SIZE' is used but not defined; did you mean 'BATCH_SZIE'? (defined "
        "in run.gin line 20)", "data/av_shapes.gin line",
        "run.gin line 20: nothing uses the macro 'BATCH_SZIE'; did you mean 'BATCH_SIZE'?", lines=2,
    ),
    "macro never defined": flag("SEED=%SEDE", "'SEDE' is used but not defined"),
    "macro of itself": written("SEED = 0", "SEED = %SEED", "the macro SEED stands for itself"),
    "unknown task": written(
        "task = 'av_shapes_tiny_joint'", "task = 'av_shapes_tiny_jiont'",
        "run.gin line 32: no task or mixture 'av_shapes_tiny_jiont'; "
        "did you mean 'av_shapes_tiny_joint'?",
    ),
    "unknown task of the evaluation": written(
        "['av_shapes_tiny_joint']", "['msrvttqa']", "did you mean 'msrvtt_qa'?",
    ),
    "unknown split": flag(
        "TrainingData.split='trian'", "has no split 'trian'; did you mean 'train'? (it has: train,",
    ),
    "unknown split of the evaluation": flag("EvaluationPlan.split='tset'", "did you mean 'test'?"),
    "unknown file": written(
        "models/mirasol_tiny.gin", "models/mirasol_tny.gin",
        "no gin file 'models/mirasol_tny.gin'", "did you mean 'models/mirasol_tiny.gin'?",
    ),
    "unknown file of pieces": flag(
        "SentencePieceVocabulary.path='vocabularies/av_shape.model'",
        "there is no file 'vocabularies/av_shape.model'", "'vocabularies/av_shapes.model'?",
    ),
    "unknown folder": written(
        "include 'runs/trainer.gin'",
        "include 'runs/trainer.gin'\ninclude 'data/media_cache.gin'\nMEDIA_CACHE = 'kepd'",
        "run.gin line 17: MediaCache.folder: there is no folder 'kepd'; did you mean 'kept'?",
        "tools/cache_media.py", "cache.py line",
    ),
    "folder that is a file": written(
        "include 'runs/trainer.gin'",
        "include 'runs/trainer.gin'\ninclude 'data/media_cache.gin'\nMEDIA_CACHE = 'other.gin'",
        "there is no folder 'other.gin'",
    ),
    "binding never used": written(
        "", "spare/loader.Stage.batches = 3\n", "run.gin line 38: nothing uses spare/Stage.batches",
    ),
    "macro never used": written("", "NOTHING = 3\n", "nothing uses the macro 'NOTHING'"),
    "binding hidden by a scope": written(
        f"loader.Stage.task = 'av_shapes_tiny_joint'\nexperiment.{STAGES}",
        "loader.Stage:\n    task = 'av_shapes_tiny_joint'\n    batch_size = 8\n"
        "tiny/loader.Stage.task = 'av_shapes_tiny_joint'\n"
        "experiment.TrainingData.stages = [@tiny/loader.Stage()]",
        "run.gin line 33: nothing uses Stage.task: tiny/Stage.task (run.gin line 35) takes ",
    ),
    "bound twice in a file": written(
        "SEED = 0", "SEED = 0\nSEED = 1", "run.gin line 22: bound before, in run.gin line 21",
    ),
    "bound by two included files": written(
        "include 'runs/trainer.gin'", "include 'runs/trainer.gin'\ninclude 'other.gin'",
        "bound before, in", "trainer.gin line", "run.gin includes both",
    ),
    "bound above an include": written(
        "include 'runs/trainer.gin'", "SEED = 1\ninclude 'runs/trainer.gin'",
        "line 16: what is bound above an include is lost", lines=2,
    ),
    "no whole number": written(
        "SEED = 0", "SEED = 'zero'",
        "run.gin line 21: Trainer.seed (%SEED, in", "is 'zero'; it must be a whole number",
    ),
    "neither True nor False": written("SHUFFLE = True", "SHUFFLE = 1", "it must be True or False"),
    "no list": written("['av_shapes_tiny_joint']", "'av_shapes_tiny_joint'", "it must be a list"),
    "no part": flag("Experiment.trainer=3", "it must be a part, @NAME(), such as Trainer"),
    "another part": flag(
        "Mirasol.text_decoder=@AudioEncoder()",
        "it must be a part, @NAME(), such as TextDecoder", "Mirasol is defined in",
    ),
    "part where text is wanted": flag("Stage.task=@Trainer()", "the name of a task or mixture"),
    "wrong type for several parts": flag(
        "HEADS='three'",
        "TransformerCombiner.heads (%HEADS, in", "LatentModel.heads (in",
        "are 'three'; they must be a whole number",
    ),
    "unknown precision": flag(
        "Experiment.precision='bfloat17'",
        "it must be 'float32' or 'bfloat16'; did you mean 'bfloat16'?", "experiment.py line",
    ),
    "no value": written(
        "experiment.Experiment.name = 'av_shapes_tiny'", "",
        "Experiment.name has no value", "Experiment is defined in",
    ),
    "not imported": written(
        "from mirasol.data import loader\n", "", "'loader' is not imported", lines=1,
    ),
    "unknown module": written(
        "from mirasol.models import losses", "from mirasol.models import loses",
        "no module 'mirasol.models.loses'; did you mean 'losses'?",
    ),
    "text without quotes": written(
        "name = 'av_shapes_tiny'", "name = av_shapes_tiny", "run.gin line 30:", "quotes",
    ),
    "bracket left open": written(
        STAGES, STAGES[:-1], "run.gin line 33: a bracket or a quote is never closed", lines=1,
    ),
    "no literal": written("SHUFFLE = True", "SHUFFLE = Ture", "did you mean True?"),
    "no keyword": written("include 'runs", "inclde 'runs", "did you mean 'include'?"),
    "depth of a tubelet": flag("TUBELET=(3, 8, 8)", "VideoEncoder: patches of (3, 8, 8) do not"),
    "patch of the spectrogram": flag("AUDIO_PATCH=(7, 16)", "AudioEncoder: patches of (7, 16)"),
    "frames of a chunk against the depth of a tubelet": flag(
        "CHUNK_FRAMES=12", "VideoEncoder: patches of (8, 8, 8) do not tile", "of (12, 32, 32)",
    ),
    "columns of a chunk against the patch": flag("CHUNK_BANDS=30", "input of (30, 64)"),
    "side of a frame against the reconstruction": flag(
        "SHRINK=3", "VideoReconstruction:", "must divide 32 px (image_size)",
    ),
    "heads against width": flag("DECODER_HEADS=5", "TextDecoder:", "heads"),
    "heads of several parts": flag(
        "HEADS=5",
        "HEADS = 5 does not fit TransformerCombiner, LatentModel: width 96 is not a multiple of 5 "
        "heads (width: ", "mirasol_tiny.gin line 13",
    ),
    "tokens of the Combiner": flag("COMBINER_TOKENS=99", "but the encoders make only 32"),
    "warm-up longer than the training": flag("WARMUP_STEPS=30", "more than total_steps 20"),
    "end of the last stage": written(
        "loader.Stage.task", "loader.Stage.batches = 3\nloader.Stage.task",
        "run.gin line 34: TrainingData.stages have [3] batches", "the last must have none",
    ),
    "number that torch refuses": flag("AdamW.eps=-1.0", "AdamW: Invalid epsilon value"),
    "frames in one place": flag(
        "ExampleShape.chunk_frames=16",
        "ExampleShape.chunk_frames is 16 and VideoEncoder.chunk_frames is 8", "av_shapes.gin line",
        "these are the frames of a chunk",
    ),
    "width in one place": flag("LatentModel.width=48", "LatentModel.width is 48 and", "is 96"),
    "tokens in one place": flag("LatentModel.tokens=4", "LatentModel.tokens is 4 and", "is 8"),
    "mel bins in one place": flag("LogMel.mel_bins=128", "LogMel.mel_bins is 128 and", "is 64"),
    "vocabulary against decoder": flag("VOCAB_SIZE=100", "TextDecoder.vocab_size is 100"),
    "out of range": flag("SEED=-1", "Trainer.seed is -1; it must be in"),
}  # fmt: skip


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
