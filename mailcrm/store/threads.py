"""Threads by hand: split, merge, share; and which message is meant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from mailcrm.core.threads import key_of
from mailcrm.errors import NotFound
from mailcrm.store import counting
from mailcrm.store.db import insert_new
from mailcrm.store.tables import choice, link, message, thread, thread_apart, thread_reference


def live(connection: Connection, thread_id: int) -> int:
    """The thread, or the one that it was joined into. Raises NotFound."""
    row = connection.execute(select(thread.c.merged_into).where(thread.c.id == thread_id)).first()
    if row is None:
        raise NotFound(f"no thread {thread_id}; `mailcrm thread list` shows them")
    return thread_id if row.merged_into is None else live(connection, row.merged_into)


def find_message(connection: Connection, name: str) -> int:
    """The id of the message with this number or Message-ID (with or without ``<>``). Raises NotFound."""
    wanted = name.strip().strip("<>")
    if wanted.isdecimal() and len(wanted) < 19:
        found = connection.scalar(select(message.c.id).where(message.c.id == int(wanted)))
    else:
        found = connection.scalar(
            select(message.c.id)
            .join(thread_reference, thread_reference.c.thread_id == message.c.thread_id)
            .where(thread_reference.c.reference == key_of(wanted), message.c.message_id == wanted)
            .order_by(message.c.id)
            .limit(1)
        ) or connection.scalar(select(message.c.id).where(message.c.message_id == wanted).limit(1))
    if found is None:
        raise NotFound(f"no message {wanted!r} is stored; `mailcrm message list` shows them")
    return int(found)


def split(connection: Connection, messages: Sequence[int], now: datetime) -> int:
    """Move messages of one thread to a new one of their own; the two stay apart. Gives the new thread's id."""
    rows = connection.execute(
        select(message.c.id, message.c.thread_id, message.c.message_id, message.c.subject, message.c.date)
        .where(message.c.id.in_(messages))
        .order_by(message.c.date)
    ).all()
    old = rows[0].thread_id
    made = insert(thread).values(
        subject=rows[0].subject,
        first_at=rows[0].date,
        last_at=rows[-1].date,
        link="none",
        shared=False,
        private=False,
    )
    fresh = int(connection.execute(made.returning(thread.c.id)).scalar_one())
    connection.execute(update(message).where(message.c.id.in_(messages)).values(thread_id=fresh))
    connection.execute(
        update(thread_reference)
        .where(thread_reference.c.reference.in_([key_of(row.message_id) for row in rows if row.message_id]))
        .values(thread_id=fresh)
    )
    connection.execute(
        update(link)
        .where(link.c.record == "thread", link.c.message_id.in_(messages))
        .values(record_id=fresh, rule="split by hand", evidence=f"was thread {old}, {now:%Y-%m-%d %H:%M} UTC")
    )
    connection.execute(insert_new(connection, thread_apart).values(thread_id=min(old, fresh), other_id=max(old, fresh)))
    counting.mark(connection, (old, fresh))
    for each in (old, fresh):
        settle(connection, each)
    return fresh


def settle(connection: Connection, thread_id: int) -> None:
    """Bring a thread's times and link state up to its messages, after they changed by hand."""
    times = connection.execute(
        select(func.min(message.c.date), func.max(message.c.date)).where(message.c.thread_id == thread_id)
    ).one()
    links = select(link.c.record, link.c.record_id).where(
        link.c.message_id.in_(select(message.c.id).where(message.c.thread_id == thread_id)),
        link.c.record.in_(["person", "organization", "deal"]),
    )
    # The newest of each; asked for groups, SQLite would read the links of all mail.
    records = dict(sorted(tuple(row) for row in connection.execute(links)))
    current = connection.execute(select(thread.c.deal_id).where(thread.c.id == thread_id)).one()
    deal = current.deal_id if current.deal_id is not None and "deal" in records else records.get("deal")
    open_ = select(choice.c.id).where(choice.c.thread_id == thread_id, choice.c.state == "open")
    asked = connection.execute(open_).first() is not None
    state = "linked" if deal else "choice" if asked else "person" if "person" in records else "none"
    values = {"deal_id": deal, "organization_id": records.get("organization"), "link": state}
    if times[0] is not None:
        values |= {"first_at": times[0], "last_at": times[1]}
    connection.execute(update(thread).where(thread.c.id == thread_id).values(**values))
