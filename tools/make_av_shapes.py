"""Makes a set of AV-Shapes; training makes the shipped ones by itself when they are missing.

python tools/make_av_shapes.py av_shapes_4
python tools/make_av_shapes.py av_shapes_16 --train=8000 --seed=7 --root=/big/disk
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from mirasol.data.av_shapes.maker import ensure_made
from mirasol.data.av_shapes.spec import VARIANTS, variant
from mirasol.data.root import data_root
from mirasol.tool_options import ToolParser


def main(arguments: list[str] | None = None) -> int:
    """Makes the set that the arguments ask for; returns the exit code."""
    parser = ToolParser(description=__doc__)
    parser.add_argument("name", help=f"a variant: {', '.join(VARIANTS)}")
    for size, text in (
        ("chunks", "chunks of 8 frames in a clip"),
        ("events", "chunks of a clip in which something is shown"),
        ("train", "training clips"),
        ("validation", "validation clips"),
        ("test", "test clips"),
        ("seed", "seed of everything drawn"),
    ):
        parser.add_argument(f"--{size}", type=int, help=f"{text} (default: the variant's)")
    parser.add_argument("--root", type=Path, help="folder of the data sets (default: MIRASOL_DATA)")
    parser.add_argument("--processes", type=int, help="default: one for each core")
    given = vars(parser.parse_args(arguments))
    name, root, processes = given.pop("name"), given.pop("root"), given.pop("processes")
    try:
        spec = dataclasses.replace(
            variant(name), **{size: value for size, value in given.items() if value is not None}
        )
        folder = ensure_made(spec, root or data_root(), processes)
        made = json.loads((folder / "set.json").read_text(encoding="utf-8"))["spec"]
        differing = [
            name for name, value in dataclasses.asdict(spec).items() if made[name] != value
        ]
        if differing:
            raise ValueError(
                f"{folder} is there already with other {', '.join(differing)}; remove it first, or "
                "name another --root"
            )
    except ValueError as error:
        print(f"make_av_shapes: {error}", file=sys.stderr)
        return 2
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
