"""What a field holds, compared with what a definition asks.

Fields hold what people typed or a sheet brought, so a number is often text. It is read as an import reads it
(``cells``): "1 200,50 zł" is 1200.5, "1.234" is 1234 (a sign before three digits groups thousands), and of 3/4/2026 the
day stands first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from mailcrm.core import cells
from mailcrm.core.cells import BadCell

Value: TypeAlias = str | int | float | Decimal | bool | date | datetime

_WORDS = {**dict.fromkeys(("true", "yes", "tak", "1"), True), **dict.fromkeys(("false", "no", "nie", "0"), False)}
_PLAIN = re.compile(r"[+\-]?[\d\s]+(?:[.,]\d+)?")
_YEAR = re.compile(r"\d\d")  # quicker than to try
_LONGEST = 200


def folded(value: object) -> str:
    """Text by which two spellings are told to be one: without case and outer blanks, inner ones single."""
    return " ".join(str(value).split()).casefold()


def listed(value: object) -> tuple[Value, ...]:
    """One value or several, as several; none for None."""
    if value is None:
        return ()
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(value)
    return (value,) if isinstance(value, Value) else (str(value),)


def same(value: Value, wanted: Value) -> bool:
    """Whether two values are one: as truths or numbers where one of them is of that type, as dates where both are
    dates, else as text.

    So "00950" is not "950", but it is the number 950; and "31.01.2026" is "2026-01-31".
    """
    if isinstance(value, bool) or isinstance(wanted, bool):
        return _truth(value) is not None and _truth(value) is _truth(wanted)
    if isinstance(value, str) and isinstance(wanted, str) and folded(value) == folded(wanted):
        return True
    if _moment(wanted) is not None:
        return compared(value, wanted) == 0
    if isinstance(value, str) and isinstance(wanted, str):
        return False
    return _number(value) is not None and _number(value) == _number(wanted)


def text_key(wanted: object) -> str | None:
    """What stands for a text in an index: a text is ``same`` as ``wanted`` where their keys are one.

    None where that is not all there is to it: for what is no text, or reads as a date.
    """
    return folded(wanted) if isinstance(wanted, str) and _moment(wanted) is None else None


def compared(value: Value, limit: Value) -> int | None:
    """-1, 0 or 1 as ``value`` lies below, at or above the limit; None if it is not of the limit's sort.

    Args:
        limit: a number, or a date; one without a time is compared by the day. Dates without a zone are in UTC.

    Raises:
        ValueError: the limit is neither.
    """
    day = _moment(limit)
    if day is not None:
        there = _moment(value)
        if there is None:
            return None
        if _is_whole_day(limit):
            day, there = _midnight(day), _midnight(there)
        return (there > day) - (there < day)
    number = _number(limit)
    if number is None:
        raise ValueError(f"{spelt((limit,))} is neither a number nor a date")
    found = _number(value)
    return None if found is None else (found > number) - (found < number)


def spelt(values: Iterable[object], between: str = ", ") -> str:
    """Values as a person would read them, in their order; at most 200 characters."""
    text = between.join(_word(value) for value in values)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _word(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value[:_LONGEST]}"'
        case datetime():
            return value.isoformat(" ", "minutes")
    return str(value)


def _truth(value: Value) -> bool | None:
    return value if isinstance(value, bool) else _WORDS.get(folded(value))


def _number(value: Value) -> Decimal | None:
    if isinstance(value, date) or (isinstance(value, str) and _moment(value) is not None):
        return None
    return value if isinstance(value, Decimal) else cells.number(value)


def _moment(value: Value) -> datetime | None:
    """The date that a value is; a bare number is none."""
    if isinstance(value, str):
        if not _YEAR.search(value) or _PLAIN.fullmatch(value.strip()):
            return None
    elif not isinstance(value, date):
        return None
    try:
        return cells.moment(value)
    except BadCell:
        return None


def _is_whole_day(value: Value) -> bool:
    return not isinstance(value, datetime) and ":" not in str(value)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time(), UTC)
