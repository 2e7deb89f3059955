"""Many mails into the outbox at once: what is handed in at the relay comes by hundreds a second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mailcrm.store.bulk import insert_rows
from mailcrm.store.db import slices
from mailcrm.store.outbox import NewMail
from mailcrm.store.tables import outbox, outbox_body, thread_reference, user

_COLUMNS = (
    *("key", "kind", "user_id", "message_id", "sender", "recipient", "subject", "content", "state", "due_at"),
    *("created_at", "person_id", "flow_id", "envelope_from", "copy", "body_id"),
)
_TOLD = ("id", "body_id", "kind", "created_at", "message_id", "recipient")
_AT_ONCE = 50  # messages in memory
_LAST = 10_000  # rows; more are not left unlinked by one process that dies


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A mail written by hand that lies in the outbox and in no thread. ``user`` is its writer's key."""

    user: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes


def put(connection: Connection, mails: Sequence[NewMail], now: datetime) -> None:
    """Store mails to be sent as soon as possible; each with a key that is new."""
    rows = [
        (
            *(mail.key, mail.kind, mail.user_id, mail.message_id, mail.sender, mail.recipient, mail.subject),
            *(mail.content, "pending", now, now, mail.person_id, mail.flow_id, mail.envelope_from),
            *(mail.copy, mail.body_id),
        )
        for mail in mails
    ]
    insert_rows(connection, outbox, _COLUMNS, rows)


def unlinked(connection: Connection, since: datetime) -> Iterator[list[Unlinked]]:
    """Mail of kind ``relay`` put here since then that is stored as no message, some at a time."""
    last = select(*(outbox.c[name] for name in _TOLD)).order_by(outbox.c.id.desc()).limit(_LAST).subquery()
    # Of every stored message the id stands there as well, and there it has an index.
    stored = select(1).where(thread_reference.c.reference == last.c.message_id).exists()
    query = (
        select(last.c.id, last.c.body_id, last.c.recipient)
        .where(last.c.kind == "relay", last.c.created_at >= since, ~stored)
        .order_by(last.c.id)
    )
    recipients: defaultdict[int, list[str]] = defaultdict(list)  # by the first row of each mail
    first: dict[int, int] = {}
    for row in connection.execute(query):
        this = row.id if row.body_id is None else first.setdefault(row.body_id, row.id)
        recipients[this].append(row.recipient)
    for ids in slices(recipients, _AT_ONCE):
        found = (
            select(outbox.c.id, user.c.key, outbox.c.sender, outbox.c.content, outbox_body.c.content.label("body"))
            .join(user, user.c.id == outbox.c.user_id)
            .join(outbox_body, outbox_body.c.id == outbox.c.body_id, isouter=True)
            .where(outbox.c.id.in_(ids))
            .order_by(outbox.c.id)
        )
        rows = connection.execute(found).all()
        yield [
            Unlinked(row.key, row.sender, tuple(recipients[row.id]), row.content if row.body is None else row.body)
            for row in rows
        ]
