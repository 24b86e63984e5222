"""Processes that read data, forked from one that has imported what they need.

    training process ---- asks ----> server: seqio, TensorFlow, torch imported, nothing else done
         |                              | fork
         +------- talks to -------------+--> task service, data workers

Importing seqio with TensorFlow takes seconds of a core and half a gigabyte. It is done once for all
of them, and what it leaves in memory is shared. A fork has one thread, so the server must have no
other that could hold a lock then: it computes nothing with what it has imported. (The threads of
numpy's OpenBLAS are idle, and OpenBLAS itself sets them right in the child.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess

# A module that the server imports before it forks.
_PRELOADED = "mirasol.data.preloaded"


class DataProcess(ForkServerProcess):
    """A process with its starter's environment, where a fork alone would have the server's."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self._environment = dict(os.environ)

    def start(self) -> None:
        """Starts it.

        Raises:
          RuntimeError: the server, or this process at its beginning, has died.
        """
        try:
            super().start()
        except (EOFError, OSError) as error:
            raise RuntimeError(
                f"a process that reads data could not be started ({error or 'it died'}); if the "
                "machine is short of memory, free some"
            ) from error

    def run(self) -> None:
        """Takes over the environment, then runs; ends with the process that started it."""
        os.environ.clear()
        os.environ.update(self._environment)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter.
        end_with_parent()
        super().run()


class _DataContext(ForkServerContext):
    Process = DataProcess


def data_processes() -> ForkServerContext:
    """Returns the multiprocessing context of processes that read data; see above."""
    context = _DataContext()
    context.set_forkserver_preload([_PRELOADED])
    return context


def start_importing() -> None:
    """Starts the server, so that it imports while this process does something else."""
    data_processes()
    forkserver.ensure_running()


def end_with_parent() -> None:
    """Ends this process when its parent is killed, which pools of processes do not do."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_parent_alone() -> None:
    """Ends this process when its parent is killed, and leaves Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
