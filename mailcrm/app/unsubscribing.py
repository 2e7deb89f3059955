"""A recipient wants no more automatic mail and says so on our page, or by one click in his mail program (RFC 8058)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.app.tracking import is_token
from mailcrm.core.addresses import normalise
from mailcrm.store import events, responses, suppressions, tracks
from mailcrm.store.events import NewEvent
from mailcrm.store.tracks import Addressee


@dataclass(frozen=True, slots=True)
class Subscription:
    """What the page shows. ``sender`` is the key of the user whose mail it was; ``ended``: no more mail goes there."""

    address: str
    sender: str | None
    ended: bool


def look(context: Context, token: str) -> Subscription | None:
    """Whose mail a token unsubscribes from. Changes nothing. None: no such token.

    Raises:
        Temporary: the database is locked or away.
    """
    if not is_token(token):
        return None
    with context.db.read() as connection:
        found = tracks.addressee(connection, token)
        return _shown(context, connection, found) if found else None


def unsubscribe(context: Context, token: str) -> Subscription | None:
    """No automatic mail to this address from now on; ``mail.unsubscribed`` is told. Safe to repeat.

    When this returns, what was stored survives a power cut.

    Returns:
        None: no such token.

    Raises:
        Temporary: the database is locked or away; nothing was stored.
    """
    if not is_token(token):
        return None
    now = context.clock()
    plugins = context.plugins.implementers("on_event")
    with context.db.write() as connection:
        tracks.hold(connection, token)
        found = tracks.addressee(connection, token)
        if found is None:
            return None
        address = normalise(found.address)
        detail = f"unsubscribed from {found.message_id}"
        if found.recipient is not None:
            responses.note(connection, "unsubscribed", {found.recipient: now})
        new = suppressions.add(connection, context.secret, address, "unsubscribe", detail, "page", now)
        if new:
            row = NewEvent(
                kind="mail.unsubscribed",
                key=f"unsubscribe:{token}:{now.isoformat()}",
                person=found.person,
                at=now,
                source="web",
                data={"message": found.message_id, "reason": "page"},
            )
            events.record(connection, row, plugins, now)
    context.db.settle()  # he will not say it twice
    if new:
        context.changed()
    return Subscription(found.address, found.sender, ended=True)


def _shown(context: Context, connection: Connection, found: Addressee) -> Subscription:
    address = normalise(found.address)
    among = suppressions.among(connection, context.secret, [address], context.clock())
    ended = address in among and among[address].reason == "unsubscribe"
    return Subscription(found.address, found.sender, ended)
