"""Sent mail of which a copy is to be put into its sender's own Sent folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, literal_column, select, update

from mailcrm.store.leaving import BODY
from mailcrm.store.tables import outbox, track, user

Outcome = Literal["done", "failed"]
"""What became of a copy."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mail that the server took. ``user`` is the sender's key; ``message_id`` is without ``<>``."""

    id: int
    user: str
    sender: str
    message_id: str
    sent_at: datetime


def senders(connection: Connection, before: datetime) -> set[tuple[str, str]]:
    """Whose mail, sent until then, lacks its copy: user and address."""
    query = select(user.c.key, outbox.c.sender).join(user, user.c.id == outbox.c.user_id).distinct()
    return {(row[0], row[1]) for row in connection.execute(query.where(_WANTED, outbox.c.sent_at <= before))}


def wanted(
    connection: Connection, users: Collection[str], before: datetime, after: int = 0, limit: int = 100
) -> list[Wanted]:
    """The mail of these users, sent until ``before``, that lacks its copy, the first so many beyond an id."""
    query = (
        select(outbox.c.id, user.c.key, outbox.c.sender, outbox.c.message_id, outbox.c.sent_at)
        .join(user, user.c.id == outbox.c.user_id)
        .where(_WANTED, outbox.c.sent_at <= before, outbox.c.id > after, user.c.key.in_(users))
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [Wanted(*row) for row in connection.execute(query)]


def content(connection: Connection, number: int) -> bytes | None:
    """The mail itself; None if nothing is left of it."""
    found = connection.execute(select(BODY).where(outbox.c.id == number)).scalar()
    return bytes(found) if found else None


def links(connection: Connection, number: int) -> dict[str, str]:
    """Where the links of a mail that lead over us lead in the end, by token."""
    query = select(track.c.token, track.c.url).where(track.c.outbox_id == number, track.c.kind == "click")
    return {row.token: row.url for row in connection.execute(query) if row.url}


def note(connection: Connection, number: int, copy: Outcome) -> None:
    """What became of a copy."""
    connection.execute(update(outbox).where(outbox.c.id == number, outbox.c.copy == "wanted").values(copy=copy))


_WANTED = outbox.c.copy == literal_column("'wanted'")  # as its index has it
