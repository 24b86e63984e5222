"""AV-Shapes, the embedded benchmark: real media files that the first use makes.

For each variant, such as `av_shapes_4`, there are

    av_shapes_4_sight (_hearing, _together, _order)   one family of questions each
    av_shapes_4         the mixture of the four
    av_shapes_4_joint   the four families' questions about a clip in one example
    av_shapes_4_motion  which way, asked of each chunk alone: for a first stage of training
    av_shapes_4_parts   that, colour, shape and sound, likewise
    av_shapes_4_captions        all that is in a clip as one text, for pre-training
    av_shapes_4_chunk_captions  that of each chunk alone

An example is a clip with its questions, as `mirasol/data/references.py` says;
clips without a question of the family are left out. Files lie under the data root
(`mirasol/data/root.py`).
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mirasol.data import identity
from mirasol.data.av_shapes.captions import chunk_captions, clip_captions
from mirasol.data.av_shapes.files import annotation_path, media_path
from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import (
    CAPTIONS,
    CHUNK_CAPTIONS,
    FAMILIES,
    MOTION,
    PARTS,
    SPLITS,
    VARIANTS,
    AVShapes,
)
from mirasol.data.root import data_root
from mirasol.data.source import import_seqio, reference_features
from mirasol.evaluation.metrics import exact_match_by_type

seqio = import_seqio()
import tensorflow as tf  # noqa: E402  (import_seqio keeps it quiet and off the GPU)

Rows = Iterable[dict[str, Any]]


def clips(
    split: str,
    shuffle_files: bool,
    seed: int | None = None,
    *,
    spec: AVShapes,
    asked: Callable[[Rows], Rows],
) -> tf.data.Dataset:
    """Returns the clips of a split in the file's order, with what is asked about them.

    Args:
      split: "train", "validation" or "test".
      shuffle_files: unused, a split is one file; seqio shuffles the clips.
      seed: unused.
      spec: the set; made if it is not there.
      asked: rows of the file -> those of the task, clip by clip.
    """
    folder = ensure_made(spec, data_root())
    slices = _read(folder, split, asked)
    return tf.data.Dataset.from_tensor_slices(slices).map(_split_rows)


def _of_families(rows: Rows, *, families: Sequence[str]) -> Rows:
    return (row for row in rows if row["type"] in families)


def _read(folder: Path, split: str, asked: Callable[[Rows], Rows]) -> dict[str, list]:
    """Returns the media file of each clip, and its rows as lines of JSON with their origin."""
    path = annotation_path(folder, split)
    rows = asked(json.loads(path.read_text()))
    slices: dict[str, list] = {"media": [], "rows": []}
    for video_id, members in itertools.groupby(rows, key=operator.itemgetter("video_id")):
        named = ({**row, "origin": f"{path.name} row {row['id']}"} for row in members)
        slices["media"].append(str(media_path(folder, video_id)))
        slices["rows"].append("\n".join(map(json.dumps, named)))
    nothing = [math.nan] * len(slices["media"])
    return slices | {"start": nothing, "end": nothing}


def _identity(split: str, *, spec: AVShapes, asked: Callable[[Rows], Rows]) -> identity.Identity:
    """Returns what a split is; see `mirasol/data/identity.py`."""
    folder = data_root() / spec.name
    files = [folder / "set.json", annotation_path(folder, split)]
    if not files[-1].is_file():
        return identity.identity(files)
    slices = _read(folder, split, asked)
    counts = [len(rows.splitlines()) for rows in slices["rows"]]
    there = [Path(media).is_file() for media in slices["media"]]
    found = sum(count for count, is_there in zip(counts, there, strict=True) if is_there)
    return identity.identity(files, sum(counts), found, sum(counts) - found)


def _split_rows(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the features with one string a row: ragged tensors take ten times as long."""
    return {**features, "rows": tf.strings.split(features["rows"], "\n")}


def _add_task(
    spec: AVShapes,
    suffix: str,
    asked: Callable[[Rows], Rows],
    num_clips: dict[str, int] | None = None,
) -> str:
    """Registers a task and returns its name; `num_clips` a split, where no clip is left out."""
    name = f"{spec.name}_{suffix}"
    identity.state(name, functools.partial(_identity, spec=spec, asked=asked))
    seqio.TaskRegistry.add(
        name,
        seqio.FunctionDataSource(
            functools.partial(clips, spec=spec, asked=asked),
            SPLITS,
            num_input_examples=num_clips,
        ),
        preprocessors=[],
        output_features=reference_features(),
        metric_fns=[exact_match_by_type],
        # All clips: what is shuffled are references. Not more, since a mixture repeats its tasks
        # before it shuffles them, and would read epoch after epoch to fill the buffer.
        shuffle_buffer_size=max(2, *spec.clips.values()),
    )
    return name


def _register(spec: AVShapes) -> None:
    def of(*families: str) -> Callable[[Rows], Rows]:
        return functools.partial(_of_families, families=families)

    members = [_add_task(spec, family, of(family)) for family in FAMILIES]
    seqio.MixtureRegistry.add(spec.name, members, default_rate=1.0)
    _add_task(spec, "joint", of(*FAMILIES), spec.clips)
    _add_task(spec, MOTION, of(MOTION), spec.clips)
    _add_task(spec, PARTS, of(MOTION, PARTS), spec.clips)
    _add_task(spec, CAPTIONS, clip_captions, spec.clips)
    _add_task(spec, CHUNK_CAPTIONS, chunk_captions, spec.clips)


for _spec in VARIANTS.values():
    _register(_spec)
