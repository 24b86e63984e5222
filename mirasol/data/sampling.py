"""Which part of a clip is looked at: a window, over which frames and columns are spread evenly.

    clip                    |---------------------------------------------|
    UniformSampling         |   f      f      f      f      f      f      |
    FixedRateSampling       |f f f f f f|
    RandomSegmentSampling            |f f f f f f|     anywhere; in evaluation, in the middle

The window's T*F frames stand at (i + 1/2) / (T*F) of its length, and its columns of sound likewise,
so that both keep step. What of a window lies beyond the clip's end is absent.
"""

from __future__ import annotations

import abc

import numpy as np

Window = tuple[float, float]
"""Where it begins in the file, s, and how long it is, s."""


class Sampling(abc.ABC):
    """Chooses the window of a clip."""

    @property
    def draws(self) -> bool:
        """Whether the window is drawn, so that a clip may be seen again with another one."""
        return False

    @abc.abstractmethod
    def window(
        self, start_s: float, end_s: float, frames: int, rng: np.random.Generator | None = None
    ) -> Window:
        """Returns the window of a clip.

        Args:
          start_s, end_s: of the clip in its file.
          frames: T*F.
          rng: what is drawn comes from it; None: nothing is drawn.
        """


class UniformSampling(Sampling):
    """The whole clip, however long it is."""

    def window(
        self, start_s: float, end_s: float, frames: int, rng: np.random.Generator | None = None
    ) -> Window:
        """Returns the clip itself."""
        return start_s, end_s - start_s


class FixedRateSampling(Sampling):
    """As many seconds from the clip's beginning as its frames last at a fixed rate.

    Args:
      frame_rate: frames a second.

    Raises:
      ValueError: the rate is not above 0.
    """

    def __init__(self, frame_rate: float) -> None:
        if not frame_rate > 0:
            raise ValueError(f"FixedRateSampling(frame_rate={frame_rate}): it must be above 0 Hz")
        self.frame_rate = frame_rate

    def window(
        self, start_s: float, end_s: float, frames: int, rng: np.random.Generator | None = None
    ) -> Window:
        """Returns frames / frame_rate seconds, which may reach beyond the clip's end."""
        return start_s, frames / self.frame_rate


class RandomSegmentSampling(Sampling):
    """A segment of fixed length anywhere in the clip, every place for it as likely as another.

    In training it is drawn anew each time that a clip occurs, from (seed, stage, occurrence), so a
    run that is resumed draws the same; drawn segments are not kept in memory. In evaluation it is
    the clip's middle. A clip that is shorter is taken whole.

    Args:
      length_s: of the segment, s.

    Raises:
      ValueError: the length is not above 0.
    """

    def __init__(self, length_s: float) -> None:
        if not length_s > 0:
            raise ValueError(f"RandomSegmentSampling(length_s={length_s}): it must be above 0 s")
        self.length_s = length_s

    @property
    def draws(self) -> bool:
        """True."""
        return True

    def window(
        self, start_s: float, end_s: float, frames: int, rng: np.random.Generator | None = None
    ) -> Window:
        """Returns length_s seconds within the clip, or the clip if that is shorter."""
        length_s = min(self.length_s, end_s - start_s)
        share = 0.5 if rng is None else rng.random()
        return start_s + share * (end_s - start_s - length_s), length_s
