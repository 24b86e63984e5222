"""Where data sets live: one folder, named by an environment variable."""

from __future__ import annotations

import os
from pathlib import Path

ENVIRONMENT_VARIABLE = "MIRASOL_DATA"


def data_root() -> Path:
    """Returns the folder that holds every data set, absolute.

    It is the environment variable MIRASOL_DATA, or `data` under the working directory. The folder
    need not exist: makers create it, readers name the file that they miss.

    Raises:
      ValueError: it is a file.
    """
    root = Path(os.environ.get(ENVIRONMENT_VARIABLE) or "data").expanduser().absolute()
    if root.is_file():
        raise ValueError(f"{root} is a file; {ENVIRONMENT_VARIABLE} must name a folder for data")
    return root
