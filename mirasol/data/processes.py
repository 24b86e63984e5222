"""Processes that read data, forked from one that has imported what they need.


    training process ---- asks ----> server: seqio, TensorFlow, torch imported, nothing else done
         |                              | fork
         +------- talks to -------------+--> task service, data workers

Importing seqio with TensorFlow takes seconds of a core and some 400 MB. It is done once for all of
them, and what it leaves in memory is shared. The server uses none of it before it forks.
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

    def run(self) -> None:
        """Takes over the environment, then runs; ends with the process that started it."""
        os.environ.clear()
        os.environ.update(self._environment)
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
    """The same, and leaves Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
