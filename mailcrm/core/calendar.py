"""When something is due: spans by the subject's clock (GRAPH-34), and the rep's working hours."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailcrm.core import spans
from mailcrm.errors import ConfigError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKDAYS = WEEKDAYS[:5]

Week: TypeAlias = tuple[tuple[tuple[int, int], ...], ...]
"""For each day from Monday when work begins and ends, in minutes since midnight by the clock on the wall."""

_PERIOD = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_COUNTRY = re.compile(r"[A-Z]{2}(?:-\S.*)?")
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_FARTHEST = 366 * 2  # days without work, after which there is none to come


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When a rep works: at every moment at which the clock in his zone shows a time of his week.

    So of an hour that comes twice both are working time, and of one that is left out none.

    Args:
        holidays: the country, or part of one, whose public holidays are free: ``PL``, ``DE-BY`` (ISO 3166); "" is none.
    """

    week: Week
    zone: ZoneInfo
    holidays: str = ""

    def opening(self, at: datetime) -> datetime:
        """``at`` if it is working time, else the next minute that is; in UTC.

        Raises:
            ConfigError: no working time comes within two years.
        """
        day = at.astimezone(self.zone).date()
        for _ in range(_FARTHEST):
            if self.week[day.weekday()] and not self._is_holiday(day):
                found = self._opening_on(day, at)
                if found is not None:
                    return found.astimezone(UTC)
            day += _DAY
        raise ConfigError(
            "working_hours: no day of work comes within two years; name more days, or a country with fewer holidays"
        )

    def _opening_on(self, day: date, at: datetime) -> datetime | None:
        for start, end, midnight in self._stretches(day):
            for opens, closes in self.week[day.weekday()]:
                found = max(at, start, midnight + opens * _MINUTE)
                if found < min(end, midnight + closes * _MINUTE):
                    return found
        return None

    def _stretches(self, day: date) -> Iterator[tuple[datetime, datetime, datetime]]:
        """The parts of a day in which the clock is not changed: start, end, and when by that clock midnight was."""
        start, end = self._midnight(day), self._midnight(day + _DAY)
        if end - start == _DAY:
            yield start, end, start
            return
        minutes = range((end - start) // _MINUTE)
        offset = self._offset(start)
        change = start + bisect_left(minutes, True, key=lambda m: self._offset(start + m * _MINUTE) != offset) * _MINUTE
        nominal = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield start, change, nominal - offset
        yield change, end, nominal - self._offset(change)

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()

    def _is_holiday(self, day: date) -> bool:
        return bool(self.holidays) and day in _holidays(self.holidays, day.year)


@dataclass(frozen=True, slots=True)
class SubjectCalendar:
    """The calendar of a subject: his zone, and the working hours of his rep (None: always at work)."""

    zone: ZoneInfo
    hours: WorkingHours | None = None

    def later(self, at: datetime, span: str) -> datetime:
        """``span`` after ``at``, in UTC: months by the subject's clock, all else exact. Raises ValueError: no span."""
        return spans.after(at, span, self.zone)

    def opening(self, at: datetime) -> datetime:
        """``at``, or the next minute of the rep's working hours, in UTC. Raises ConfigError: there is none."""
        return at if self.hours is None else self.hours.opening(at)


def zone_of(name: object) -> ZoneInfo | None:
    """The time zone of that name, as somebody typed it; None if there is none."""
    try:
        return ZoneInfo(name.strip()) if isinstance(name, str) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def subject_calendar(known: object, owner: ZoneInfo, hours: WorkingHours | None) -> SubjectCalendar:
    """The calendar of a subject whose zone may be ``known``, as stored; else it is his owner's."""
    return SubjectCalendar(zone_of(known) or owner, hours)


def week(hours: str | Mapping[str, str], days: Sequence[str] | None = None) -> Week:
    """A week of work.

    Args:
        hours: ``09:00-17:00``, several with commas between them, 24:00 for the end of the day; or such by day.
        days: of ``WEEKDAYS``, those with these hours; None: Monday to Friday. Not given where ``hours`` names days.

    Raises:
        ValueError: no such hours or day, periods that overlap, or no work at all.
    """
    if not isinstance(hours, str) and days is not None:
        raise ValueError("hours name their days already; leave days out")
    by_day = dict.fromkeys(WORKDAYS if days is None else days, hours) if isinstance(hours, str) else hours
    for day in by_day:
        if day not in WEEKDAYS:
            raise ValueError(f"there is no day {day!r}; write {', '.join(WEEKDAYS)}")
    if not by_day:
        raise ValueError("no day of work; name at least one, or leave working_hours out to be always at work")
    return tuple(_periods(by_day[day]) if day in by_day else () for day in WEEKDAYS)


def check_holidays(code: str) -> None:
    """Raises ValueError if no public holidays are known for that country or part of one (``PL``, ``DE-BY``)."""
    try:
        if _COUNTRY.fullmatch(code):
            _holidays(code, 2026)
            return
    except NotImplementedError:
        pass
    raise ValueError(f"no public holidays are known for {code!r}; write an ISO 3166 code, such as PL or DE-BY")


def _periods(text: str) -> tuple[tuple[int, int], ...]:
    found = sorted(_period(piece) for piece in text.split(","))
    for (_, closes), (opens, _) in pairwise(found):
        if opens < closes:
            raise ValueError(f"{text!r}: the hours overlap")
    return tuple(found)


def _period(text: str) -> tuple[int, int]:
    match = _PERIOD.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} are no hours; write 09:00-17:00")
    opens, closes = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if int(match[2]) > 59 or int(match[4]) > 59 or closes > 24 * 60:
        raise ValueError(f"{text!r}: there is no such time of day")
    if opens >= closes:
        raise ValueError(
            f"{text!r} end before they begin; a night is written as 22:00-24:00 and 00:00-06:00 the day after"
        )
    return opens, closes


@lru_cache(64)
def _holidays(code: str, year: int) -> frozenset[date]:
    """The public holidays of a year."""
    import holidays  # here, for it takes 60 ms and 19 MB

    country, _, part = code.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
