"""What docstrings say: purpose, arguments, errors; parsed by griffe."""

from __future__ import annotations

from collections.abc import Sequence

import griffe

_FORWARD = "forward"
_SELF = "self"
_WITH_MEANINGS = (griffe.DocstringSectionParameters, griffe.DocstringSectionAttributes)


def prose(target: griffe.Object | griffe.Alias) -> tuple[str, str]:
    """Returns the first paragraph of a docstring in one line, and the rest."""
    sections = _sections(target)
    texts = [each.value for each in sections if isinstance(each, griffe.DocstringSectionText)]
    first, _, rest = "\n\n".join(texts).partition("\n\n")
    return " ".join(first.split()), rest.strip("\n")


def meanings(target: griffe.Class | griffe.Function) -> dict[str, str]:
    """Returns argument -> meaning, those of the classes above it, too.

    A dataclass calls its arguments attributes, and two that belong together may share a line.
    """
    owners = [target, *target.mro()] if isinstance(target, griffe.Class) else [target]
    sections = [section for owner in reversed(owners) for section in _sections(owner)]
    return {
        name.strip(): " ".join(item.description.split())
        for section in sections
        if isinstance(section, _WITH_MEANINGS)
        for item in section.value
        for name in item.name.split(",")
    }


def raised(target: griffe.Object) -> tuple[tuple[str, str], ...]:
    """Returns (error, when) of each error that a docstring names."""
    return tuple(
        (str(item.annotation), " ".join(item.description.split()))
        for section in _sections(target)
        if isinstance(section, griffe.DocstringSectionRaises)
        for item in section.value
    )


def forward(target: griffe.Object) -> tuple[str, str]:
    """Returns the call of a module's `forward` and its first paragraph; "" where there is none."""
    found = target.all_members.get(_FORWARD) if isinstance(target, griffe.Class) else None
    if found is None:
        return "", ""
    function = found.final_target if isinstance(found, griffe.Alias) else found
    assert isinstance(function, griffe.Function)
    taken = [each.name for each in function.parameters if each.name != _SELF]
    return f"{_FORWARD}({', '.join(taken)})", prose(function)[0]


def _sections(target: griffe.Object | griffe.Alias) -> Sequence[griffe.DocstringSection]:
    return target.docstring.parsed if target.docstring else ()
