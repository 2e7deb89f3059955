"""Spans of time as people write them: ``30m 4h 2d 1w`` are exact, ``1mo`` and ``1y`` go by the calendar."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta

_SPAN = re.compile(r"(\d{1,6})\s*(m|h|d|w|mo|y)")
_EXACT = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def exact(span: str) -> timedelta:
    """``5m`` as a timedelta. Raises ValueError for what is no span, and for months and years."""
    number, unit = _read(span)
    if unit not in _EXACT:
        raise ValueError(f"{span!r} has no exact length here; use m, h, d or w")
    return number * _EXACT[unit]


def before(moment: datetime, span: str) -> datetime:
    """The time that lies ``span`` before ``moment``; a day that a month lacks becomes its last.

    Raises ValueError for what is no span.
    """
    number, unit = _read(span)
    if unit in _EXACT:
        return moment - number * _EXACT[unit]
    months = moment.year * 12 + moment.month - 1 - number * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if year < 1:
        return moment.replace(year=1, month=1, day=1)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _read(span: str) -> tuple[int, str]:
    match = _SPAN.fullmatch(span.strip())
    if match is None:
        raise ValueError(f"{span!r} is no span of time; write 30m, 4h, 2d, 1w, 1mo or 1y")
    return int(match[1]), match[2]
