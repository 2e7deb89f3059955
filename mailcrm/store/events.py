"""Stored events, and what of them each plugin is still to be told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from mailcrm.core.enrollment import Place
from mailcrm.core.events import KINDS, Event, EventKind, check
from mailcrm.store import reactions
from mailcrm.store.bulk import insert_new_rows
from mailcrm.store.db import insert_new
from mailcrm.store.tables import event, plugin_delivery

_KEY = 200


class NewEvent(Struct, frozen=True, gc=False):
    """An event to be stored.

    Args:
        key: what makes it one and the same however often it is stored.
        at: when it happened; aware.
        chain: the places in flows that caused it, the nearest last.
    """

    kind: str
    key: str
    person: int | None
    at: datetime
    source: str
    data: Mapping[str, Any]
    chain: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a plugin is to be told, claimed by us. ``attempts`` counts this one."""

    plugin: str
    attempts: int
    event: Event


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many events a plugin is still to be told (``waiting``), and how many it failed for good (``parked``)."""

    waiting: int = 0
    parked: int = 0


def record_many(
    connection: Connection,
    rows: Sequence[NewEvent],
    plugins: Sequence[str],
    stored_at: datetime,
    kinds: Mapping[str, EventKind] = KINDS,
) -> list[int]:
    """Store events, for plugins and for flows; those whose key is stored already are left as they are.

    Args:
        plugins: the plugins that are to be told of them (``host.implementers("on_event")``).
        stored_at: now; aware.
        kinds: those that there are: without plugins' own by default.

    Returns:
        The ids of those that are new.

    Raises:
        Refused: an unknown kind or data that don't fit it; nothing was stored.
    """
    if not rows:
        return []
    values = [
        {
            "key": _storable(row.key),
            "kind": row.kind,
            "person_id": row.person,
            "at": row.at,
            "stored_at": stored_at,
            "source": row.source,
            "data": check(row.kind, row.data, kinds),
        }
        for row in rows
    ]
    statement = insert_new(connection, event, ["key"]).returning(event.c.key, event.c.id)
    new = {row.key: row.id for row in connection.execute(statement, values)}
    _owe(connection, rows, new)
    ids = sorted(new.values())
    if ids and plugins:
        connection.execute(
            insert(plugin_delivery),
            [
                {"event_id": number, "plugin": plugin, "state": "pending", "attempts": 0, "due_at": stored_at}
                for number in ids
                for plugin in plugins
            ],
        )
    return ids


def record_quietly(
    connection: Connection, rows: Sequence[NewEvent], plugins: Sequence[str], stored_at: datetime
) -> None:
    """``record_many`` for those who need not know which were new; that is quicker where nobody listens."""
    wanted = reactions.wanted(connection) if rows and not plugins else frozenset()
    if plugins or any(row.kind in wanted for row in rows):
        record_many(connection, rows, plugins, stored_at)
        return
    values = [
        (_storable(row.key), row.kind, row.person, row.at, stored_at, row.source, check(row.kind, row.data))
        for row in rows
    ]
    columns = ("key", "kind", "person_id", "at", "stored_at", "source", "data")
    insert_new_rows(connection, event, columns, values)


def record(
    connection: Connection,
    row: NewEvent,
    plugins: Sequence[str],
    stored_at: datetime,
    kinds: Mapping[str, EventKind] = KINDS,
) -> bool:
    """Store one event; False if its key is stored already. See ``record_many``."""
    return bool(record_many(connection, [row], plugins, stored_at, kinds))


def recent(
    connection: Connection, *, kind: str | None = None, person: int | None = None, limit: int | None = None
) -> list[Event]:
    """Stored events, the newest first; all of them without ``limit``."""
    query = select(event).order_by(event.c.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(event.c.kind == kind)
    if person is not None:
        query = query.where(event.c.person_id == person)
    return [_event(row) for row in connection.execute(query)]


def due(connection: Connection, plugins: Sequence[str], now: datetime) -> list[str]:
    """Those of ``plugins`` that are to be told something now."""
    query = select(plugin_delivery.c.event_id).limit(1)
    return [name for name in plugins if connection.execute(query.where(_due(name, now))).first() is not None]


def claim(connection: Connection, plugin: str, now: datetime, lease: timedelta, limit: int) -> list[Delivery]:
    """Take due deliveries, so that no other worker takes them before ``now + lease``. The longest due first.

    What is claimed and never settled, because the worker died, is due again when the lease ends. Such a one, and one
    that failed, is given alone: if the worker dies again, no other is held to have had a part in it.
    """
    found = connection.execute(
        select(plugin_delivery.c.event_id, plugin_delivery.c.attempts)
        .where(_due(plugin, now))
        .order_by(plugin_delivery.c.due_at, plugin_delivery.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    mine = dict(list(takewhile(lambda row: row[1] == 0, found)) or found[:1])
    if not mine:
        return []
    connection.execute(
        update(plugin_delivery)
        .where(plugin_delivery.c.plugin == plugin, plugin_delivery.c.event_id.in_(mine))
        .values(due_at=now + lease, attempts=plugin_delivery.c.attempts + 1)
    )
    events = {row.id: _event(row) for row in connection.execute(select(event).where(event.c.id.in_(mine)))}
    return [Delivery(plugin, attempts + 1, events[number]) for number, attempts in mine.items()]


def delivered(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """The plugin has been told; the deliveries are those of one claim."""
    if deliveries:
        connection.execute(delete(plugin_delivery).where(_these(deliveries)))


def release(connection: Connection, deliveries: Sequence[Delivery], now: datetime) -> None:
    """Give back what was claimed and not begun; the deliveries are those of one claim."""
    if deliveries:
        values = {"due_at": now, "attempts": plugin_delivery.c.attempts - 1}
        connection.execute(update(plugin_delivery).where(_these(deliveries)).values(values))


def failed(connection: Connection, delivery: Delivery, error: str, again_at: datetime | None) -> None:
    """The plugin failed: try again at ``again_at``, or park the event for this plugin."""
    values: dict[str, Any] = {"error": error}
    values |= {"state": "parked"} if again_at is None else {"due_at": again_at}
    connection.execute(update(plugin_delivery).where(_these([delivery])).values(values))


def retry(connection: Connection, plugin: str, now: datetime) -> int:
    """Make a plugin's parked events due again; tells how many."""
    return connection.execute(
        update(plugin_delivery)
        .where(plugin_delivery.c.plugin == plugin, plugin_delivery.c.state == "parked")
        .values(state="pending", attempts=0, due_at=now)
    ).rowcount


def backlogs(connection: Connection) -> dict[str, Backlog]:
    """By plugin, what it is still to be told."""
    counts: dict[str, dict[str, int]] = {}
    columns = (plugin_delivery.c.plugin, plugin_delivery.c.state)
    for name, state, count in connection.execute(select(*columns, func.count()).group_by(*columns)):
        counts.setdefault(name, {})["parked" if state == "parked" else "waiting"] = count
    return {name: Backlog(**found) for name, found in counts.items()}


def parked(connection: Connection, plugin: str) -> list[tuple[Event, str]]:
    """A plugin's parked events, each with its last error."""
    query = (
        select(event, plugin_delivery.c.error)
        .join(plugin_delivery)
        .where(plugin_delivery.c.plugin == plugin, plugin_delivery.c.state == "parked")
        .order_by(event.c.id)
    )
    return [(_event(row), row.error or "") for row in connection.execute(query)]


def _owe(connection: Connection, rows: Sequence[NewEvent], new: Mapping[str, int]) -> None:
    """Keep the new ones for the flows that wait for such events."""
    wanted = reactions.wanted(connection) if any(row.person is not None for row in rows) else frozenset()
    owed: dict[int, reactions.Owed] = {}
    for row in rows:
        number = new.get(_storable(row.key))
        if number is not None and row.person is not None and row.kind in wanted:
            owed.setdefault(number, reactions.Owed(number, row.person, row.at, row.chain))
    reactions.add(connection, list(owed.values()))


def _due(plugin: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        plugin_delivery.c.plugin == plugin, plugin_delivery.c.state == "pending", plugin_delivery.c.due_at <= now
    )


def _these(deliveries: Sequence[Delivery]) -> ColumnElement[bool]:
    # Not by pairs: SQLite would scan the whole table for them.
    return and_(
        plugin_delivery.c.plugin == deliveries[0].plugin,
        plugin_delivery.c.event_id.in_([delivery.event.id for delivery in deliveries]),
    )


def _event(row: Any) -> Event:
    return Event(row.id, row.kind, row.person_id, row.at, row.source, row.data)


def _storable(key: str) -> str:
    """A key made of a stranger's Message-ID may be too long, or hold what a database does not take: then its hash."""
    if len(key) <= _KEY and key.isprintable():
        return key
    return f"sha256:{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()}"
