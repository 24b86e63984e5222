"""What sets two experiments apart, by meaning: not how they are written, but what they build.

{"same": bool, "macros": [...], "arguments": [...], "tokens": [...], "parameters": [...],
 "forward_flops": [...], "backward_flops": [...], "activation_bytes": [...], "memory": [...],
 "shapes": [...]}, each item {"name", "a", "b"}, with null where one side has nothing of the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mirasol.config import Spec
from mirasol.description import text
from mirasol.description.report import Description, describe

Differences = dict[str, Any]
_TITLES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "macros": ("Macros", str),
    "arguments": ("Arguments", str),
    "tokens": ("Tokens a chunk", str),
    "parameters": ("Parameters", "{:,}".format),
    "forward_flops": ("Forward, GFLOP of one example", text.operations),
    "backward_flops": ("Backward, GFLOP of one example", text.operations),
    "activation_bytes": ("Activations of a step", text.size),
    "memory": ("Memory of a step", text.size),
    "shapes": ("Shapes", str),
}


def differences(a: Spec, b: Spec) -> Differences:
    """Compares two experiments; of equal ones every list is empty.

    Raises:
      ValueError: one of them is refused, as by `train`.
    """
    found: Differences = dict.fromkeys(_TITLES, ())
    if a.meaning != b.meaning:
        ours, theirs = _facts(describe(a)), _facts(describe(b))
        found |= {kind: _unequal(ours[kind], theirs[kind]) for kind in ours}
        found["macros"] = _unequal(_as_text(a.macros), _as_text(b.macros))
        found["arguments"] = _unequal(a.meaning, b.meaning)
    return {"same": a.meaning == b.meaning, **{kind: list(found[kind]) for kind in _TITLES}}


def render(found: Differences) -> str:
    """Returns the differences as text, `a -> b`."""
    if found["same"]:
        return "the same experiment"
    sections = []
    for kind, (title, written) in _TITLES.items():
        rows = [
            (_short(item["name"]), _side(item["a"], written), "->", _side(item["b"], written))
            for item in found[kind]
        ]
        lines = [f"  {name:<30}  {a} {arrow} {b}" for name, a, arrow, b in rows]
        sections += ["\n".join([title, *lines])] if lines else []
    return "\n\n".join(sections)


def _facts(description: Description) -> dict[str, dict[str, Any]]:
    """Returns kind -> name -> value of what is compared besides the configuration."""
    parts = [*description["parts"], {"name": "total", **description["total"]}]
    return {
        "tokens": description["tokens"],
        **{
            kind: {part["name"]: part[kind] for part in parts}
            for kind in ("parameters", "forward_flops", "backward_flops", "activation_bytes")
        },
        "memory": description["memory"],
        "shapes": {entry["name"]: text.shape(entry) for entry in description["shapes"]},
    }


def _unequal(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "a": a.get(name), "b": b.get(name)}
        for name in {**a, **b}
        if a.get(name) != b.get(name)
    ]


def _as_text(macros: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in macros.items()}


def _side(value: Any, written: Callable[[Any], str]) -> str:
    return "nothing" if value is None else written(value)


def _short(name: str) -> str:
    """Returns a parameter without its module: scope/Class.parameter."""
    scope, slash, rest = name.rpartition("/")
    return scope + slash + ".".join(rest.split(".")[-2:])
