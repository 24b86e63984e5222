"""What the commands on checkpoints print, as JSON values and as text."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirasol.commands.printing import columns

if TYPE_CHECKING:
    from mirasol.checkpoint.comparison import Comparison
    from mirasol.checkpoint.manifest import Manifest
    from mirasol.checkpoint.places import Place
    from mirasol.checkpoint.survey import Found
    from mirasol.checkpoint.verification import Verdict

Content = dict[str, Any]


def listing(found: Sequence[Found]) -> Content:
    """Returns what lies in a folder."""
    complete = [each.folder for each in found if each.condition == "complete"]
    newest = complete[-1] if complete else None
    return {
        "checkpoints": [
            {
                "folder": str(each.folder),
                "step": each.step,
                "saved": each.saved,
                "bytes": each.bytes,
                "condition": each.condition,
                "reason": each.reason,
                "newest": each.folder is newest,
            }
            for each in found
        ]
    }


def render_listing(content: Content) -> str:
    """Returns the listing as text; the newest complete checkpoint is marked."""
    rows = [("step", "saved", "size", "condition", "")]
    for each in content["checkpoints"]:
        newest = "newest" if each["newest"] else ""
        reason = f"{Path(each['folder']).name}: {each['reason']}" if each["reason"] else newest
        rows.append(
            (
                str(each["step"]),
                _time(each["saved"]),
                _size(each["bytes"]),
                each["condition"],
                reason,
            )
        )
    return "\n".join(columns(rows))


def contents(folder: Place, manifest: Manifest) -> Content:
    """Returns what a checkpoint holds; a part is the first two words of an array's name."""
    parts: dict[str, Content] = defaultdict(lambda: {"arrays": 0, "elements": 0, "bytes": 0})
    for name, entry in manifest.arrays.items():
        words = name.split(".")
        for part in dict.fromkeys((words[0], ".".join(words[:2]), "total")):
            if part != name:
                parts[part]["arrays"] += 1
                parts[part]["elements"] += math.prod(entry.shape)
                parts[part]["bytes"] += entry.bytes
    return {
        "folder": str(folder),
        "saved": manifest.saved,
        "arrays": {
            name: {"dtype": entry.dtype, "shape": list(entry.shape), "bytes": entry.bytes}
            for name, entry in manifest.arrays.items()
        },
        "parts": {
            name: parts[name] for name in sorted(parts, key=lambda part: (part == "total", part))
        },
        "values": dict(manifest.values),
        "files": {name: entry.bytes for name, entry in manifest.files.items()},
    }


def render_contents(content: Content) -> str:
    """Returns the contents as text."""
    arrays = [
        (name, each["dtype"], str(each["shape"]), _size(each["bytes"]))
        for name, each in content["arrays"].items()
    ]
    parts = [
        (name, f"{each['arrays']:,}", f"{each['elements']:,}", _size(each["bytes"]))
        for name, each in content["parts"].items()
    ]
    return _joined(
        f"{content['folder']}, saved {_time(content['saved'])}",
        _block("Arrays", columns(arrays)),
        _block("Parts", columns([("", "arrays", "elements", "size"), *parts] if parts else [])),
        _block("Values", [f"{name} = {json.dumps(v)}" for name, v in content["values"].items()]),
    )


def differences(a: Place, b: Place, found: Comparison) -> Content:
    """Returns what sets two checkpoints apart."""
    return {
        "a": str(a),
        "b": str(b),
        "same": found.same,
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
        "changed": {name: {"a": x, "b": y} for name, (x, y) in found.changed.items()},
        "arrays": {
            name: {"bit_equal": largest is None, "largest_difference": largest or 0.0}
            for name, largest in found.arrays.items()
        },
        "values": {name: {"a": x, "b": y} for name, (x, y) in found.values.items()},
    }


def render_differences(content: Content) -> str:
    """Returns the differences as text, `a -> b`; arrays that are bit-equal are only counted."""
    arrays = content["arrays"]
    unequal = [
        (name, f"{each['largest_difference']:.6g}")
        for name, each in arrays.items()
        if not each["bit_equal"]
    ]
    changed = [(name, each["a"], "->", each["b"]) for name, each in content["changed"].items()]
    values = [
        f"{name}: {json.dumps(each['a'])} -> {json.dumps(each['b'])}"
        for name, each in content["values"].items()
    ]
    same = "the same, bit for bit: " if content["same"] else ""
    return _joined(
        f"a  {content['a']}\nb  {content['b']}",
        _block("Only in a", content["only_a"]),
        _block("Only in b", content["only_b"]),
        _block("Of another shape or dtype", columns(changed)),
        _block("Largest absolute difference", columns(unequal)),
        _block("Values", values),
        f"{same}{len(arrays) - len(unequal)} of {len(arrays)} shared arrays are bit-equal",
    )


def verdicts(found: Sequence[Verdict]) -> Content:
    """Returns what was read, and what of it is damaged."""
    return {
        "sound": all(each.sound for each in found),
        "checkpoints": [
            {
                "folder": str(each.folder),
                "sound": each.sound,
                "arrays": each.arrays,
                "bytes": each.bytes,
                "faults": dict(each.faults),
            }
            for each in found
        ],
    }


def render_verdicts(content: Content) -> str:
    """Returns a line a checkpoint, and one a fault."""
    lines = []
    for each in content["checkpoints"]:
        read = f"{each['arrays']:,} arrays, {_size(each['bytes'])}"
        if each["sound"]:
            lines.append(f"{each['folder']} is sound: {read}, every byte read")
        else:
            lines.append(f"{each['folder']} is DAMAGED; sound in it: {read}")
        lines += [f"  {name}: {fault}" for name, fault in each["faults"].items()]
    return "\n".join(lines)


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""


def _joined(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} B"


def _time(saved: str) -> str:
    return saved.replace("T", " ").replace("+00:00", " UTC") or "unknown"
