"""Traces of what a runtime does, as files for a viewer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

TRACE = "trace.json"


@contextlib.contextmanager
def torch_trace(folder: Path, activities: Sequence[str]) -> Iterator[None]:
    """Writes `trace.json`, for chrome://tracing or ui.perfetto.dev, of what the block does.

    Args:
      folder: made if it is not there.
      activities: names of torch.profiler.ProfilerActivity.
    """
    from torch.profiler import ProfilerActivity, profile

    chosen = [getattr(ProfilerActivity, name) for name in activities]
    with profile(activities=chosen, record_shapes=True) as profiler:
        yield
    folder.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(folder / TRACE))


@contextlib.contextmanager
def xla_trace(folder: Path) -> Iterator[None]:
    """Writes an XPlane trace, for TensorBoard's profile plugin or xprof, of what the block does."""
    from torch_xla.debug import profiler

    folder.mkdir(parents=True, exist_ok=True)
    profiler.start_trace(folder)
    try:
        yield
    finally:
        profiler.stop_trace()
