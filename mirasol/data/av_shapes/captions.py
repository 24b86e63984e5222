"""What a clip shows and sounds as one text, for pre-training.

    what is in the parts -> red ring going left with the low tone before blue cross going up ...

It says no more than the rows about single chunks do (questions.py), so it is made from them.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator
from typing import Any

from mirasol.data.av_shapes.questions import asked_of_part, phrase
from mirasol.data.av_shapes.spec import CAPTION, MOTION, PARTS

QUESTION = "what is in the parts"
_NEXT = " before "

Row = dict[str, Any]


def clip_captions(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields a row for each clip, all of its chunks in order; chunks without an event are left out.

    Args:
      rows: of an annotation file, clip by clip.
    """
    chunks = chunk_captions(rows)
    for video_id, members in itertools.groupby(chunks, operator.itemgetter("video_id")):
        told = list(members)
        text = _NEXT.join(row["answer"] for row in told)
        yield {**told[0], "id": f"{video_id}/{CAPTION}", "part": 0, "answer": text}


def chunk_captions(rows: Iterable[Row]) -> Iterator[Row]:
    """Yields a row for each chunk with an event, which alone it is about (`part`, from 1)."""
    about_parts = (row for row in rows if row["type"] in (MOTION, PARTS))
    for (video_id, part), members in itertools.groupby(
        about_parts, operator.itemgetter("video_id", "part")
    ):
        found = {asked_of_part(row["question"]): row["answer"] for row in members}
        seen = f"{found['colour']} {found['shape']} going {found['way']}"
        yield {
            "id": f"{video_id}/{CAPTION}/{part}",
            "video_id": video_id,
            "part": part,
            "type": CAPTION,
            "question": QUESTION,
            "answer": f"{seen} with {phrase('sound', found['sound'])}",
        }
