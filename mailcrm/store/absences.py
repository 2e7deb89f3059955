"""Who is away, and until when: as their automatic replies say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from mailcrm.core.away import back_at
from mailcrm.store.db import slices
from mailcrm.store.tables import event

AUTOREPLIED = "mail.autoreplied"

_FARTHEST = timedelta(days=301)  # what a notice may state (core.dates)


def back(connection: Connection, persons: Iterable[int], now: datetime, default: str) -> Mapping[int, datetime]:
    """When those of these persons who are away at ``now`` are back, aware, in UTC: as the newest notice says.

    Args:
        default: a span: how long somebody is away whose notice states no day.
    """
    found: dict[int, datetime] = {}
    about = (event.c.kind == AUTOREPLIED, event.c.at <= now, event.c.at > now - _FARTHEST)
    for piece in slices(persons):
        last = (
            select(event.c.person_id, func.max(event.c.at).label("at"))
            .where(event.c.person_id.in_(piece), *about)
            .group_by(event.c.person_id)
            .subquery()
        )
        query = (
            select(event.c.person_id, event.c.at, event.c.data)
            .join(last, (last.c.person_id == event.c.person_id) & (last.c.at == event.c.at))
            .where(event.c.kind == AUTOREPLIED)
        )
        for row in connection.execute(query):
            until = back_at(row.data.get("until"), row.data.get("reason"), row.at, default)
            if until is not None and until > now:
                found[row.person_id] = max(until, found.get(row.person_id, until))
    return found
