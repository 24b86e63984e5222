"""What becomes of a clip whose media file is missing or broken: skipped and counted, or the end.

Skipped in training, another clip of the same task stands in for it; in evaluation its questions are
not asked, and the score says so. Either way the file is told once, with its reason.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from mirasol.data.media import MediaError
from mirasol.data.references import ClipReference

Made = TypeVar("Made")

# Clips of which one that is broken is no share yet: the fewest that a share is taken of.
_FEWEST = 100


class BrokenMediaError(ValueError):
    """More media are missing or broken than the policy lets pass."""


class BrokenMedia(abc.ABC):
    """The policy."""

    @abc.abstractmethod
    def judge(self, error: MediaError, broken: int, tried: int) -> None:
        """Returns if the clip is to be skipped, else raises what ends the run.

        Args:
          error: of the clip just tried.
          broken: clips that this process could not decode, this one included.
          tried: of how many.
        """


@dataclass(frozen=True, kw_only=True)
class Skip(BrokenMedia):
    """Broken clips are skipped, while they are few.

    Attributes:
      max_share: of the clips that a worker tries, at most this share may be broken, and of the
        first hundred as many as it would be of a hundred; 1: all of them.

    Raises:
      ValueError: the share is not in 0..1.
      BrokenMediaError: from `judge`, more are broken.
    """

    max_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"Skip.max_share is {self.max_share}; it must be in 0..1")

    def judge(self, error: MediaError, broken: int, tried: int) -> None:
        """Counts."""
        if broken > self.max_share * max(tried, _FEWEST):
            raise BrokenMediaError(
                f"{broken} of the {tried} clips that a data worker tried are missing or broken, "
                f"the last one {error}; at most a share of {self.max_share:g} may be "
                "(Skip.max_share): see that the media lie where the annotation says (`python -m "
                "mirasol check-data` names those that do not), or raise the share"
            )


@dataclass(frozen=True)
class Stop(BrokenMedia):
    """The first broken clip ends the run.

    Raises:
      MediaError: from `judge`, with the file and the annotation row.
    """

    def judge(self, error: MediaError, broken: int, tried: int) -> None:
        """Raises."""
        raise error


FEW = Skip()
"""For training."""

EVERY_ONE = Skip(max_share=1.0)
"""For evaluation: all that can be decoded is asked about, and what cannot is counted."""


@dataclass
class Watch:
    """Tries the clips of one process under a policy; what was broken once is not opened again.

    Attributes:
      policy: what becomes of broken ones.
    """

    policy: BrokenMedia
    _tried: int = 0
    _broken: int = 0
    _known: dict[tuple, MediaError] = field(default_factory=dict)
    _found: list[MediaError] = field(default_factory=list)

    def attempt(self, reference: ClipReference, make: Callable[[], Made]) -> Made | None:
        """Returns what is made of a clip, or None if its media are broken.

        Raises:
          MediaError, BrokenMediaError: as the policy says.
        """
        key = (reference.media, reference.start_s, reference.end_s)
        self._tried += 1
        error = self._known.get(key)
        if error is None:
            try:
                return make()
            except MediaError as caught:
                error = self._known[key] = caught
        self._broken += 1
        self._found.append(error)
        self.policy.judge(error, self._broken, self._tried)
        return None

    def found(self) -> tuple[MediaError, ...]:
        """Returns the errors of the clips skipped since this was last asked."""
        found, self._found = tuple(self._found), []
        return found
