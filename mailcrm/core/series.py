"""Figures over time: which days are meant, and what a chart is drawn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

Value = int | float
_ENDLESS = 400 * 12  # months; more lie between no two days of a calendar that anybody writes mail by


@dataclass(frozen=True, slots=True)
class Days:
    """From the one day to the other, both included, in UTC; None: without a bound."""

    since: date | None = None
    until: date | None = None

    def holds(self, month: date) -> bool:
        """Whether some day of the month that begins on this day is meant."""
        return (self.since is None or following(month) > self.since) and (self.until is None or month <= self.until)

    @property
    def instants(self) -> tuple[datetime | None, datetime | None]:
        """The first instant that is meant, and the first after it that is not."""
        return (
            None if self.since is None else datetime(*self.since.timetuple()[:3], tzinfo=UTC),
            None if self.until is None else datetime(*self.until.timetuple()[:3], tzinfo=UTC) + timedelta(days=1),
        )

    def pieces(self, first: date, last: date) -> list[tuple[str, date, date]]:
        """The days that are meant of those from ``first`` to ``last``: whole months, and single days at the ends.

        Each piece is "day" or "month", with the first and the last day on which a span of it begins.
        """
        first, last = max(first, self.since or first), min(last, self.until or last)
        if self.since is None or first > self.since:
            first = first.replace(day=1)  # no day of that month is left out
        if self.until is None or last < self.until:
            last = following(last.replace(day=1)) - timedelta(days=1)
        if first > last:
            return []
        whole = first if first.day == 1 else following(first.replace(day=1))
        after = following(last.replace(day=1)) if (last + timedelta(days=1)).day == 1 else last.replace(day=1)
        if whole >= after:
            return [("day", first, last)]
        found = [("month", whole, (after - timedelta(days=1)).replace(day=1))]
        if first < whole:
            found.append(("day", first, whole - timedelta(days=1)))
        if after <= last:
            found.append(("day", after, last))
        return found


class Series(Struct, frozen=True, omit_defaults=True):
    """What a line or a row of bars is drawn from.

    Args:
        series: what it is of.
        unit: of y: messages, seconds, deals, runs, or a currency.
        points: x (a month such as 2026-03, a stage, a step) and y, in order.
        user: key of whom it is of.
        flow: name of the flow that it is of.
    """

    series: str
    unit: str
    points: tuple[tuple[str, Value], ...]
    user: str | None = None
    flow: str | None = None


def following(month: date) -> date:
    """The first day of the month after the one that begins on this day."""
    return (month + timedelta(days=31)).replace(day=1)


def months(first: date, last: date) -> Iterator[date]:
    """The first days of all months from the one to the other: a chart has no gaps."""
    month, last = first.replace(day=1), last.replace(day=1)
    for _ in range(_ENDLESS):
        if month > last:
            return
        yield month
        month = following(month)


def named(month: date) -> str:
    """``2026-03``."""
    return f"{month:%Y-%m}"
