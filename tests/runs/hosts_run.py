"""A command on made-up data on one of several hosts under XLA; started by test_hosts_run.py.

    python -m tests.runs.hosts_run [--signal=STEP] COMMAND ...

In the environment of `tests.hosts.variables`; further arguments as of several_run.py.
"""

from __future__ import annotations

import os
import sys

from mirasol.launched import Launch
from tests.hosts import pretend

if __name__ == "__main__":
    index = pretend()  # Before TensorFlow is imported.
    from tests.runs import several_run

    # Which host this is, the launcher does not say, and XLA only when the runtime has opened.
    several_run.launch = lambda: Launch(index, int(os.environ["HOST_COUNT"]))
    sys.exit(several_run.run(sys.argv[1:]))
