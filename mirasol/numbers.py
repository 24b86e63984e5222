"""Numbers from a specification, checked where they enter."""

from __future__ import annotations


def require_positive(owner: str, **numbers: int | None) -> None:
    """Checks that each number is whole and above 0; None, where a number may be absent, passes.

    Raises:
      ValueError: names the owner, the field and what it got.
    """
    for name, value in numbers.items():
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{owner}.{name} is {value!r}; it must be a whole number above 0")
