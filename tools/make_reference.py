"""Writes docs/reference.md, and the tables of gin/README.md, from the code and the gin files.

python tools/make_reference.py            writes what is not as it should be, and names it
python tools/make_reference.py --check    only names it; exits with 1 if there is any
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from reference.gin_page import gin_page
from reference.index import Index
from reference.page import reference_page
from reference.shipped import gin_files
from reference.sources import REPOSITORY, Sources

from mirasol.tool_options import ToolParser


def pages() -> dict[Path, str]:
    """Returns path -> text of each page.

    Raises:
      ValueError: something lacks what the pages are to say.
    """
    files = gin_files()
    index = Index(Sources(), files)
    gin_readme = REPOSITORY / "gin" / "README.md"
    return {
        REPOSITORY / "docs" / "reference.md": reference_page(index),
        gin_readme: gin_page(gin_readme.read_text(encoding="utf-8"), index, files),
    }


def stale(made: dict[Path, str]) -> list[Path]:
    """Returns the pages that are not as they were made."""
    return [
        path
        for path, text in made.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = ToolParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one is stale")
    given = parser.parse_args(arguments)
    try:
        made = pages()
    except ValueError as error:
        print(f"make_reference: {error}", file=sys.stderr)
        return 2
    found = stale(made)
    for path in found:
        if not given.check:
            path.write_text(made[path], encoding="utf-8")
        print(f"{'stale' if given.check else 'written'}: {path.relative_to(REPOSITORY)}")
    return int(given.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
