"""How long deals stood in which stage, as far as the log of events tells, for databases that did not keep it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mailcrm.store.db import Utc

_PIECE = 1000
_ENDS = ("deal.won", "deal.lost")
_event = sa.table("event", sa.column("id"), sa.column("kind"), sa.column("at", Utc()), sa.column("data", sa.JSON()))
_stage = sa.table("stage", sa.column("id"), sa.column("pipeline_id"), sa.column("name"))
_deal = sa.table(
    "deal",
    *(sa.column(name) for name in ("id", "stage_id", "status")),
    *(sa.column(name, Utc()) for name in ("created_at", "closed_at")),
)
_stay = sa.table(
    "stage_stay",
    *(sa.column(name) for name in ("deal_id", "stage_id", "seconds")),
    *(sa.column(name, Utc()) for name in ("entered_at", "left_at")),
)

Told = list[tuple[str, datetime, str]]
"""Kind, time, and the stage's name, of what happened to a deal."""


def fill(connection: sa.Connection) -> None:
    """Write the stays of every deal, from the events ``deal.created``, ``deal.moved``, ``deal.won``, ``deal.lost``.

    Stages are known by their names in the deal's pipeline of today. A deal without such events (an imported one) has
    stood in its stage since it was made. That a deal was opened again was never told: it counts from when it closed.
    """
    stages = {(row.pipeline_id, row.name): row.id for row in connection.execute(sa.select(_stage))}
    pipelines = {number: pipeline for (pipeline, _), number in stages.items()}
    told: defaultdict[int, Told] = defaultdict(list)
    kinds = _event.c.kind.in_(("deal.created", "deal.moved", *_ENDS))
    for row in connection.execute(sa.select(_event).where(kinds).order_by(_event.c.at, _event.c.id)):
        told[row.data["deal"]].append((row.kind, row.at, row.data["stage"]))
    rows: list[dict[str, Any]] = []
    for row in connection.execute(sa.select(_deal).order_by(_deal.c.id)).all():
        known = [
            (kind, at, stages.get((pipelines[row.stage_id], name), row.stage_id)) for kind, at, name in told[row.id]
        ]
        rows += _stays(row, known)
        if len(rows) >= _PIECE:
            connection.execute(sa.insert(_stay), rows)
            rows = []
    if rows:
        connection.execute(sa.insert(_stay), rows)


def _stays(deal: Any, told: list[tuple[str, datetime, int]]) -> Iterator[dict[str, Any]]:
    stage = deal.stage_id if not told else told[0][2]
    since = deal.created_at
    for kind, at, named in told:
        if kind in _ENDS:
            if kind is not told[-1][0] or deal.status == "open":
                yield _row(deal.id, stage, since, at)
                since = at
        elif named != stage:
            yield _row(deal.id, stage, since, at)
            stage, since = named, at
    yield _row(deal.id, stage, since, None if deal.status == "open" else deal.closed_at)


def _row(deal: int, stage: int, since: datetime, until: datetime | None) -> dict[str, Any]:
    until = None if until is None else max(since, until)
    seconds = None if until is None else int((until - since).total_seconds())
    return {"deal_id": deal, "stage_id": stage, "entered_at": since, "left_at": until, "seconds": seconds}
