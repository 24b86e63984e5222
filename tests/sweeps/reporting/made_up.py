"""A sweep's folder as a real sweep leaves it, its scores drawn from a seed: nothing is trained.

Configurations are those of shipped gin files, clips and questions those of a small AV-Shapes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mirasol import config
from mirasol.sweeps import records

TASK, SPLIT, STEPS = "av_shapes_tiny_joint", "validation", 20
METRIC = f"{TASK}/accuracy"
METRICS = [METRIC, f"{METRIC}/order"]
HOST = "host-of-somebody"
BASE = "runs/av_shapes_tiny.gin"
SEED_NAME = "mirasol.experiment.Trainer.seed"
_COMBINER = "mirasol.models.mirasol3b.Mirasol.combiner"
# Name -> what differs from the base, and how often it answers rightly.
VARIANTS: dict[str, tuple[dict[str, str], float]] = {
    "transformer": ({}, 0.85),
    "token Turing machine": (
        {
            _COMBINER: "@mirasol.models.token_turing.TokenTuringCombiner()",
            "mirasol.models.token_turing.TokenTuringCombiner.memory_tokens": "96",
        },
        0.8,
    ),
    "mean & no queries": ({_COMBINER: "@mirasol.models.pooling.MeanPoolCombiner()"}, 0.7),
    "without sound": ({"mirasol.data.converter.Converter.audio": "False"}, 0.55),
}
SEEDS = (0, 1, 2)

Row = dict[str, object]


def question_rows(folder: Path, split: str = SPLIT) -> list[Row]:
    """Returns the questions about the clips of a set, as prediction files name them."""
    rows = json.loads((folder / f"{split}_qa.json").read_text(encoding="utf-8"))
    return [
        {
            "id": str(row["id"]),
            "media": str(folder / "videos" / f"video{row['video_id']}.mp4"),
            "start_s": None,
            "end_s": None,
            "type": row["type"],
            "question": row["question"],
            "answer": row["answer"],
        }
        for row in rows
        if row["part"] == 0
    ]


def synthetic_rows(clips: int = 12, each: int = 5) -> list[Row]:
    """Returns questions about clips that are no files."""
    return [
        {
            "id": f"{clip}-{number}",
            "media": f"/data/made_up/videos/video{clip}.mp4",
            "start_s": None,
            "end_s": None,
            "type": ("sight", "order")[number % 2],
            "question": f"what is number {number}",
            "answer": "red",
        }
        for clip in range(clips)
        for number in range(each - clip % 3)
    ]


def answered(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """Returns the rows with answers, about that share right; hard clips are hard for all."""
    hardness = {
        media: i % 4 / 10 for i, media in enumerate(dict.fromkeys(r["media"] for r in rows))
    }
    drawn = np.random.default_rng([seed, round(share * 1000)]).random(len(rows))
    others = sorted({str(row["answer"]) for row in rows} | {"blue", ""})
    found = []
    for row, chance in zip(rows, drawn, strict=True):
        right = chance < share - hardness[row["media"]] + 0.1
        wrong = [text for text in others if text != row["answer"]]
        prediction = row["answer"] if right else wrong[int(chance * 1e6) % len(wrong)]
        found.append({**row, "prediction": prediction})
    return found


def scores(rows: Sequence[Row]) -> dict[str, float]:
    """Returns accuracy, of all and of each type."""
    groups = {"accuracy": rows}
    groups |= {f"accuracy/{t}": [r for r in rows if r["type"] == t] for t in ("order", "sight")}
    return {
        name: sum(r["prediction"] == r["answer"] for r in group) / len(group)
        for name, group in groups.items()
        if group
    }


def write_workdir(
    workdir: Path,
    rows: Sequence[Row],
    *,
    seed: int = 0,
    meaning: Mapping[str, str] | None = None,
    declared: str = "",
    keep_answers: bool = True,
    data: str = "/data",
) -> None:
    """Writes what a finished run leaves, but for its checkpoints."""
    (workdir / "eval").mkdir(parents=True)
    meaning = {
        SEED_NAME: str(seed),
        **(meaning or {}),
        "mirasol.experiment.Trainer.steps": str(STEPS),
    }
    start = {
        "seed": seed,
        "operative": meaning,
        "declared": declared,
        "sources": {"mirasol/__init__.py": "0" * 64},
        "host": HOST,
        "environment": {"MIRASOL_DATA": data},
        "directory": "/home/somebody",
        "warm_start": {"folder": "/home/somebody/run", "step": 7, "checksum": "sha256:ab"},
        "system": "Linux-of-somebody",
        "code": {"commit": "0123abc", "changed": True, "patch": None, "untracked": ["somebody.py"]},
    }
    (workdir / "provenance.json").write_text(json.dumps({"starts": [start]}))
    if declared:
        (workdir / "config.gin").write_text(declared)
    final = scores(rows)
    _write_lines(workdir / "metrics.jsonl", _metric_lines(final, seed))
    if keep_answers:
        _write_lines(workdir / "eval" / f"{TASK}-{SPLIT}-predictions.jsonl", rows)


def write_sweep(folder: Path, trials: Sequence[records.TrialRecord], **changes) -> None:
    """Writes sweep.json with trials that are there or not, and the trial.json of those that are."""
    labels = list(dict.fromkeys(trial.labels.get("combiner", "") for trial in trials))
    planned = [records.PlannedTrial(id=t.id, labels=t.labels, seed=t.seed) for t in trials]
    values = {
        "name": "combiner",
        "hypothesis": "A Combiner that sees the chunks before answers more about order.",
        "metrics": METRICS,
        "baseline": {"combiner": labels[0]},
        "axes": [{"name": "combiner", "labels": labels}],
        "plan": "grid",
        "seeds": sorted({trial.seed for trial in trials}),
        "base_files": [BASE],
        "bindings": [],
        "trials": planned,
        "commit": "0123abc",
        "code": "c0de",
        "command": "python tools/sweep.py gin/ablations/combiner.gin",
    }
    (folder / records.FROZEN).mkdir(parents=True, exist_ok=True)
    records.write_sweep(folder, records.SweepRecord(**values | changes))
    for trial in trials:
        if trial.attempts:
            records.write_trial(records.trial_folder(folder, trial.id), trial)


def record(variant: str, seed: int, **changes) -> records.TrialRecord:
    """Returns the record of a trial that is done, or otherwise as changed."""
    place = list(VARIANTS).index(variant) if variant in VARIANTS else 9
    values = {
        "id": f"{variant.replace(' ', '-')}-{seed}",
        "labels": {"combiner": variant},
        "seed": seed,
        "steps": STEPS,
        "state": "done",
        "attempts": 1,
        "exit_code": 0,
        "commit": "0123abc",
        "code": "c0de",
        "seconds": 600.0 + 90 * place + seed,
        "host": HOST,
        "command": "/home/somebody/python -m mirasol train",
        "device": "cpu: eager, float32",
    }
    return records.TrialRecord(**values | changes)


def write_real(folder: Path, rows: Sequence[Row]) -> None:
    """Writes a sweep of four variants with three seeds, of which one failed and one never began.

    The baseline's configuration is a real one; the others are changed by hand.
    """
    spec = config.load([BASE])
    trials = []
    for name, (changes, share) in VARIANTS.items():
        for seed in SEEDS:
            trial = record(name, seed, **_fate(name, seed))
            trials.append(trial)
            if trial.state == "done":
                write_workdir(
                    records.trial_folder(folder, trial.id) / "workdir",
                    answered(rows, share, seed),
                    seed=seed,
                    meaning={**spec.meaning, **changes, SEED_NAME: str(seed)},
                    declared=spec.declared,
                    data=str(folder.parent / "data"),
                )
    write_sweep(folder, trials)


def write_synthetic(folder: Path, rows: Sequence[Row], fates: Mapping[str, Row] | None = None):
    """Writes a sweep of made-up clips, all trials done but those whose id `fates` tells of."""
    trials = []
    for name, (_, share) in VARIANTS.items():
        for seed in SEEDS:
            trial = record(name, seed)
            fate = (fates or {}).get(trial.id, {})
            trial = record(name, seed, **fate)
            trials.append(trial)
            if trial.attempts:
                workdir = records.trial_folder(folder, trial.id) / "workdir"
                write_workdir(workdir, answered(rows, share, seed), seed=seed)
    write_sweep(folder, trials)
    return folder


def _fate(name: str, seed: int) -> dict[str, object]:
    if (name, seed) == ("mean & no queries", 1):
        return {
            "state": "failed",
            "exit_code": -9,
            "attempts": 2,
            "reason": "killed by a signal",
            "error": "step 11\nRuntimeError: out of memory",
        }
    if (name, seed) == ("without sound", 2):
        return {"state": "pending", "attempts": 0}
    return {}


def _metric_lines(final: Mapping[str, float], seed: int) -> list[dict[str, object]]:
    drawn = np.random.default_rng(seed).normal(0, 0.02, STEPS + 1)
    lines: list[dict[str, object]] = []
    for step in range(1, STEPS + 1):
        loss = 3 * 0.85**step + 1 - final["accuracy"] + float(drawn[step])
        lines.append({"step": step, "split": "train", "loss": loss})
        if step % 5 == 0:
            part = {name: value * (step / STEPS) ** 0.5 for name, value in final.items()}
            values = final if step == STEPS else part
            lines.append({"step": step, "split": SPLIT, "task": TASK, **values})
    return lines


def _write_lines(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
