"""The files of a set: clips, annotation rows and their places."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from pathlib import Path

from mirasol.data.av_shapes.drawing import draw_frames
from mirasol.data.av_shapes.media import write_clip
from mirasol.data.av_shapes.questions import draw_questions
from mirasol.data.av_shapes.scenes import (
    MEDIA,
    QUESTIONS,
    SCENE,
    clip_generator,
    draw_scene,
)
from mirasol.data.av_shapes.sounding import sound_samples
from mirasol.data.av_shapes.spec import SPLITS, AVShapes


def annotation_path(folder: Path, split: str) -> Path:
    """Returns the file with the questions of a split: a JSON array of rows."""
    return folder / f"{split}_qa.json"


def media_path(folder: Path, video: int) -> Path:
    """Returns the file of a clip."""
    return folder / "videos" / f"video{video}.mp4"


def write_clips(spec: AVShapes, folder: Path, job: tuple[str, range]) -> list[dict]:
    """Writes the media files of some clips and returns the rows of their questions."""
    split, indices = job
    rows = []
    for index in indices:
        scene = draw_scene(spec, clip_generator(spec, split, index, SCENE))
        random = clip_generator(spec, split, index, MEDIA)
        frames_THWC, samples = draw_frames(scene, random), sound_samples(scene, random)
        write_clip(media_path(folder, video_id(spec, split, index)), frames_THWC, samples)
        rows.extend(question_rows(spec, split, index))
    return rows


def question_rows(spec: AVShapes, split: str, index: int) -> list[dict]:
    """Returns the annotation rows of one clip, still without `id`."""
    scene = draw_scene(spec, clip_generator(spec, split, index, SCENE))
    rows = []
    for question in draw_questions(spec, scene, clip_generator(spec, split, index, QUESTIONS)):
        row = {"video_id": video_id(spec, split, index), **dataclasses.asdict(question)}
        row["type"] = row.pop("family")
        row.update({level: round(row[level], 4) for level in ("chance", "bag_oracle")})
        rows.append(row)
    return rows


def video_id(spec: AVShapes, split: str, index: int) -> int:
    """Returns the number of a clip; numbers go on from one split to the next."""
    return index + sum(spec.clips[earlier] for earlier in SPLITS[: SPLITS.index(split)])


def number_rows(rows: list[dict]) -> list[dict]:
    """Returns the rows with `id`, their place in the file."""
    return [{**row, "id": number} for number, row in enumerate(rows)]


def write_rows(path: Path, rows: list[dict]) -> None:
    """Writes a JSON array with a row on each line, so that line n + 1 is row n."""
    lines = ",\n".join(json.dumps(row, sort_keys=True) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")


def mean_levels(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Returns the number of rows and the mean levels of each family."""
    by_family = defaultdict(list)
    for row in rows:
        by_family[row["type"]].append(row)
    return {
        family: {
            "rows": len(members),
            "chance": round(sum(row["chance"] for row in members) / len(members), 4),
            "bag_oracle": round(sum(row["bag_oracle"] for row in members) / len(members), 4),
        }
        for family, members in by_family.items()
    }
