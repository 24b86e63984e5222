"""A description as text; everything in it is read from the description."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from mirasol.checkpoint.fitting import some
from mirasol.description.report import Description
from mirasol.description.tree import Node

_CHANGED = "*"
_UNITS = (("B", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9))


def render(description: Description) -> str:
    """Returns the description as text."""
    sections = [
        (f"Experiment {description['experiment']!r}", _tree(description["tree"])),
        ("Parts", _parts(description)),
        *_rules(description["training"]),
        ("Memory of a training step", _memory(description)),
        *_asked(description),
        ("Tokens a chunk", _tokens(description["tokens"])),
        ("One batch, shape by shape", _shapes(description["shapes"])),
    ]
    return "\n\n".join(
        f"{title}\n" + "\n".join(f"  {line}".rstrip() for line in lines)
        for title, lines in sections
    )


def size(count: float) -> str:
    """Returns bytes in a unit that leaves few digits before the point."""
    unit, scale = next((unit for unit in _UNITS if count < 10_000 * unit[1]), _UNITS[-1])
    return f"{count / scale:,.{0 if count >= 100 * scale else 1}f} {unit}"


def operations(count: float) -> str:
    """Returns a number of operations in GFLOP."""
    return f"{count / 1e9:,.3f}" if count < 1e11 else f"{count / 1e9:,.0f}"


def shape(entry: dict[str, Any]) -> str:
    """Returns a tensor's sizes and its dtype."""
    sizes = " x ".join(map(str, entry["shape"])) or "scalar"
    return f"{sizes}  {entry['dtype']}"


def _tree(root: Node) -> Iterator[str]:
    yield f"{_CHANGED} not the default"
    for argument in root["arguments"]:
        yield from _argument(argument, "")


def _argument(argument: dict[str, Any], indent: str) -> Iterator[str]:
    name, parts = argument["name"], argument["parts"]
    mark = _CHANGED if argument["state"] == "changed" else " "
    if not parts:
        macro = f" ({argument['macro']})" if argument["macro"] else ""
        was = f", not {argument['default']}" if argument["state"] == "changed" else ""
        yield f"{mark} {indent}{name} = {argument['value']}{was}{macro}"
    for index, node in enumerate(parts):
        which = name if len(parts) == 1 else f"{name}[{index}]"
        scope = f" ({node['scope']})" if node["scope"] else ""
        yield f"{mark} {indent}{which}: {node['part']}{scope}"
        for inner in node["arguments"]:
            yield from _argument(inner, indent + "  ")


def _parts(description: Description) -> list[str]:
    example, total = description["example"], description["total"]
    titles = "", "parameters", "", "forward", "backward", "activations"
    rows: list[Sequence[str]] = [titles]
    for part in [*description["parts"], {"name": "total", **total}]:
        rows.append(
            (
                part["name"],
                f"{part['parameters']:,}",
                f"{part['parameters'] / total['parameters']:.1%}",
                operations(part["forward_flops"]),
                operations(part["backward_flops"]),
                size(part["activation_bytes"]),
            )
        )
    return [
        *aligned(rows),
        "",
        f"Forward and backward: GFLOP of one example, a clip of {example['chunks']} chunks "
        f"({example['frames']} frames) with {example['questions']} questions.",
        "Activations: of a training step's batch, at its peak.",
    ]


def _rules(training: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if training["rules"]:
        lines = [f"{training['trained']:,} parameters are trained, {training['frozen']:,} frozen"]
        for rule in training["rules"]:
            names = rule["names"]
            lines.append(f"{rule['rule']}: {len(names)} tensors, {rule['parameters']:,} parameters")
            lines.append(f"  {some(names)}")
        yield "Rules for parameters", lines


def _memory(description: Description) -> list[str]:
    memory = description["memory"]
    rows = [(name, size(count)) for name, count in memory.items()]
    rows.append(("total", size(sum(memory.values()))))
    stages = [
        f"{stage['task']}: {stage['examples']} examples a step, activations "
        f"{size(stage['activation_bytes'])}"
        for stage in description["stages"]
    ]
    return [*aligned(rows), *stages]


def _asked(description: Description) -> Iterator[tuple[str, list[str]]]:
    mesh, time = description["mesh"], description["time"]
    if mesh:
        clips = f"{mesh['examples']} clips a step"
        if mesh["microbatches"] > 1:
            clips += f" in {mesh['microbatches']} microbatches"
        axes = " x ".join(f"{axis} {count}" for axis, count in mesh["mesh"].items())
        yield f"One of {mesh['devices']} devices, {clips} ({axes})", _device(mesh)
    if time:
        duration = datetime.timedelta(seconds=round(time["seconds"]))
        lines = [
            f"{time['steps_done']} steps done, {time['steps_left']} left: {duration} "
            f"(rate: {time['rate']})",
            *(f"- {line}" for line in time["assumptions"]),
        ]
        yield "Time to the end", lines


def _device(mesh: dict[str, Any]) -> list[str]:
    """Tells what a device holds, what it sends, and what that means on its kind."""
    machine = mesh["machine"]
    held = [(name, size(count)) for name, count in mesh["bytes"].items()]
    room = f", of {size(machine['memory_bytes'])} of a {machine['title']}" if machine else ""
    held.append(("total", size(mesh["total_bytes"]) + room))
    took = machine["messages_s"] if machine else {}
    moved = [
        (f"sent over {axis}", size(count), *([_milliseconds(took[axis])] if machine else []))
        for axis, count in mesh["sent_bytes"].items()
        if mesh["mesh"][axis] > 1
    ]
    done = f"{operations(mesh['operations'])} GFLOP"
    work = ("arithmetic", done, *([_milliseconds(machine["arithmetic_s"])] if machine else []))
    assumed = [f"- {line}" for line in mesh["assumptions"]]
    return [*aligned(held), "", *aligned([*moved, work]), *assumed]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"


def _tokens(tokens: dict[str, int]) -> list[str]:
    video, audio = tokens["video"], tokens["audio"]
    return [
        f"video {video} + audio {audio} = {video + audio} into the Combiner",
        f"{tokens['combined']} out of it, into the latent model and the text decoder",
    ]


def _shapes(steps: list[dict[str, Any]]) -> list[str]:
    return [f"{step['name']:<21}{shape(step)}" for step in steps]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns rows as lines, the first column set to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines
