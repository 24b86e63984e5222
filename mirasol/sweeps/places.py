"""Where in the sweep's files a mistake comes from that was found in a trial."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mirasol.findings import Finding
from mirasol.gin_files import find
from mirasol.spelling import closest, hint
from mirasol.statements import Reader, Statement
from mirasol.sweeps.plan import Axis, Sweep, Variant, told
from mirasol.trial import Trial
from mirasol.wiring import Wiring


def placed(finding: Finding, sweep: Sweep, variant: Variant, files: Sequence[str]) -> Finding:
    """Returns the finding with the line of the sweep that it comes from."""
    flag = finding.place.removeprefix("--gin.").removeprefix("flag ")
    texts = [text for axis in sweep.axes for text in axis.labels[variant[axis.name]]]
    texts += [*sweep.bindings, *sweep.base]
    mine = [text for text in texts if flag in (text, text.partition("=")[0].strip())]
    place = _line(mine[0], files) if mine else ""
    if not place and flag == "SEED":
        place = _line("seeds", files, quoted=False)
    metric = finding.message.partition("'")[2].partition("'")[0]
    if not place and finding.message.startswith("metric "):
        place = _line(metric, files)
    if not place and finding.message.startswith("early_stop"):
        place = _line("early_stop", files, quoted=False)
    # What stands in a file of the variant has its place already.
    where = place or finding.place or files[-1]
    return Finding(where, f"{told(variant)}: {finding.message}")


def _line(text: str, files: Sequence[str], *, quoted: bool = True) -> str:
    """Returns the last line of the sweep's files that holds a text, as a place; "" for none."""
    wanted = (f"'{text}'", f'"{text}"') if quoted else (text,)
    for file in reversed(files):
        lines = find(file).read_text(encoding="utf-8").splitlines()
        for number, line in reversed(list(enumerate(lines, 1))):
            if any(each in line.partition("#")[0] for each in wanted):
                return f"{find(file)} line {number}"
    return ""


def place_of_plan(said: str, sweep: Sweep, files: Sequence[str], bindings: Sequence[str]) -> str:
    """Returns the place of what a plan refuses: what it names, was given, or the plan itself."""
    own = type(sweep.plan).__name__
    named = re.findall(r"\b(?:Sweep|" + own + r")\.\w+", said)
    statements = _statements(files, bindings)
    given = [_name(each) for each in statements if _name(each).partition(".")[0] == own]
    candidates = [*named, *given, "Sweep.plan"]
    places = (place_of_binding(each, files, bindings) for each in candidates)
    return next(filter(None, places), files[-1])


def place_of_binding(name: str, files: Sequence[str], bindings: Sequence[str]) -> str:
    """Returns the place that binds "Class.parameter" last; "" for none."""
    places = [each.place for each in _statements(files, bindings) if _name(each) == name]
    return places[-1] if places else ""


def place_of_label(axis: str, label: str, files: Sequence[str], bindings: Sequence[str]) -> str:
    """Returns the line of a label of an axis; that of all its labels where it is elsewhere."""
    statements = _statements(files, bindings)
    named = {
        each.binding.scope
        for each in statements
        if _name(each) == "Axis.name" and each.binding.value == axis
    }
    labels = [
        each for each in statements if _name(each) == "Axis.labels" and each.binding.scope in named
    ]
    if not labels:
        return ""
    last = labels[-1]
    if last.source.is_flag:
        return last.place
    behind = [each.binding.line for each in statements if each.source is last.source]
    end = min((line for line in behind if line > last.binding.line), default=None)
    lines = Path(last.source.name).read_text(encoding="utf-8").splitlines()
    key = re.compile(rf"""(['"]){re.escape(label)}\1\s*:""")
    for number in range(last.binding.line, end or len(lines) + 1):
        if key.search(lines[number - 1]):
            return last.source.place(number)
    return last.place


def _statements(files: Sequence[str], bindings: Sequence[str]) -> list[Statement]:
    reader = Reader()
    for file in files:
        reader.read_file(find(file))
    for binding in bindings:
        reader.read_flag(binding)
    return reader.statements


def _name(statement: Statement) -> str:
    return ".".join(statement.written[1:])


def once(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the findings without those that differ in their variant alone."""
    found = {
        (each.place, each.message.partition(": ")[2]): each for each in reversed(list(findings))
    }
    return list(reversed(found.values()))


def other_ends(wiring: Wiring, trial: Trial, files: Sequence[str]) -> Iterator[Finding]:
    """Yields the axis or label that may be meant by each of the baseline that there is not.

    Which of the two is misspelt nobody knows: the baseline has a finding of its own.
    """
    axes = {each.name: each for each in trial.built.values() if isinstance(each, Axis)}
    for part in wiring.objects():
        given = wiring.expand(wiring.values(part).get("baseline"))
        pairs = given.items() if part.reference.target is Sweep and isinstance(given, dict) else ()
        for name, label in pairs:
            if name in axes:
                of_axis = f"label of axis {name!r}"
                yield from _other_end(of_axis, label, axes[name].labels, files)
            else:
                yield from _other_end("axis", name, axes, files)


def _other_end(
    what: str, wanted: object, known: Collection[str], files: Sequence[str]
) -> Iterator[Finding]:
    if not isinstance(wanted, str) or wanted in known:
        return
    if near := closest(wanted, known):
        said = f"or the {what} {near!r} is misspelt, and Sweep.baseline is right{hint(wanted)}"
        yield Finding(_line(near, files), said)
