"""Spans of time as people write them: ``30m 4h 2d 1w`` are exact, ``1mo`` and ``1y`` go by the calendar."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

_SPAN = re.compile(r"(\d{1,6})\s*(m|h|d|w|mo|y)")
_EXACT = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

BY_THE_CALENDAR = ("mo", "y")
"""The endings of spans that have no exact length."""

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Nothing is due later: it leaves calendars room to look ahead."""


def exact(span: str) -> timedelta:
    """``5m`` as a timedelta. Raises ValueError for what is no span, and for months and years."""
    length, _ = _read(span)
    if length is None:
        raise ValueError(f"{span!r} has no exact length here; use m, h, d or w")
    return length


def before(moment: datetime, span: str) -> datetime:
    """The time that lies ``span`` before ``moment``; a day that a month lacks becomes its last.

    Raises ValueError for what is no span.
    """
    length, months = _read(span)
    if length is None:
        return _moved(moment, -months)
    try:
        return moment - length
    except OverflowError:
        return moment.replace(year=1, month=1, day=2)


def after(moment: datetime, span: str, zone: tzinfo) -> datetime:
    """The time that lies ``span`` after ``moment``, in UTC, at most ``LATEST``.

    Months and years go by the calendar and clock of ``zone``: a day that a month lacks becomes its last; a time that
    the change of clocks leaves out becomes as much later, and of one that comes twice the first is taken (as RFC 5545,
    3.3.5 has it). All else is exact, also when the clocks change.

    Raises:
        ValueError: it is no span.
    """
    length, months = _read(span)
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    try:
        if length is not None:
            return min(moment + length, LATEST)
        if months == 0:
            return moment
        there = _moved(moment.astimezone(zone), months).replace(fold=0)
        return min(there.astimezone(UTC), LATEST)
    except OverflowError:
        return LATEST


def _moved(moment: datetime, months: int) -> datetime:
    """So many calendar months later, by the moment's own clock; never before the year 1. May raise OverflowError."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year < 1:
        return moment.replace(year=1, month=1, day=2)
    if year > LATEST.year:
        raise OverflowError("beyond the calendar")
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


@lru_cache(1_000)
def _read(span: str) -> tuple[timedelta | None, int]:
    """Its exact length; or None, and how many calendar months it is."""
    match = _SPAN.fullmatch(span.strip())
    if match is None:
        raise ValueError(f"{span!r} is no span of time; write 30m, 4h, 2d, 1w, 1mo or 1y")
    number, unit = int(match[1]), match[2]
    if unit in _EXACT:
        return number * _EXACT[unit], 0
    return None, number * (12 if unit == "y" else 1)
