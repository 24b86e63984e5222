"""Makes the report of a sweep: tables, plots and a page that needs no network.

python tools/report.py workdirs/sweeps/combiner
python tools/report.py workdirs/sweeps/combiner --metric=av_shapes_4_joint/accuracy/order
python tools/report.py --run=all=workdirs/first --run="no sound=workdirs/without_audio"
python tools/report.py workdirs/sweeps/combiner --keep=docs/results/combiner

Writes table.md, table.csv, table.tex, the plots as SVG and report.html; prints the table. A trial
that is missing or failed is named, and what lacks it is marked (docs/reports.md). --keep copies
what the report is made of, without checkpoints and logs, and makes the report there.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from mirasol.data.root import ENVIRONMENT_VARIABLE
from mirasol.sweeps.reporting.keeping import keep
from mirasol.sweeps.reporting.reading import of_sweep, of_workdirs
from mirasol.sweeps.reporting.study import Study
from mirasol.sweeps.reporting.writing import PAGE, Extent, write
from mirasol.tool_options import ToolParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the report that the arguments ask for; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        extent = Extent(options.clips, options.questions)
        study, folder = _study(options)
        if options.keep:
            if not options.sweep:
                raise ValueError(
                    "--keep wants the folder of a sweep; single runs have none to copy"
                )
            keep(options.sweep, options.keep)
            options.sweep = options.keep
            study, folder = _study(options)
        folder = options.output or folder
        written = write(study, folder, command=_command(options), extent=extent)
        print(written.table)
    except (ValueError, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    print(folder / PAGE)
    if written.missing:
        print(
            f"report: of the page's {written.clips} clips {len(written.missing)} are not shown: "
            f"{written.missing[0]} ({ENVIRONMENT_VARIABLE} names the folder of the sets)",
            file=sys.stderr,
        )
    return 0


def _command(options: argparse.Namespace) -> str:
    """Returns the line that makes this report: of what was kept, if it was."""
    words = [str(options.sweep)] if options.sweep else [f"--run={run}" for run in options.run]
    words += [f"--metric={metric}" for metric in options.metric]
    for name in ("baseline", "output", "clips", "questions"):
        value = getattr(options, name)
        if value != _parser().get_default(name):
            words.append(f"--{name}={value}")
    return shlex.join(["python", "tools/report.py", *words])


def _study(options: argparse.Namespace) -> tuple[Study, Path]:
    """Returns what is asked about, and where its report goes by default."""
    if bool(options.sweep) == bool(options.run):
        raise ValueError("give the folder of a sweep, or --run=NAME=WORKDIR for each run")
    if options.sweep:
        study = of_sweep(options.sweep, options.metric, options.baseline)
        return study, options.sweep / "report"
    runs = [_named(text) for text in options.run]
    return of_workdirs(runs, options.metric, options.baseline), Path("workdirs") / "report"


def _named(text: str) -> tuple[str, Path]:
    name, equals, workdir = text.partition("=")
    if not (name and equals and workdir):
        raise ValueError(f"--run={text}: it must be NAME=WORKDIR, such as base=workdirs/first")
    return name, Path(workdir)


def _parser() -> argparse.ArgumentParser:
    parser = ToolParser(description=__doc__)
    parser.add_argument("sweep", type=Path, nargs="?", help="folder of a sweep")
    parser.add_argument(
        "--run", action="append", default=[], help="NAME=WORKDIR; runs of one name are its seeds"
    )
    parser.add_argument(
        "--metric", action="append", default=[], help="TASK/METRIC; the first leads"
    )
    parser.add_argument("--baseline", help="the variant to compare with (default: the sweep's)")
    parser.add_argument("--keep", type=Path, help="folder for a copy of the sweep's results")
    parser.add_argument(
        "--output", type=Path, help="folder (default: report/ in the sweep's; or workdirs/report)"
    )
    parser.add_argument("--clips", type=int, default=Extent.clips, help="clips on the page")
    parser.add_argument("--questions", type=int, default=Extent.questions, help="of each clip")
    return parser


if __name__ == "__main__":
    sys.exit(main())
