"""Events that flows are still to react to, and what caused those that flows caused."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from mailcrm.core.enrollment import Happened, Place
from mailcrm.core.events import Event
from mailcrm.store.db import Lookup, insert_new, slices
from mailcrm.store.tables import event, reaction, setting

_WANTED = "flows.kinds"
_kept = select(setting.c.value).where(setting.c.name == _WANTED)
_COLUMNS = (event.c.id, event.c.kind, event.c.person_id, event.c.at, event.c.source, event.c.data, reaction.c.chain)
_pending = select(*_COLUMNS).join_from(reaction, event).where(reaction.c.pending.is_(True))
_pending_of = Lookup(_pending, reaction.c.person_id)
_pending_with_id = Lookup(_pending, reaction.c.event_id)
_past = Lookup(
    select(*_COLUMNS)
    .join_from(event, reaction, isouter=True)
    .where(
        event.c.kind == bindparam("kind"),
        event.c.at >= bindparam("since", type_=event.c.at.type),
        reaction.c.pending.is_not(True),
    ),
    event.c.person_id,
)


@dataclass(frozen=True, slots=True)
class Owed:
    """A stored event that flows are to react to."""

    event: int
    person: int
    at: datetime
    chain: tuple[Place, ...] = ()


def wanted(connection: Connection) -> frozenset[str]:
    """The kinds of events that some flow waits for; see ``want``."""
    return frozenset(_setting(connection).get("kinds", ()))


def mark(connection: Connection) -> str:
    """Another one after each ``want``; "" before the first."""
    return str(_setting(connection).get("mark", ""))


def hold(connection: Connection) -> str | None:
    """``mark``, which stays as it is until the transaction ends; None while somebody changes flows (``change``)."""
    row = connection.execute(_kept.with_for_update(read=True, skip_locked=True)).first()
    if row is None:
        return None if mark(connection) else ""
    return str(row.value.get("mark", ""))


def change(connection: Connection, now: datetime) -> None:
    """Flows are changed in this transaction, and in no other at the same time.

    Whoever lets somebody in meanwhile has to do it anew.
    """
    connection.execute(insert_new(connection, setting, ["name"]).values(name=_WANTED, value={}, at=now))
    connection.execute(_kept.with_for_update())


def want(connection: Connection, kinds: Collection[str], now: datetime) -> None:
    """From now on, events of these kinds and of no others are kept for flows. After ``change``."""
    value = {"kinds": sorted(kinds), "mark": secrets.token_hex(8)}
    connection.execute(update(setting).where(setting.c.name == _WANTED).values(value=value, at=now))


def add(connection: Connection, owed: Sequence[Owed]) -> None:
    """Keep events for flows; in the transaction that stores the events."""
    if owed:
        rows = [
            {"event_id": each.event, "person_id": each.person, "at": each.at, "chain": each.chain, "pending": True}
            for each in owed
        ]
        connection.execute(insert(reaction), rows)


def pending(connection: Connection, persons: Iterable[int]) -> list[Happened]:
    """What these persons' flows are still to react to, by time."""
    rows = _pending_of.rows(connection, persons)
    return sorted((happened(row) for row in rows), key=by_time)


def owed(connection: Connection, events: Iterable[int]) -> list[Happened]:
    """Those of these events that flows are still to react to, by time."""
    rows = _pending_with_id.rows(connection, events)
    return sorted((happened(row) for row in rows), key=by_time)


def handled(connection: Connection, events: Iterable[int]) -> None:
    """Flows have reacted to these events. What caused them stays known, for whoever looks back to them."""
    for piece in slices(events):
        connection.execute(update(reaction).where(reaction.c.event_id.in_(piece)).values(pending=False))


def looked_back(
    connection: Connection, persons: Iterable[int], kinds: Collection[str], since: datetime
) -> list[Happened]:
    """Stored events of these persons and kinds that happened at or after ``since``, without the pending ones; by time.

    Some are on their way to a flow at the same time: those are left out here and reach it as stimuli.
    """
    if not kinds:
        return []
    rows: list[Any] = []
    for kind in sorted(kinds):
        rows += _past.rows(connection, persons, kind=kind, since=since)
    return sorted((happened(row) for row in rows), key=by_time)


def _setting(connection: Connection) -> Mapping[str, Any]:
    return connection.execute(_kept).scalar() or {}


def by_time(each: Happened) -> tuple[datetime, int]:
    """The order of events."""
    return each.event.at, each.event.id


def happened(row: Any) -> Happened:
    """A row of an event with its chain, which may be None."""
    chain = tuple((flow, node) for flow, node in row.chain or ())
    return Happened(Event(row.id, row.kind, row.person_id, row.at, row.source, row.data), chain)
