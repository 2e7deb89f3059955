"""How long deals stand in which stage: noted by whatever opens, moves, closes and reopens them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from mailcrm.store.tables import stage_stay


class Stay(NamedTuple):
    """A deal came to a stage; ``until``: it was closed there."""

    deal: int
    stage: int
    since: datetime
    until: datetime | None = None


def enter(connection: Connection, stays: Iterable[Stay]) -> None:
    """Note that deals have come to stages."""
    rows = [
        {"deal_id": deal, "stage_id": stage, "entered_at": since, "left_at": until, "seconds": _seconds(since, until)}
        for deal, stage, since, until in stays
    ]
    if rows:
        connection.execute(insert(stage_stay), rows)


def leave(connection: Connection, deal: int, at: datetime) -> None:
    """Note that a deal stands where it stood no longer."""
    query = select(stage_stay.c.id, stage_stay.c.entered_at)
    for row in connection.execute(query.where(stage_stay.c.deal_id == deal, stage_stay.c.left_at.is_(None))).all():
        values = {"left_at": max(at, row.entered_at), "seconds": _seconds(row.entered_at, at)}
        connection.execute(update(stage_stay).where(stage_stay.c.id == row.id).values(**values))


def _seconds(since: datetime, until: datetime | None) -> int | None:
    return None if until is None else max(0, int((until - since).total_seconds()))
