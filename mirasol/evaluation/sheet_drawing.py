"""Draws a contact sheet: clips as the model saw and heard them, with what it answered.

One row a clip, time from left to right, chunk borders marked:

    clip.mp4                        type  question
    [ 8 frames across the clip ]          answer given (green), or given and right one (red)
    [ log-mel, in step below   ]          ...
      chunk 1 | chunk 2 | ...
"""

from __future__ import annotations

import dataclasses
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

TITLE = "What the model saw, heard and answered"
FRAMES = 8
MAX_FRAME_PX = 192
# Beyond this many chunks, names and lines would cover what they mark; ticks remain.
NAMED_CHUNKS = 16
SOUND_COLOURS = "magma"
QUESTION_COLUMNS, ANSWER_COLUMNS = 58, 22
INK, FAINT, RULE, RIGHT, WRONG = "#1f2328", "#6e7781", "#d0d7de", "#1a7f37", "#cf222e"

# Inches.
WIDTH, HEAD_HEIGHT, ROW_GAP = 13.0, 0.7, 0.3
STRIP_LEFT, STRIP_WIDTH, FRAMES_HEIGHT, SOUND_HEIGHT = 0.3, 7.2, 0.9, 0.5
STRIP_HEIGHT = 0.2 + FRAMES_HEIGHT + 0.04 + SOUND_HEIGHT + 0.15
TEXT_LEFT, TYPE_WIDTH, LINE, ANSWER_GAP = 7.8, 0.75, 0.175, 0.07


@dataclasses.dataclass(frozen=True)
class SheetAnswer:
    """One question of a clip, the annotation's answer and the model's."""

    type: str
    question: str
    right: str
    given: str
    correct: bool

    @property
    def lines(self) -> list[str]:
        """The question, wrapped to the sheet's column."""
        return textwrap.wrap(self.question, QUESTION_COLUMNS) or [""]

    @property
    def verdict(self) -> str:
        """The answer given, and the right one where it differs; marked for the colour-blind."""
        given = short(self.given) or "(nothing)"
        return f"✓ {given}" if self.correct else f"✗ {given}   (right: {short(self.right)})"


@dataclasses.dataclass(frozen=True)
class SheetClip:
    """One row of the sheet, small enough to keep.

    Attributes:
      title: the clip's name.
      frames_FHWC: uint8, FRAMES frames evenly across the clip.
      audio_TAS: float32 log-mel.
      answers: the questions to show.
    """

    title: str
    frames_FHWC: np.ndarray
    audio_TAS: np.ndarray
    answers: tuple[SheetAnswer, ...]

    @property
    def height(self) -> float:
        """Inches of the row: the strip's, or the text's where that is longer."""
        lines = sum(len(answer.lines) + 1 for answer in self.answers)
        return max(STRIP_HEIGHT, lines * LINE + (len(self.answers) - 1) * ANSWER_GAP)

    @classmethod
    def from_arrays(
        cls,
        title: str,
        video_TFHWC: np.ndarray,
        audio_TAS: np.ndarray,
        answers: Sequence[SheetAnswer],
    ) -> SheetClip:
        """Keeps FRAMES frames of the clip, at most MAX_FRAME_PX a side."""
        video_FHWC = video_TFHWC.reshape(-1, *video_TFHWC.shape[2:])
        centres = (np.arange(FRAMES) + 0.5) / FRAMES * len(video_FHWC)
        stride = -(-max(video_FHWC.shape[1:3]) // MAX_FRAME_PX)
        # Indexed first, so that a copy of the chosen frames alone is kept.
        frames_FHWC = video_FHWC[centres.astype(int)][:, ::stride, ::stride].copy()
        return cls(title, frames_FHWC, audio_TAS.copy(), tuple(answers))


def draw(path: Path, clips: Sequence[SheetClip]) -> None:
    """Draws the clips one under another into a PNG, which appears whole or not at all.

    Raises:
      ValueError: there is nothing to draw.
    """
    if not clips:
        raise ValueError(f"no clips for the contact sheet {path}")
    height = HEAD_HEIGHT + sum(clip.height + ROW_GAP for clip in clips)
    figure = Figure(figsize=(WIDTH, height), dpi=110, facecolor="white")
    verdicts = [answer.correct for clip in clips for answer in clip.answers]
    score = f"{sum(verdicts)} of {len(verdicts)} answers right"
    _write(figure, STRIP_LEFT, height - 0.4, TITLE, 13, INK, "bold")
    _write(figure, TEXT_LEFT, height - 0.4, score, 10, FAINT)
    loudness = loudness_range(clips)
    top = height - HEAD_HEIGHT
    for clip in clips:
        _draw_clip(figure, clip, top, loudness)
        top -= clip.height + ROW_GAP
    unfinished = path.with_name(f".{path.name}.unfinished")
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box, which says enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(unfinished, format="png")
    unfinished.replace(path)


def loudness_range(clips: Sequence[SheetClip]) -> tuple[float, float]:
    """Returns the ends of one colour scale for all clips: loud ones look louder than soft ones."""
    low, high = np.quantile(
        np.concatenate([clip.audio_TAS.ravel() for clip in clips]), (0.05, 0.995)
    )
    return float(low), float(max(high, low + 1e-6))


def _draw_clip(figure: Figure, clip: SheetClip, top: float, loudness: tuple[float, float]) -> None:
    chunks = clip.audio_TAS.shape[0]
    _rule(figure, top + ROW_GAP / 2)
    _write(figure, STRIP_LEFT, top - LINE / 2, clip.title, 8.5, INK, "bold")
    frames = _axes(figure, top - 0.2, FRAMES_HEIGHT)
    for f, frame_HWC in enumerate(clip.frames_FHWC):
        span = (f * chunks / FRAMES, (f + 1) * chunks / FRAMES)
        frames.imshow(frame_HWC, extent=(*span, 0, 1), aspect="auto", interpolation="nearest")
        frames.axvline(span[1], color="white", linewidth=0.7)
    frames.set_xlim(0, chunks)
    sound = _axes(figure, top - 0.2 - FRAMES_HEIGHT - 0.04, SOUND_HEIGHT)
    sound.imshow(
        clip.audio_TAS.reshape(-1, clip.audio_TAS.shape[-1]).T,
        extent=(0, chunks, 0, 1),
        aspect="auto",
        origin="lower",
        cmap=SOUND_COLOURS,
        vmin=loudness[0],
        vmax=loudness[1],
    )
    _mark_chunks(frames, sound, chunks)
    _write_answers(figure, clip.answers, top - LINE / 2)


def _axes(figure: Figure, top: float, height: float) -> Axes:
    across, up = figure.get_size_inches()
    box = (STRIP_LEFT / across, (top - height) / up, STRIP_WIDTH / across, height / up)
    axes = figure.add_axes(box)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def _mark_chunks(frames: Axes, sound: Axes, chunks: int) -> None:
    if chunks > NAMED_CHUNKS:
        sound.set_xticks(range(chunks + 1), labels=[])
        sound.tick_params(axis="x", length=2, color=FAINT)
        return
    for border in range(1, chunks):
        sound.axvline(border, color="white", linewidth=3.0)
        # Where the chunks do not divide the frames, a line would cut a frame in two.
        if border * FRAMES % chunks == 0:
            frames.axvline(border, color="white", linewidth=3.0)
    sound.set_xticks(
        [chunk + 0.5 for chunk in range(chunks)],
        labels=[f"chunk {chunk + 1}" if chunks <= 8 else str(chunk + 1) for chunk in range(chunks)],
    )
    sound.tick_params(axis="x", length=0, pad=2, labelsize=7, labelcolor=FAINT)


def _write_answers(figure: Figure, answers: Sequence[SheetAnswer], top: float) -> None:
    y = top
    for answer in answers:
        _write(figure, TEXT_LEFT, y, answer.type, 7, FAINT)
        for line in answer.lines:
            _write(figure, TEXT_LEFT + TYPE_WIDTH, y, line, 8.5, INK)
            y -= LINE
        colour = RIGHT if answer.correct else WRONG
        _write(figure, TEXT_LEFT + TYPE_WIDTH, y, answer.verdict, 8.5, colour, "bold")
        y -= LINE + ANSWER_GAP


def short(answer: str) -> str:
    """Returns an answer that fits a line and has only letters that can be seen."""
    # An untrained model's bytes may be control characters.
    answer = "".join(letter if letter.isprintable() else "·" for letter in answer)
    return answer if len(answer) <= ANSWER_COLUMNS else answer[: ANSWER_COLUMNS - 1] + "…"


def _rule(figure: Figure, y: float) -> None:
    across, up = figure.get_size_inches()
    ends = (STRIP_LEFT / across, 1 - STRIP_LEFT / across)
    figure.add_artist(Line2D(ends, (y / up, y / up), color=RULE, linewidth=0.7))


def _write(
    figure: Figure, x: float, y: float, text: str, size: float, colour: str, weight: str = "normal"
) -> None:
    across, up = figure.get_size_inches()
    style = {"fontsize": size, "color": colour, "weight": weight, "va": "center"}
    figure.text(x / across, y / up, text, style, parse_math=False)
