"""Writes the SentencePiece model of AV-Shapes: a piece for each word, and bytes for all else.

    python tools/make_vocabulary.py gin/vocabularies/av_shapes.model

The words are few and known, so nothing is trained: the file is the same wherever it is made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sentencepiece import sentencepiece_model_pb2

from mirasol.data.av_shapes.levels import COUNTS
from mirasol.data.av_shapes.spec import COLOURS, SHAPES, VARIANTS, WAYS

# The module fills itself at import, where type checkers cannot follow.
_format: Any = sentencepiece_model_pb2

_TEMPLATE_WORDS = (
    *("what", "colour", "shape", "way", "sound", "tone", "is", "comes", "in", "the", "one"),
    *("going", "first", "last", "with", "before", "after", "how", "many", "parts", "have", "part"),
)
_PARTS = tuple(str(part) for part in range(1, 65))


def words() -> tuple[str, ...]:
    """Returns every word of the questions and answers, each once, in a fixed order."""
    sounds = sorted({sound for spec in VARIANTS.values() for sound in spec.sounds})
    return tuple(
        dict.fromkeys((*_TEMPLATE_WORDS, *COLOURS, *SHAPES, *WAYS, *sounds, *COUNTS, *_PARTS))
    )


def vocabulary_model() -> bytes:
    """Returns the model file: padding 0, end 1, unknown 2, then bytes, the space, the words."""
    model = _format.ModelProto()
    kinds = _format.ModelProto.SentencePiece
    pieces = [
        ("<pad>", 0.0, kinds.CONTROL),
        ("</s>", 0.0, kinds.CONTROL),
        ("<unk>", 0.0, kinds.UNKNOWN),
        *((f"<0x{byte:02X}>", 0.0, kinds.BYTE) for byte in range(256)),
        ("▁", -10.0, kinds.NORMAL),
        *((f"▁{word}", -1.0, kinds.NORMAL) for word in words()),
    ]
    for piece, score, kind in pieces:
        model.pieces.add(piece=piece, score=score, type=kind)
    trainer = model.trainer_spec
    trainer.model_type = _format.TrainerSpec.UNIGRAM
    trainer.vocab_size = len(pieces)
    trainer.byte_fallback = True
    trainer.pad_id, trainer.eos_id, trainer.unk_id, trainer.bos_id = 0, 1, 2, -1
    model.normalizer_spec.name = "identity"
    return model.SerializeToString(deterministic=True)


def main(arguments: list[str]) -> int:
    """Writes the model to the path given; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(vocabulary_model())
    print(f"{path}: {len(words())} words, {len(words()) + 260} pieces")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
