"""What is wrong with an experiment: every mistake, each with its place, raised all at once."""

from __future__ import annotations

import dataclasses
import inspect
import linecache
import re
import sysconfig
import traceback
from collections.abc import Iterable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Finding:
    """One mistake.

    Attributes:
      place: "FILE line N", or the flag; "" where it is in no one line.
      message: what was got, what is allowed, the nearest name.
    """

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ExperimentError(ValueError):
    """Everything that is wrong with an experiment; the error's own text has a line a finding.

    Attributes:
      findings: in the order of the checks, none twice.
    """

    def __init__(self, findings: Iterable[Finding]):
        self.findings = tuple(dict.fromkeys(findings))
        super().__init__("\n".join(map(str, self.findings)))


def fault(error: Exception) -> str:
    """Returns an error in somebody's code in words: its type, what it says, the line it is in."""
    if isinstance(error, SyntaxError):  # Of a file that was not run: its own line says nothing.
        said, file, line = error.msg, error.filename, error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        installed = sysconfig.get_path("purelib")  # Torch's own lines help nobody.
        own = [frame for frame in frames if not frame.filename.startswith(installed)]
        *_, last = own or frames
        said, file, line = str(error), last.filename, last.lineno
    return f"{type(error).__name__}: {said} ({file} line {line})"


def where_defined(target: Any) -> str:
    """Returns the file and line that define a module, class or function."""
    try:
        file = inspect.getsourcefile(target) or ""
    except TypeError:
        return getattr(target, "__name__", str(target))
    if inspect.ismodule(target):
        return file
    start = re.compile(rf"(class|def) {re.escape(target.__name__)}\b")
    lines = enumerate(linecache.getlines(file), 1)
    line = next((number for number, text in lines if start.match(text)), 1)
    return f"{target.__name__} is defined in {file} line {line}"
