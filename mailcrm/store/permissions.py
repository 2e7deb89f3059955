"""Permissions of recipients: on what basis a person may be written to. Only ever added to; the last row counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from mailcrm.store.db import Lookup
from mailcrm.store.tables import permission


@dataclass(frozen=True, slots=True)
class Permission:
    """What is known of a person's permission, and since when.

    Args:
        basis: consent | contract | legitimate_interest …
        source: where it is from: form, fair, call … proof: what shows it.
        tracking: it covers that opens and clicks are noted.
        by: who recorded it: ``user:anna``, ``page``, ``mail:<id>``.
    """

    person: int
    granted: bool
    basis: str
    source: str
    proof: str
    tracking: bool
    at: datetime
    by: str


def grant(
    connection: Connection,
    person: int,
    basis: str,
    source: str,
    proof: str,
    tracking: bool,
    by: str,
    now: datetime,
) -> None:
    """Record that a person may be written to; see Permission."""
    values = {"person_id": person, "granted": True, "basis": basis, "source": source, "proof": proof}
    connection.execute(insert(permission).values(**values, tracking=tracking, at=now, by=by))


def withdraw(connection: Connection, person: int, source: str, proof: str, by: str, now: datetime) -> None:
    """Record that a person may not be written to any more: ``source`` is how that was said, ``proof`` what shows it."""
    values = {"person_id": person, "granted": False, "basis": "withdrawn", "source": source, "proof": proof}
    connection.execute(insert(permission).values(**values, tracking=False, at=now, by=by))


def of(connection: Connection, persons: Iterable[int]) -> Mapping[int, Permission]:
    """The last word about each of these persons, of whom there is one."""
    return {row.person_id: Permission(*row) for row in _SAID.rows(connection, set(persons))}


def anybody_tracked(connection: Connection) -> bool:
    """Whether the last word about anybody is a permission that covers tracking."""
    last = select(func.max(permission.c.id)).group_by(permission.c.person_id)
    query = select(1).where(permission.c.id.in_(last), permission.c.granted.is_(True), permission.c.tracking.is_(True))
    return connection.execute(query.limit(1)).first() is not None


def history(connection: Connection, person: int | None = None) -> list[Permission]:
    """All that was recorded, of a person or of everybody, the newest first."""
    query = select(*_COLUMNS).order_by(permission.c.id.desc())
    rows = connection.execute(query if person is None else query.where(permission.c.person_id == person))
    return [Permission(*row) for row in rows]


_COLUMNS = [permission.c[name] for name in ("person_id", "granted", "basis", "source", "proof", "tracking", "at", "by")]
_SAID = Lookup(select(*_COLUMNS).order_by(permission.c.id), permission.c.person_id)
