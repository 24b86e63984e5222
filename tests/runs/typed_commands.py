"""Runs the command lines in a JSON list, all in this process; prints what came of each, as JSON.

    python -m typed_commands '["python try_it.py", "python -m mirasol check --gin_file=x.gin"]'

One process, because importing torch takes longer than most of the commands. As with
`python -m mirasol`, modules are looked for in the working directory first.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import shlex
import sys


def run(line: str) -> dict:
    """Runs one line; returns its exit code and all that it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        python, *words = shlex.split(line)
        assert python == "python"
        if words[:2] == ["-m", "mirasol"]:
            from mirasol.__main__ import main

            code = main(words[2:])
        else:
            runpy.run_path(*words, run_name="__main__")
            code = 0
    return {"code": code, "printed": printed.getvalue()}


if __name__ == "__main__":
    print(json.dumps([run(line) for line in json.loads(sys.argv[1])]))
