"""Threads whose mail is to be counted, what each of them adds, and the sums of all (``core.answering``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite

from mailcrm.core.answering import Fact, Key, Sum
from mailcrm.core.model import REPLIES
from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import Lookup, insert_new, slices
from mailcrm.store.tables import (
    folder,
    location,
    mail_sum,
    mailbox,
    message,
    outbox,
    setting,
    thread,
    thread_count,
    uncounted,
)

_LOCK = 0x6D61696C737573  # names our advisory lock on PostgreSQL
_HOUSE = "statistics.house"
_AUTOMATIC = ("flow", "auto")
_VALUES = ("received", "replied", "sent", "answered", "seconds", "times")
_MESSAGES = Lookup(
    select(
        *(message.c[name] for name in ("id", "thread_id", "message_id", "direction", "from_email", "details")),
        *(message.c[name] for name in ("date", "received_at")),
    ).where(message.c.kind.in_(sorted(kind.value for kind in REPLIES))),
    message.c.thread_id,
)
_PLACES = Lookup(
    select(location.c.message_id, mailbox.c.key)
    .distinct()
    .join(folder, folder.c.id == location.c.folder_id)
    .join(mailbox, mailbox.c.id == folder.c.mailbox_id),
    location.c.message_id,
)
_WROTE_ITSELF = Lookup(select(outbox.c.message_id).where(outbox.c.kind.in_(_AUTOMATIC)), outbox.c.message_id)
_COUNTED = Lookup(select(thread_count.c.thread_id, thread_count.c.counted), thread_count.c.thread_id)


@dataclass(frozen=True, slots=True)
class Stored:
    """A human's message, as it is stored.

    Args:
        mailboxes: keys of those where it lies, or lay.
        by_itself: a flow or a program sent it.
    """

    id: int
    thread: int
    came: bool
    from_email: str | None
    forwarded_by: str | None
    date: datetime
    received_at: datetime
    mailboxes: frozenset[str]
    by_itself: bool


@dataclass(frozen=True, slots=True)
class Summed:
    """A stored sum; without its times if they were not asked for."""

    key: Key
    sum: Sum


def mark(connection: Connection, threads: Iterable[int]) -> None:
    """The mail of these threads has changed; in the transaction that changes it."""
    insert_rows(connection, uncounted, ("thread_id",), [(number,) for number in sorted(set(threads))])


def mark_of(connection: Connection, messages: Iterable[int]) -> None:
    """The same for the threads of these messages, for they lie in one more place."""
    for piece in slices(messages):
        threads = select(message.c.thread_id).distinct().where(message.c.id.in_(piece))
        connection.execute(insert(uncounted).from_select(["thread_id"], threads))


def mark_all(connection: Connection) -> None:
    """Every thread is to be counted again; what was counted stands until then."""
    threads = select(thread.c.id).where(thread.c.merged_into.is_(None))
    connection.execute(insert(uncounted).from_select(["thread_id"], threads))


def pending(connection: Connection, most: int) -> int:
    """How often threads are to be counted; ``most`` if it is more than that."""
    first = select(uncounted.c.id).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(first)).scalar_one())


def alone(connection: Connection) -> bool:
    """Whether no other counts. Until the transaction ends no other will."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}).scalar())


def take(connection: Connection, limit: int) -> list[int]:
    """Threads that are to be counted now; they are no more once the transaction is through."""
    rows = connection.execute(select(uncounted).order_by(uncounted.c.id).limit(limit)).all()
    for piece in slices(row.id for row in rows):
        connection.execute(delete(uncounted).where(uncounted.c.id.in_(piece)))
    return sorted({row.thread_id for row in rows})


def house(connection: Connection) -> str | None:
    """What was known of users and mailboxes when the sums were begun; None: they were not."""
    return connection.execute(select(setting.c.value).where(setting.c.name == _HOUSE)).scalar()


def note_house(connection: Connection, known: str, now: datetime) -> None:
    """Note that from now on counting goes by this."""
    connection.execute(delete(setting).where(setting.c.name == _HOUSE))
    connection.execute(insert_new(connection, setting, ["name"]).values(name=_HOUSE, value=known, at=now))


def mails(connection: Connection, threads: Collection[int]) -> list[Stored]:
    """What humans wrote in these threads."""
    rows = _MESSAGES.rows(connection, threads)
    lies: dict[int, set[str]] = {}
    for number, key in _PLACES.rows(connection, [row.id for row in rows if row.direction == "in"]):
        lies.setdefault(number, set()).add(key)
    ours = [row.message_id for row in rows if row.direction == "out" and row.message_id]
    automatic = {row.message_id for row in _WROTE_ITSELF.rows(connection, ours)}
    return [
        Stored(
            row.id,
            row.thread_id,
            row.direction == "in",
            row.from_email,
            ((row.details or {}).get("forwarded_by") or {}).get("email"),
            row.date,
            row.received_at,
            frozenset(lies.get(row.id, ())),
            row.direction == "out" and row.message_id in automatic,
        )
        for row in rows
    ]


def counted(connection: Connection, threads: Collection[int]) -> dict[int, list[Fact]]:
    """What these threads have added to the sums, of those that have."""
    return {
        row.thread_id: [Fact(day, came, tuple(users), by, seconds) for day, came, users, by, seconds in row.counted]
        for row in _COUNTED.rows(connection, threads)
    }


def note_counted(connection: Connection, changed: Mapping[int, Sequence[Fact]]) -> None:
    """Note what these threads add now."""
    for piece in slices(changed):
        connection.execute(delete(thread_count).where(thread_count.c.thread_id.in_(piece)))
    insert_rows(
        connection,
        thread_count,
        ("thread_id", "counted"),
        [(number, facts) for number, facts in changed.items() if facts],
    )


def add(connection: Connection, more: Mapping[Key, Sum]) -> None:
    """Add to the stored sums; a sum that comes to nothing goes. By one at a time (``alone``)."""
    wanted = {key: each for key, each in more.items() if not each.is_empty}
    new = {key: Sum() for key in wanted}
    for span in ("day", "month"):
        for piece in slices(sorted({key.first_day for key in wanted if key.span == span})):
            these = and_(mail_sum.c.span == span, mail_sum.c.first_day.in_(piece))
            new |= {each.key: each.sum for each in _read(connection, _ROWS.where(these)) if each.key in wanted}
    for key, each in wanted.items():
        new[key].add(each)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    upsert = dialect.insert(mail_sum)
    upsert = upsert.on_conflict_do_update(
        index_elements=["span", "first_day", "user_id"], set_={name: upsert.excluded[name] for name in _VALUES}
    )
    kept = [_row(key, each) for key, each in new.items() if not each.is_empty]
    gone = [{"s": key.span, "d": key.first_day, "u": key.user} for key, each in new.items() if each.is_empty]
    if kept:
        connection.execute(upsert, kept)
    if gone:
        connection.execute(delete(mail_sum).where(_THIS), gone)


def sums(
    connection: Connection,
    pieces: Collection[tuple[str, date, date]],
    *,
    user: int | None = None,
    times: bool = False,
    with_answers: bool = False,
) -> list[Summed]:
    """The sums of these spans, each piece from its first span to its last.

    Args:
        user: his alone, or ``ALL``; None: everybody's and all together.
        times: with their times.
        with_answers: only those with an answer in it.
    """
    if not pieces:
        return []
    within = or_(
        *(
            and_(mail_sum.c.span == span, mail_sum.c.first_day >= first, mail_sum.c.first_day <= last)
            for span, first, last in pieces
        )
    )
    query = (_ROWS if times else _WITHOUT_TIMES).where(within)
    if user is not None:
        query = query.where(mail_sum.c.user_id == user)
    if with_answers:
        query = query.where(mail_sum.c.answered > 0)
    return _read(connection, query)


def bounds(connection: Connection) -> tuple[date, date] | None:
    """The first and the last day of which there are sums."""
    first, last = connection.execute(
        select(func.min(mail_sum.c.first_day), func.max(mail_sum.c.first_day)).where(mail_sum.c.span == "day")
    ).one()
    return None if first is None else (first, last)


_THIS = and_(
    mail_sum.c.span == bindparam("s"), mail_sum.c.first_day == bindparam("d"), mail_sum.c.user_id == bindparam("u")
)
_ROWS: Select[Any] = select(mail_sum)
_WITHOUT_TIMES: Select[Any] = select(*(column for column in mail_sum.c if column.name != "times"))


def _read(connection: Connection, query: Select[Any]) -> list[Summed]:
    found = []
    for span, first_day, user, received, replied, sent, answered, seconds, *times in connection.execute(query):
        one = Sum(received, replied, sent, answered, seconds)
        if times:
            one.times.update(dict(times[0]))
        found.append(Summed(Key(span, first_day, user), one))
    return found


def _row(key: Key, one: Sum) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _VALUES if name != "times"}
    times = sorted((seconds, often) for seconds, often in one.times.items() if often)
    return {"span": key.span, "first_day": key.first_day, "user_id": key.user, **values, "times": times}
