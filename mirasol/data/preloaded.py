"""What the server of processes.py imports; it must not begin to compute with any of it."""

import os
import signal

# Ctrl-C is for the process that started all these.
signal.signal(signal.SIGINT, signal.SIG_IGN)

# Of the server alone: its processes have their starter's environment. Without this TensorFlow would
# look for GPUs here, and a process that has talked to a GPU cannot be forked.
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from mirasol.data import batches as batches  # noqa: E402
from mirasol.data import mapped_code, source  # noqa: E402

source.import_seqio()
mapped_code.give_back()
