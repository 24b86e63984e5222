"""What the sets for pre-training share: a text about a clip as the answer to one question."""

from __future__ import annotations

from mirasol.data.benchmarks.records import Record
from mirasol.data.benchmarks.rows import Place, Row

# Ours: the paper does not say what a model is asked in pre-training.
CAPTION_QUESTION = "describe the video"
SPEECH_QUESTION = "what is said"
SIGHT_QUESTION = "describe what is seen"
SOUND_QUESTION = "describe what is heard"


def captioned(
    record: Record,
    clip_id: str,
    text: str,
    places: tuple[Place, ...],
    question: str,
    kind: str = "caption",
) -> Row:
    """Returns the row of a text about a clip; its id is the clip's with the kind of text."""
    return Row(
        id=f"{clip_id}/{kind}",
        question=question,
        answer=text,
        type=kind,
        video_id=clip_id,
        places=places,
        origin=record.origin,
    )
