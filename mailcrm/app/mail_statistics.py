"""Statistics of mail: how much came and went, and how soon it was answered. Months and days are those of UTC.

Who is no admin sees his own figures; the operator and admins see everybody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.answering import ALL, Sum, quantiles
from mailcrm.core.series import Days, Series, months, named
from mailcrm.errors import Refused
from mailcrm.store import counting, users
from mailcrm.store.counting import Summed

EXACT = 5_000
"""Answers up to which medians are those of the times themselves; of more, of rounded ones (``answering.rounded``)."""


class Answering(Struct, frozen=True, tag="mail", tag_field="table"):
    """Mail of humans that came and went.

    Args:
        user: key; None: all mail, each message once.
        month: ``2026-03``; None: all the days.
        replied: how many of those received were answered by one of ours; ``share``: of all received, 0 to 1.
        answered: how many this user answered himself, ``median``, ``p90`` and ``mean`` seconds after they came.
    """

    user: str | None
    month: str | None
    received: int
    replied: int
    share: float | None
    sent: int
    answered: int
    median: float | None
    p90: float | None
    mean: float | None


class Monthly(Answering, frozen=True, tag="mail by month", tag_field="table"):
    """The same of one month."""


class MailFigures(Struct, frozen=True):
    """What is told of mail.

    Args:
        waiting: changes of threads that are not counted yet (at most 1,000 are told).
    """

    rows: list[Answering]
    by_month: list[Monthly]
    series: list[Series]
    waiting: int = 0


_MOST_WAITING = 1_000
Row = TypeVar("Row", bound=Answering)


def mail(context: Context, actor: Actor, days: Days, owner: int | None = None) -> MailFigures:
    """What is counted of the mail of these days; answers count on the day when the mail came that they answer.

    Args:
        owner: id of a user: only his.

    Raises:
        Refused: somebody else's, for one who is no admin.
    """
    whose = _whose(context, actor, owner)
    with context.db.read() as connection:
        names = {each.id: each.key for each in users.every(connection)}
        waiting = counting.pending(connection, _MOST_WAITING)
        bounds = counting.bounds(connection)
        if bounds is None:
            return MailFigures([], [], [], waiting)
        pieces = days.pieces(*bounds)
        found = counting.sums(connection, pieces, user=whose)
        _fill_in_times(connection, days, bounds, found, whose)
    total, monthly = defaultdict[int, Sum](Sum), dict[tuple[int, date], Sum]()
    for each in found:
        total[each.key.user].add(each.sum)
        key = each.key.user, each.key.first_day.replace(day=1)
        if key in monthly:
            monthly[key].add(each.sum)
        else:
            monthly[key] = each.sum
    order = sorted(total, key=lambda user: (user != ALL, names.get(user, "")))
    rows = [_row(Answering, names.get(user), None, total[user]) for user in order]
    place = {user: number for number, user in enumerate(order)}
    by_month = [
        _row(Monthly, names.get(user), month, monthly[user, month])
        for user, month in sorted(monthly, key=lambda key: (place[key[0]], key[1]))
    ]
    return MailFigures(rows, by_month, list(_series(by_month)), waiting)


def _whose(context: Context, actor: Actor, owner: int | None) -> int | None:
    if may(context.config, actor, "admin"):
        return owner
    if owner not in (None, actor.id):
        raise Refused("how soon others answer is for admins to see; leave --owner out, or name yourself")
    return actor.id


def _fill_in_times(
    connection: Connection, days: Days, bounds: tuple[date, date], found: Sequence[Summed], whose: int | None
) -> None:
    """Few times are read as they were, many out of the sums of months."""
    all_answers = sum(each.sum.answered for each in found if each.key.user == (ALL if whose is None else whose))
    if not all_answers:
        return
    pieces = days.pieces(*bounds)
    if all_answers <= EXACT:
        first = max(bounds[0], days.since or bounds[0])
        pieces = [("day", first, min(bounds[1], days.until or bounds[1]))]
    by_month = {(each.key.user, each.key.first_day.replace(day=1)): each.sum for each in found if each.sum.answered}
    for each in counting.sums(connection, pieces, user=whose, times=True, with_answers=True):
        place = by_month.get((each.key.user, each.key.first_day.replace(day=1)))
        if place is not None:  # it was counted a moment ago
            place.times.update(each.sum.times)


def _row(kind: type[Row], user: str | None, month: date | None, one: Sum) -> Row:
    median, tenth = quantiles(one.times, 0.5, 0.9)
    return kind(
        user,
        None if month is None else named(month),
        one.received,
        one.replied,
        round(one.replied / one.received, 4) if one.received else None,
        one.sent,
        one.answered,
        None if median is None else round(median, 1),
        None if tenth is None else round(tenth, 1),
        round(one.seconds / one.answered, 1) if one.answered else None,
    )


def _series(by_month: Sequence[Answering]) -> Iterator[Series]:
    if not by_month:
        return
    found = sorted({each.month or "" for each in by_month})
    first, last = (date.fromisoformat(f"{month}-01") for month in (found[0], found[-1]))
    line = [named(month) for month in months(first, last)]
    for user, rows in groupby(by_month, key=lambda each: each.user):
        mine = {each.month: each for each in rows}
        for name in ("received", "sent", "answered"):
            points = tuple((month, int(getattr(mine[month], name)) if month in mine else 0) for month in line)
            yield Series(f"mail {name}", "messages", points, user)
        for name, field in (("median", "median"), ("90 % within", "p90")):
            times = ((month, getattr(mine[month], field)) for month in line if month in mine)
            answered = tuple((month, seconds) for month, seconds in times if seconds is not None)
            yield Series(f"time to answer, {name}", "seconds", answered, user)
