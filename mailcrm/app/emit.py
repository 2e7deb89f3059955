"""Stores an event that somebody tells us of: a user, a plugin, the outside."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mailcrm.app.context import Context
from mailcrm.store import events, find


def emit(
    context: Context,
    kind: str,
    data: Mapping[str, Any],
    *,
    source: str,
    person: str | None = None,
    key: str | None = None,
    at: datetime | None = None,
) -> bool:
    """Store one event and have the plugins told of it.

    Args:
        source: who tells: ``user:KEY``, ``command``, ``plugin:NAME``, ``web``. A plugin is not told what it
            told us itself.
        person: name, e-mail address or id.
        key: two events of one source with the same key are one; absent: it is an event of its own.
        at: when it happened, aware; absent: now.

    Returns:
        False if it was stored before.

    Raises:
        Refused: an unknown kind, data that don't fit it, or several persons of that name.
        NotFound: no such person.
        Temporary: the database is locked or away.
    """
    now = context.clock()
    plugins = [name for name in context.plugins.implementers("on_event") if source != f"plugin:{name}"]
    with context.db.write() as connection:
        row = events.NewEvent(
            kind=kind,
            key=f"{source}:{key or secrets.token_hex(16)}",
            person=find.person_id(connection, person) if person else None,
            at=at or now,
            source=source,
            data=data,
        )
        new = events.record(connection, row, plugins, now, context.registry.kinds)
    if new:
        context.changed()
    return new
