"""Writes the golden losses anew and tells what changed.

python -m tests.golden.renew                          all
python -m tests.golden.renew tiny combiners-cls       some

For a change that is meant to move losses. What it prints belongs into the commit's message.
"""

from __future__ import annotations

import sys

import torch

from tests.golden.losses import differences, losses_text
from tests.golden.variants import every_variant


def main(names: list[str]) -> int:
    """Renews the files of these variants, or of all; removes those of none when it renews all."""
    variants = every_variant()
    unknown = [name for name in names if name not in variants]
    if unknown:
        print(f"no variant {unknown[0]!r}; there are {', '.join(variants)}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for name in names or variants:
        variant = variants[name]
        before = variant.path.read_text() if variant.path.exists() else ""
        now = losses_text(variant)
        changed = differences(before, now)
        print(f"{name}: {'as before' if not changed else 'new' if not before else 'changed'}")
        if before and changed:
            print(*(f"  {line}" for line in changed), sep="\n")
        if changed:
            variant.path.write_text(now)
    for path in [] if names else variants["tiny"].path.parent.glob("*.txt"):
        if path.stem not in variants:
            path.unlink()
            print(f"{path.stem}: removed, there is no such variant")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
