"""Mistakes in a run, and what `check` must say of each."""

from __future__ import annotations

import dataclasses


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
    "unknown metric of the best": written(
        "include 'runs/trainer.gin'",
        "from mirasol import experiment\nfrom mirasol.training import best\n"
        "include 'runs/trainer.gin'\nexperiment.Trainer.keep_best = @best.Best()\n"
        "best.Best:\n    task = 'av_shapes_tiny_joint'\n    metric = 'accuracy/sihgt'",
        "run.gin line 21: Best.metric: task 'av_shapes_tiny_joint' has no metric 'accuracy/sihgt'; "
        "did you mean 'accuracy/sight'? (it has: accuracy, ci95_low,",
    ),
    "task of the best, which is not evaluated": written(
        "include 'runs/trainer.gin'",
        "from mirasol import experiment\nfrom mirasol.training import best\n"
        "include 'runs/trainer.gin'\nexperiment.Trainer.keep_best = @best.Best()\n"
        "best.Best.task = 'av_shapes_tiny_jiont'",
        "run.gin line 19: Best.task is 'av_shapes_tiny_jiont', and evaluated are only "
        "av_shapes_tiny_joint; did you mean 'av_shapes_tiny_joint'?",
    ),
    "unknown file": written(
        "models/mirasol_tiny.gin", "models/mirasol_tny.gin",
        "no gin file 'models/mirasol_tny.gin'", "did you mean 'models/mirasol_tiny.gin'?",
    ),
    "unknown file of pieces": flag(
        "SentencePieceVocabulary.path='vocabularies/av_shape.model'",
        "there is no file 'vocabularies/av_shape.model'", "'vocabularies/av_shapes.model'?",
    ),
    "file under another name": flag(
        "SentencePieceVocabulary.path='vocabularies//av_shapes.model'",
        "no path 'vocabularies//av_shapes.model'", "did you mean 'vocabularies/av_shapes.model'?",
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
        "SEED = 0", "SEED = 0\nSEED = 1",
        "run.gin line 22: SEED is bound before, in run.gin line 21",
    ),
    "bound by two included files": written(
        "include 'runs/trainer.gin'", "include 'runs/trainer.gin'\ninclude 'other.gin'",
        "other.gin line 3: Trainer.clip_norm is bound before, in", "trainer.gin line",
        "run.gin includes both",
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
