"""How much automatic mail there may be: to one person, in one sender's name, to one domain."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, select

from mailcrm.config import Limits
from mailcrm.core.addresses import domain_of, normalise
from mailcrm.store import leaving
from mailcrm.store.db import slices
from mailcrm.store.tables import outbox, user

AUTOMATIC = ("flow", "auto")
"""Kinds of mail that nobody sends by hand: all conditions are for these."""

_DAY = timedelta(days=1)
_LONGEST_DOMAIN = 255  # as RFC 1035 has it, and ``outbox.domain``


@dataclass(frozen=True, slots=True)
class Asked:
    """A mail that is to leave."""

    id: int
    user_id: int
    person_id: int | None
    recipient: str


@dataclass(frozen=True, slots=True)
class _Limit:
    """So many a ``span``, of mails for which ``subject`` (also a column) is the same. ``grows``: more tomorrow."""

    name: str
    most: int
    span: timedelta
    column: Column[Any]
    subject: Callable[[Any], int | str | None]
    grows: bool = False


def beyond(
    connection: Connection, limits: Limits, mails: Sequence[Asked], batch: Collection[int], now: datetime
) -> Mapping[int, tuple[str, datetime]]:
    """Which of these mails are too many now: the limit's name, and when there is room again.

    Args:
        mails: in the order in which they are to leave.
        batch: the ids of all that are being claimed: what is not among ``mails`` of these does not leave now.
    """
    found: dict[int, tuple[str, datetime]] = {}
    active = _active(limits)
    if not mails or not (active or limits.warm_up):
        return found
    claimed = set(batch)
    others = [row for row in leaving.in_flight(connection) if row.kind in AUTOMATIC and row.id not in claimed]
    counts = [_Count(connection, limit, mails, others, now) for limit in active]
    if limits.warm_up:
        days = _days(connection, {mail.user_id for mail in mails}, now)
        for number, day in days.items():
            mine = [mail for mail in mails if mail.user_id == number]
            most = limits.warm_up * (day + 1)
            limit = _Limit("warm_up", most, _DAY, outbox.c.user_id, lambda mail: mail.user_id, grows=True)
            counts.append(_Count(connection, limit, mine, others, now))
    for mail in mails:
        full = [(free, count) for count in counts if (free := count.free_at(mail)) is not None]
        if not full:
            for count in counts:
                count.take(mail, now)
            continue
        free, longest = max(full, key=lambda pair: pair[0])
        found[mail.id] = (f"{longest.limit.name} = {longest.limit.most}", free)
        for count in [count for _, count in full if not count.limit.grows]:
            count.take(mail, free)  # the next one waits for the room after that
    return found


class _Count:
    """When mails left lately, by subject; those that are claimed now count as leaving now."""

    def __init__(
        self, connection: Connection, limit: _Limit, mails: Sequence[Asked], others: Iterable[Any], now: datetime
    ) -> None:
        self.limit = limit
        self._ids = {mail.id for mail in mails}
        self._times: defaultdict[int | str, list[datetime]] = defaultdict(list)
        subjects = {subject for mail in mails if (subject := limit.subject(mail)) is not None}
        for subject, at in _left(connection, limit, subjects, now - limit.span):
            self._times[subject].append(at)
        for other in others:
            if (subject := limit.subject(other)) in subjects and subject is not None:
                self._times[subject].append(now)

    def free_at(self, mail: Asked) -> datetime | None:
        """When there is room for it; None: now, or it is not counted here."""
        times = self._times.get(self.limit.subject(mail) or "", ())
        if mail.id not in self._ids or len(times) < self.limit.most:
            return None
        return times[len(times) - self.limit.most] + self.limit.span

    def take(self, mail: Asked, at: datetime) -> None:
        """It leaves then."""
        if mail.id in self._ids and (subject := self.limit.subject(mail)) is not None:
            insort(self._times[subject], at)


def counted_domain(recipient: str) -> str:
    """The domain by which mail to this address is counted (``outbox.domain``)."""
    return domain_of(normalise(recipient))[:_LONGEST_DOMAIN]


def _active(limits: Limits) -> list[_Limit]:
    person: Callable[[Any], int | None] = lambda mail: mail.person_id  # noqa: E731
    sender: Callable[[Any], int | None] = lambda mail: mail.user_id  # noqa: E731
    domain: Callable[[Any], str | None] = lambda mail: counted_domain(mail.recipient)  # noqa: E731
    known = (
        _Limit("per_person_day", limits.per_person_day or 0, _DAY, outbox.c.person_id, person),
        _Limit("per_person_week", limits.per_person_week or 0, timedelta(weeks=1), outbox.c.person_id, person),
        _Limit("per_sender_day", limits.per_sender_day or 0, _DAY, outbox.c.user_id, sender),
        _Limit("per_domain_hour", limits.per_domain_hour or 0, timedelta(hours=1), outbox.c.domain, domain),
    )
    return [limit for limit in known if limit.most]


def _left(
    connection: Connection, limit: _Limit, subjects: Collection[int | str], since: datetime
) -> Iterable[tuple[int | str, datetime]]:
    """When automatic mail of these subjects left; no more rows than the limit lets through."""
    query = select(limit.column, outbox.c.sent_at).where(outbox.c.sent_at > since, outbox.c.kind.in_(AUTOMATIC))
    for piece in slices(sorted(subjects, key=str)):
        for row in connection.execute(query.where(limit.column.in_(piece)).order_by(outbox.c.sent_at)):
            yield row[0], row[1]


def _days(connection: Connection, users: Collection[int], now: datetime) -> Mapping[int, int]:
    """How many whole days ago each of these users' first automatic mail left; 0 for who has sent none."""
    first = (
        select(outbox.c.sent_at)
        .where(outbox.c.user_id == user.c.id, outbox.c.sent_at.is_not(None), outbox.c.kind.in_(AUTOMATIC))
        .order_by(outbox.c.sent_at)
        .limit(1)
        .correlate(user)
        .scalar_subquery()
    )
    rows = connection.execute(select(user.c.id, first).where(user.c.id.in_(sorted(users))))
    return {row[0]: (now - row[1]) // _DAY if row[1] else 0 for row in rows}
