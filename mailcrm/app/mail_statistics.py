"""Statistics of mail: how much came and went, and how soon it was answered. Months and days are those of UTC.

Who is no admin sees his own figures; the operator and admins see everybody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from msgspec import Struct
from sqlalchemy import Connection

from mailcrm.app.acting import Actor, may
from mailcrm.app.context import Context
from mailcrm.core.answering import ALL, Sum, quantile
from mailcrm.core.series import Days, Series, Value, months, named
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


class MailFigures(Struct, frozen=True):
    """What is told of mail.

    Args:
        waiting: changes of threads that are not counted yet (at most 1,000 are told).
    """

    rows: list[Answering]
    by_month: list[Answering]
    series: list[Series]
    waiting: int = 0


_MOST_WAITING = 1_000


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
    total, monthly = defaultdict[int, Sum](Sum), defaultdict[tuple[int, date], Sum](Sum)
    for each in found:
        total[each.key.user].add(each.sum)
        monthly[each.key.user, each.key.first_day.replace(day=1)].add(each.sum)
    order = sorted(total, key=lambda user: (user != ALL, names.get(user, "")))
    rows = [_row(names.get(user), None, total[user]) for user in order]
    by_month = [
        _row(names.get(user), month, monthly[user, month])
        for user in order
        for month in sorted(month for number, month in monthly if number == user)
    ]
    return MailFigures(rows, by_month, list(_series(order, names, monthly)), waiting)


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


def _row(user: str | None, month: date | None, one: Sum) -> Answering:
    return Answering(
        user,
        None if month is None else named(month),
        one.received,
        one.replied,
        round(one.replied / one.received, 4) if one.received else None,
        one.sent,
        one.answered,
        _whole(quantile(one.times, 0.5)),
        _whole(quantile(one.times, 0.9)),
        round(one.seconds / one.answered, 1) if one.answered else None,
    )


def _whole(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _series(
    order: Iterable[int], names: Mapping[int, str], monthly: Mapping[tuple[int, date], Sum]
) -> Iterable[Series]:
    if not monthly:
        return
    every = [month for _, month in monthly]
    line = list(months(min(every), max(every)))
    for user in order:
        mine = {month: monthly.get((user, month), Sum()) for month in line}
        for name, number in (("received", "received"), ("sent", "sent"), ("answered", "answered")):
            points = tuple((named(month), int(getattr(one, number))) for month, one in mine.items())
            yield Series(f"mail {name}", "messages", points, names.get(user))
        for name, share in (("median", 0.5), ("90 % within", 0.9)):
            times: list[tuple[str, Value]] = []
            for month, one in mine.items():
                if (seconds := quantile(one.times, share)) is not None:
                    times.append((named(month), round(seconds, 1)))
            yield Series(f"time to answer, {name}", "seconds", tuple(times), names.get(user))
