"""Progress bars that suit a terminal and a log file alike."""

from __future__ import annotations

import sys
from typing import Any

from mirasol.launched import launch


class _Lines:
    """A file for tqdm that ends each state in a newline, where it would redraw one line."""

    def write(self, text: str) -> None:
        """Writes the state, if there is one: tqdm also writes returns and blanks, to clear it."""
        if state := text.strip():
            sys.stderr.write(f"{state}\n")

    def flush(self) -> None:
        """Flushes stderr."""
        sys.stderr.flush()


def progress_bar(
    *, total: int | None, title: str, unit: str, done: int = 0, leave: bool = True
) -> Any:
    """Returns a tqdm bar on stderr; a context manager with `update`, `set_postfix`, `close`.

    A terminal's line is redrawn often; a log file gets a line every ten seconds. Of several
    processes that do the same, the first one has the bar.

    Args:
      total: how many there are; None: unknown.
      title: what is being done.
      unit: of what.
      done: how many of them were done before.
      leave: whether the finished bar stays.
    """
    # Not at the top: an image that only trains and times models may lack it.
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=title,
        unit=f" {unit}",
        initial=done,
        leave=leave,
        file=sys.stderr if terminal else _Lines(),
        mininterval=0.2 if terminal else 10.0,
        position=None if terminal else 0,  # Else the second bar moves the cursor.
        disable=not launch().leads,
        dynamic_ncols=True,
    )
