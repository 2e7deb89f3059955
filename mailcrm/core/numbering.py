"""The names of documents in a series: ``FV/2026/0001``."""

from __future__ import annotations

import re
from datetime import date
from string import Formatter
from typing import Literal, TypeAlias

Period: TypeAlias = Literal["yearly", "monthly", "never"]
"""How often a series begins anew with 1."""

MOST = 80
_NUMBER = re.compile(r"(0\d{1,2})?")
_ROOM = 12  # characters of a name that are left for what stands in its fields
_NEEDED = {"yearly": {"year"}, "monthly": {"year", "month"}, "never": set[str]()}
_KNOWN = ("number", "year", "month")


def check(pattern: str, period: Period) -> None:
    """See that a pattern names every document of a series otherwise.

    Args:
        pattern: text with ``{number}`` (or ``{number:04}``: at least so many digits), ``{year}`` and ``{month}``.

    Raises:
        ValueError: it does not; the text says what to write.
    """
    found = _fields(pattern)
    names = [name for name, _ in found]
    if unknown := [name for name in names if name not in _KNOWN]:
        raise ValueError(f"{{{unknown[0]}}} is not known; write {{number}}, {{year}} or {{month}}")
    if names.count("number") != 1:
        raise ValueError(f"{pattern!r} must have {{number}} once, as FV/{{year}}/{{number:04}} has")
    for name, form in found:
        if not (_NUMBER.fullmatch(form) if name == "number" else form == ""):
            raise ValueError(f"{{{name}:{form}}} can't be written so; write {{number:04}}, {{year}} or {{month}}")
    if lacking := sorted(_NEEDED[period] - set(names), reverse=True):
        raise ValueError(f"{pattern!r} begins anew {period}, so it needs {{{lacking[0]}}}: numbers would come twice")
    if not literal(pattern).isprintable() or len(literal(pattern)) > MOST - _ROOM - 20:
        raise ValueError(f"{pattern!r} is too long, or has characters that can't be printed")


def literal(pattern: str) -> str:
    """A pattern's text without its fields: two series where it is the same could give two documents one name."""
    return "".join(text for text, *_ in Formatter().parse(pattern))


def period_of(period: Period, day: date) -> str:
    """The stretch within which numbers rise: ``2026``, ``2026-11``, or "" for good."""
    return {"yearly": f"{day:%Y}", "monthly": f"{day:%Y-%m}", "never": ""}[period]


def name_of(pattern: str, number: int, day: date) -> str:
    """The name of the document with this number, issued on that day."""
    return pattern.format(number=number, year=f"{day:%Y}", month=f"{day:%m}")


def _fields(pattern: str) -> list[tuple[str, str]]:
    try:
        parsed = list(Formatter().parse(pattern))
    except ValueError as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}") from None
    if any(conversion for *_, conversion in parsed):
        raise ValueError(f"{pattern!r}: write fields without '!'")
    return [(name, form or "") for _, name, form, _ in parsed if name is not None]
