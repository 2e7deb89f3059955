"""Addresses that get no automatic mail: known by keyed hashes, so that they stay so when their person is erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from mailcrm.core.model import Direction, Kind
from mailcrm.core.tokens import keyed_hash
from mailcrm.store.db import Lookup, insert_new, slices
from mailcrm.store.tables import message, suppression


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address gets no automatic mail.

    Args:
        reason: bounce | complaint | unsubscribe | manual.
        detail: the server's words, or those of who added it.
        source: ``message:<id>``, ``user:KEY`` or ``page``.
        expires_at: None: never.
    """

    id: int
    address: str | None
    reason: str
    detail: str
    source: str
    at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class OldWish:
    """Old mail that asks for no more: it suppresses nobody by itself. ``at``: when it was received."""

    address: str
    message_id: str | None
    at: datetime


def add(
    connection: Connection,
    secret: bytes,
    address: str,
    reason: str,
    detail: str,
    source: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> bool:
    """Keep automatic mail from a normalised address. One in force for the same reason is only ever lengthened.

    Returns:
        False if it was in force for that reason already.
    """
    hashed = keyed_hash(secret, address)
    in_force = (suppression.c.hash == hashed) & (suppression.c.reason == reason) & suppression.c.lifted_at.is_(None)
    row = connection.execute(select(suppression.c.id, suppression.c.expires_at).where(in_force)).first()
    if row is not None and (row.expires_at is None or row.expires_at > now):
        if row.expires_at is not None and (expires_at is None or expires_at > row.expires_at):
            connection.execute(update(suppression).where(suppression.c.id == row.id).values(expires_at=expires_at))
        return False
    if row is not None:
        connection.execute(update(suppression).where(suppression.c.id == row.id).values(lifted_at=row.expires_at))
    values = {"hash": hashed, "address": address, "reason": reason, "detail": detail, "source": source, "at": now}
    # Two may say so at the same moment; then one of them was the first.
    new = insert_new(connection, suppression).values(**values, expires_at=expires_at).returning(suppression.c.id)
    return connection.execute(new).first() is not None


def among(connection: Connection, secret: bytes, addresses: Iterable[str], now: datetime) -> Mapping[str, Suppression]:
    """Those of the normalised addresses that are suppressed at ``now``, each with what was said first."""
    hashed = {keyed_hash(secret, address): address for address in addresses}
    found: dict[str, Suppression] = {}
    for row in _IN_FORCE.rows(connection, hashed):
        if row.expires_at is None or row.expires_at > now:
            found.setdefault(hashed[row.hash], Suppression(*row[1:]))
    return found


def lift(connection: Connection, secret: bytes, address: str, now: datetime, reason: str | None = None) -> int:
    """Let automatic mail go to a normalised address again; for one reason, or all. Returns how many were lifted."""
    wanted = (suppression.c.hash == keyed_hash(secret, address)) & suppression.c.lifted_at.is_(None)
    if reason is not None:
        wanted &= suppression.c.reason == reason
    return connection.execute(update(suppression).where(wanted).values(lifted_at=now)).rowcount


def every(connection: Connection, now: datetime) -> list[Suppression]:
    """All that are in force, the oldest first. One whose person was erased has no address."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(suppression.c.lifted_at.is_(None))
        .where(or_(suppression.c.expires_at.is_(None), suppression.c.expires_at > now))
        .order_by(suppression.c.id)
    )
    return [Suppression(*row) for row in rows]


def old_wishes(connection: Connection, secret: bytes) -> list[OldWish]:
    """Of each address the newest old mail that asks for no more, the oldest first; without addresses that are or were
    suppressed, for whatever reason: somebody has decided about those.
    """
    wanted = (message.c.kind == Kind.UNSUBSCRIBE.value) & (message.c.direction == Direction.IN.value)
    query = select(message.c.from_email, message.c.message_id, message.c.received_at).where(wanted, message.c.historic)
    newest = {
        row.from_email: row for row in connection.execute(query.order_by(message.c.received_at)) if row.from_email
    }
    hashes = {keyed_hash(secret, address): address for address in newest}
    for piece in slices(hashes):
        for known in connection.execute(select(suppression.c.hash).where(suppression.c.hash.in_(piece))).scalars():
            newest.pop(hashes[known], None)
    return sorted((OldWish(*row) for row in newest.values()), key=lambda wish: wish.at)


_COLUMNS = [suppression.c[name] for name in ("id", "address", "reason", "detail", "source", "at", "expires_at")]
_IN_FORCE = Lookup(
    select(suppression.c.hash, *_COLUMNS).where(suppression.c.lifted_at.is_(None)).order_by(suppression.c.id),
    suppression.c.hash,
)
