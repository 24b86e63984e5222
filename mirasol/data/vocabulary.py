"""Text to token ids and back: bytes by default, a SentencePiece file by argument."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import mirasol
from mirasol.batch import EOS_ID, PAD_ID
from mirasol.named import FileName


class Vocabulary(abc.ABC):
    """Ids of text: 0 is padding, 1 the end, 2 the unknown; picklable, for data workers."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Number of ids, special ones included."""

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`, without an end token."""

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of `ids` up to the end token, padding dropped."""
        kept: list[int] = []
        for token in map(int, ids):
            if token == EOS_ID:
                break
            if token != PAD_ID:
                kept.append(token)
        return self._decode(kept)

    def unknown_words(self, text: str) -> list[str]:
        """Returns the words of `text` that have no pieces of their own; bytes spell them all."""
        return []

    @abc.abstractmethod
    def _decode(self, ids: list[int]) -> str: ...


class ByteVocabulary(Vocabulary):
    """UTF-8 bytes after three special ids, as in ByT5 (arXiv 2105.13626): id = byte + 3."""

    _SPECIAL = 3

    @property
    def size(self) -> int:
        """Number of ids: 3 special ones and 256 bytes."""
        return self._SPECIAL + 256

    def encode(self, text: str) -> list[int]:
        """Returns one id a byte."""
        return [byte + self._SPECIAL for byte in text.encode("utf-8")]

    def _decode(self, ids: list[int]) -> str:
        raw = bytes(i - self._SPECIAL for i in ids if self._SPECIAL <= i < self.size)
        return raw.decode("utf-8", errors="ignore")


class SentencePieceVocabulary(Vocabulary):
    """Pieces of a SentencePiece model file.

    Args:
      path: the model file; as given, else inside the package's `gin/` folder, so that
        "vocabularies/av_shapes.model" means the same in a checkout and in an installation.

    Raises:
      ValueError: no such file, or its special ids are not padding 0, end 1, unknown 2.
    """

    def __init__(self, path: FileName) -> None:
        self._path = str(_resolve(path))
        pieces = self._pieces
        special = (pieces.pad_id(), pieces.eos_id(), pieces.unk_id())
        if special != (PAD_ID, EOS_ID, 2):
            raise ValueError(
                f"{self._path} has padding, end and unknown at {special}; they must be (0, 1, 2): "
                "train it with --pad_id=0 --eos_id=1 --unk_id=2 --bos_id=-1"
            )

    @cached_property
    def _pieces(self):
        import sentencepiece  # Only for those who use it.

        return sentencepiece.SentencePieceProcessor(model_file=self._path)

    def __getstate__(self) -> dict[str, str]:
        return {"_path": self._path}  # A worker loads the file itself.

    @property
    def size(self) -> int:
        """Number of pieces in the model file."""
        return self._pieces.vocab_size()

    def encode(self, text: str) -> list[int]:
        """Returns one id a piece."""
        return self._pieces.encode(text)

    def unknown_words(self, text: str) -> list[str]:
        """Returns the words that come out as bytes or as the unknown piece."""
        pieces = self._pieces
        return [
            word
            for word in text.split()
            if any(pieces.is_byte(i) or pieces.is_unknown(i) for i in self.encode(word))
        ]

    def _decode(self, ids: list[int]) -> str:
        return self._pieces.decode([i for i in ids if i < self.size])


def _resolve(path: str) -> Path:
    package = Path(mirasol.__file__).parent
    # `gin/` lies in the package when installed and beside it in a checkout.
    tried = [Path(path), package / "gin" / path, package.parent / "gin" / path]
    for candidate in tried:
        if candidate.is_file():
            return candidate.absolute()
    raise ValueError(
        f"no vocabulary file {path!r}; looked for {', '.join(str(each) for each in tried)}"
    )
