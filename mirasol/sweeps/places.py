"""Where in the sweep's files a mistake comes from that was found in a trial."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from mirasol.findings import Finding
from mirasol.gin_files import find
from mirasol.spelling import closest, hint
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
