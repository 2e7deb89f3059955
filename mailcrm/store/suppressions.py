"""Addresses that get no automatic mail: known by keyed hashes, so that they stay so when their person is erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from mailcrm.core.tokens import keyed_hash
from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import suppression


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
    query = select(suppression.c.hash, *_COLUMNS).where(suppression.c.lifted_at.is_(None)).order_by(suppression.c.id)
    for piece in slices(hashed):
        for row in connection.execute(query.where(suppression.c.hash.in_(piece))):
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


_COLUMNS = [suppression.c[name] for name in ("id", "address", "reason", "detail", "source", "at", "expires_at")]
