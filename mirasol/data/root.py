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
      ValueError: it is a file, or an address.
    """
    root = local_path(os.environ.get(ENVIRONMENT_VARIABLE) or "data", ENVIRONMENT_VARIABLE)
    if root.is_file():
        raise ValueError(f"{root} is a file; {ENVIRONMENT_VARIABLE} must name a folder for data")
    return root


def local_path(text: str, name: str) -> Path:
    """Returns a path of this machine, absolute.

    Args:
      text: a path, from the working directory; `~` is the home.
      name: what it was given as, for the error.

    Raises:
      ValueError: it is an address, such as gs://bucket/folder.
    """
    if "://" in text:
        raise ValueError(
            f"{name} is {text!r}: object stores and web addresses are not read; mount the store as "
            "a folder, or copy it to this machine, and give that path"
        )
    return Path(text).expanduser().absolute()
