"""Processes forked from one that has seqio already, in place of those that import it anew.

What runs in them is the same; a start takes a fraction of a second rather than several, so that a
test can give many commands. TensorFlow is imported in the parent of them all and used in the
children alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext, ForkServerProcess

import pytest
import torch.multiprocessing


class _Process(ForkServerProcess):
    """Has its starter's environment, as a spawned process does; a fork has the server's."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._environment = dict(os.environ)

    def run(self):
        os.environ.update(self._environment)
        super().run()


class _Context(ForkServerContext):
    Process = _Process


@contextlib.contextmanager
def forked_processes() -> Iterator[None]:
    """Whoever asks for processes that are spawned gets forked ones."""
    context = _Context()
    context.set_forkserver_preload(["mirasol.tasks", "pytest"])
    known = multiprocessing.get_context

    def get_context(method: str | None = None):
        return context if method == "spawn" else known(method)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", get_context)
        patch.setattr(torch.multiprocessing, "get_context", get_context)
        yield
