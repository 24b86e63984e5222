"""Types every name in the shipped gin files wrongly, one slip at a time, and asks `check`.

    python tools/fuzz_gin.py                       every file: half an hour on one core
    python tools/fuzz_gin.py --file=runs/manifest.gin --sample=200

A slip is a letter left out, a letter twice, or two neighbours swapped, in any identifier and in any
text that names something (a parameter annotated `str` is free text). It must be rejected, or leave
the experiment what it was. Exits with 1 if a slip passes, or if fewer than 95 % of those that are
rejected are told the right name first.
"""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import dataclasses
import io
import os
import random
import re
import shutil
import sys
import tempfile
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from mirasol import config
from mirasol.findings import ExperimentError, Finding
from mirasol.gin_files import runs, shipped_folder
from mirasol.value_types import parameter_types
from mirasol.wiring import MACRO, Key, references

ENOUGH_RIGHT = 0.95
REJECTED, UNCHANGED, ACCEPTED = "rejected", "unchanged", "WRONGLY accepted"
_OFFER = re.compile(r"did you mean '?([^'?]+?)'?\?")


@dataclasses.dataclass(frozen=True)
class Name:
    """A name in a gin file, without quotes; `column` is of its first letter."""

    line: int
    column: int
    text: str
    in_quotes: bool


@dataclasses.dataclass(frozen=True)
class Slip:
    """A name typed wrongly."""

    file: str
    name: Name
    wrong: str
    kind: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a slip: REJECTED (and whether told the right name first), or not."""

    slip: Slip
    outcome: str
    right: bool = False
    said: str = ""


def slips(name: Name, file: str) -> Iterator[Slip]:
    """Yields each deletion, doubling and swap of letters that makes another text."""
    text = name.text
    for i in range(len(text)):
        made = {
            "left out": text[:i] + text[i + 1 :],
            "doubled": text[: i + 1] + text[i:],
            "swapped": text[:i] + text[i : i + 2][::-1] + text[i + 2 :],
        }
        for kind, wrong in made.items():
            if wrong != text:
                yield Slip(file, name, wrong, kind)


def names(text: str) -> Iterator[Name]:
    """Yields every identifier and every text in quotes."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line, column = token.start
        if token.type == tokenize.NAME:
            yield Name(line, column, token.string, False)
        elif token.type == tokenize.STRING:
            yield Name(line, column + 1, ast.literal_eval(token.string), True)


class Bench:
    """A shipped file with what makes an experiment of it, in the working directory."""

    def __init__(self, file: str):
        self.file = file
        self.text = Path(file).read_text(encoding="utf-8")
        self.files = _whole(file)
        self.meaning = config.load(self.files).meaning

    def slips(self) -> list[Slip]:
        """Returns every slip in every name of the file."""
        free = self._free_texts()
        return [
            slip
            for name in names(self.text)
            if (name.line, name.text) not in free or not name.in_quotes
            for slip in slips(name, self.file)
        ]

    def try_out(self, slip: Slip) -> Verdict:
        """Returns what becomes of the file with the slip in it."""
        lines = self.text.splitlines(keepends=True)
        line, start = lines[slip.name.line - 1], slip.name.column
        end = start + len(slip.name.text)
        lines[slip.name.line - 1] = line[:start] + slip.wrong + line[end:]
        Path(self.file).write_text("".join(lines), encoding="utf-8")
        try:
            if config.load(self.files).meaning == self.meaning:
                return Verdict(slip, UNCHANGED)
            config.check(self.files)
        except ExperimentError as error:
            return Verdict(slip, REJECTED, _told(slip, error.findings), str(error))
        finally:
            Path(self.file).write_text(self.text, encoding="utf-8")
        return Verdict(slip, ACCEPTED)

    def require_soundness(self) -> None:
        """Raises ExperimentError if something is wrong with the file before any slip."""
        config.check(self.files)

    def _free_texts(self) -> set[tuple[int, str]]:
        """Returns line and text of the values of parameters that any text will do for."""
        examined = config.examine(self.files, (), config.ROOT)
        wiring, bound = examined.wiring, examined.bound
        assert wiring is not None
        free: set[tuple[Key, str]] = set()
        naming: set[tuple[Key, str]] = set()
        for part in wiring.objects():
            known = parameter_types(part.reference.target)
            for parameter, value in wiring.values(part).items():
                kept = free if known.get(parameter) is str else naming
                kept |= {(part.origin[parameter], parameter)}
                kept |= {
                    ((wiring.macro(each) or "", MACRO), "value")
                    for each in references(value)
                    if each.is_macro
                }
        return {
            (statement.binding.line, statement.binding.value)
            for bound_name, statement in bound.statements.items()
            if bound_name in free - naming and isinstance(statement.binding.value, str)
        }


@contextlib.contextmanager
def copied() -> Iterator[None]:
    """Works in a copy of the shipped files, which are found from here before the real ones."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(shipped_folder(), folder, dirs_exist_ok=True)
        os.chdir(folder)
        Path("manifest.jsonl").write_text("")  # That of runs/manifest.gin.
        try:
            yield
        finally:
            os.chdir(before)


def shipped_files() -> list[str]:
    """Returns every shipped gin file."""
    folder = shipped_folder()
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.gin"))


def fuzz(files: Sequence[str], sample: int | None = None, seed: int = 0) -> list[Verdict]:
    """Returns the verdicts on all slips in the files, or on a sample of so many."""
    with copied():
        benches = {file: Bench(file) for file in tqdm(files, desc="files", disable=None)}
        chosen = [slip for bench in benches.values() for slip in bench.slips()]
        if sample is not None:
            chosen = random.Random(seed).sample(chosen, min(sample, len(chosen)))
        return [benches[slip.file].try_out(slip) for slip in tqdm(chosen, disable=None)]


def share_right(verdicts: Sequence[Verdict]) -> float:
    """Returns the share of the rejected that were told the right name first."""
    rejected = [verdict for verdict in verdicts if verdict.outcome == REJECTED]
    return sum(verdict.right for verdict in rejected) / max(len(rejected), 1)


def table(verdicts: Sequence[Verdict]) -> str:
    """Returns counts for each way to slip, and the slips that passed or were told another name."""
    lines = ["| slip | mutants | rejected | unchanged | WRONGLY accepted | right name first |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    kinds = sorted({verdict.slip.kind for verdict in verdicts})
    for title, mine in [
        *((kind, [each for each in verdicts if each.slip.kind == kind]) for kind in kinds),
        ("all", list(verdicts)),
    ]:
        counts = collections.Counter(each.outcome for each in mine)
        outcomes = " | ".join(str(counts[name]) for name in (REJECTED, UNCHANGED, ACCEPTED))
        lines.append(f"| {title} | {len(mine)} | {outcomes} | {share_right(mine):.1%} |")
    return "\n".join(lines)


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", action="append", help="a shipped file; all by default")
    parser.add_argument("--sample", type=int, help="so many slips, drawn; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--show", type=int, default=20, help="rejections without the right name")
    given = parser.parse_args()
    verdicts = fuzz(given.file or shipped_files(), given.sample, given.seed)
    wrong = [each for each in verdicts if each.outcome == ACCEPTED]
    astray = [each for each in verdicts if each.outcome == REJECTED and not each.right]
    for verdict in [*wrong, *astray[: given.show]]:
        slip = verdict.slip
        where = f"{slip.file} line {slip.name.line}"
        print(f"{verdict.outcome}: {where}: {slip.name.text!r} as {slip.wrong!r} {verdict.said}")
    print(table(verdicts))
    return int(bool(wrong) or share_right(verdicts) < ENOUGH_RIGHT)


def _whole(file: str) -> list[str]:
    """Returns files that state an experiment of which the file is a part."""
    whole = runs()
    if file in whole:
        return [file]
    for run in ("runs/av_shapes_tiny.gin", *whole):
        if file in _included(run):
            return [run]
    if Path(file).parent.name == "models":  # A size, made for frames of 224 px.
        return ["runs/av_shapes_tiny.gin", "data/frames_16.gin", file]
    return ["runs/av_shapes_tiny.gin", file]


def _included(file: str) -> set[str]:
    inner = re.findall(r"^include '(.*)'", Path(file).read_text(encoding="utf-8"), re.MULTILINE)
    return {*inner, *(each for name in inner for each in _included(name))}


def _told(slip: Slip, findings: Sequence[Finding]) -> bool:
    """Returns whether the finding about the slip's place offers the right name first."""
    offers = []
    for finding in findings:
        found = _OFFER.search(finding.message)
        place = re.fullmatch(rf"{re.escape(slip.file)} line (\d+)", finding.place)
        if found and place and int(place[1]) <= slip.name.line:
            offers.append((int(place[1]), found[1]))
    if not offers:
        return False
    last = max(line for line, _ in offers)
    first = next(offer for line, offer in offers if line == last)
    return slip.name.text == first or slip.name.text in re.split(r"[./ ]", first)


if __name__ == "__main__":
    sys.exit(main())
