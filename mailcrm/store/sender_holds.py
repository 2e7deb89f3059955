"""Senders whose mail waits: a server refused them, not their mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from mailcrm.store.db import insert_new
from mailcrm.store.tables import sender_hold, user


@dataclass(frozen=True, slots=True)
class SenderHold:
    """Whose mail waits, and why; ``until``: None until somebody releases it."""

    user: str
    reason: str
    at: datetime
    until: datetime | None


def put(connection: Connection, user_id: int, reason: str, now: datetime, until: datetime | None) -> bool:
    """Hold a sender's mail. False if it is held already: the reason and the time are those of now."""
    values = {"reason": reason, "at": now, "until": until}
    made = insert_new(connection, sender_hold, ["user_id"]).values(user_id=user_id, **values)
    if connection.execute(made.returning(sender_hold.c.user_id)).first() is not None:
        return True
    connection.execute(update(sender_hold).where(sender_hold.c.user_id == user_id).values(**values))
    return False


def lift(connection: Connection, user_id: int | None = None) -> int:
    """Hold it no longer; None: nobody's. Returns how many were."""
    query = delete(sender_hold)
    return connection.execute(query if user_id is None else query.where(sender_hold.c.user_id == user_id)).rowcount


def every(connection: Connection, now: datetime) -> list[SenderHold]:
    """Those in force, by user."""
    query = (
        select(user.c.key, sender_hold.c.reason, sender_hold.c.at, sender_hold.c.until)
        .join(user, user.c.id == sender_hold.c.user_id)
        .order_by(user.c.key)
    )
    found = [SenderHold(*row) for row in connection.execute(query)]
    return [each for each in found if each.until is None or each.until > now]
