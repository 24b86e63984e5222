"""Options of the commands under tools/."""

from __future__ import annotations

import argparse
from typing import Any

from mirasol.spelling import nearest


class ToolParser(argparse.ArgumentParser):
    """A parser of a tool's options, which takes no other word for one of them.

    Its help is the tool's docstring as it stands. An option must be written out, since the start of
    one may be another misspelt; one that there is not ends the tool and is told with the nearest.
    """

    def __init__(self, **given: Any):
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **given
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """See `argparse.ArgumentParser`; here all must be known, a subcommand's options too."""
        given, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            said = f"no option {name!r}" if name.startswith("-") else f"{name!r} is a word too many"
            self.error(f"{said}{nearest(name, self._option_string_actions)}")
        return given, unknown
