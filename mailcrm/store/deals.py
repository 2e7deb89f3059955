"""Deals: open until won or lost (DATA-8); only an open one takes mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from mailcrm.store import stays
from mailcrm.store.db import slices
from mailcrm.store.stays import Stay
from mailcrm.store.tables import deal, pipeline, stage

AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class NewDeal:
    """A deal that is to be stored; ids, and ``currency`` is an ISO 4217 code."""

    title: str
    stage: int
    created_by: str
    person: int | None = None
    organization: int | None = None
    owner: int | None = None
    value: Decimal | None = None
    currency: str | None = None


def add(connection: Connection, new: NewDeal, now: datetime) -> int:
    """Store an open deal."""
    number = connection.execute(
        insert(deal)
        .values(
            title=new.title,
            person_id=new.person,
            organization_id=new.organization,
            stage_id=new.stage,
            status="open",
            value=new.value,
            currency=new.currency,
            owner_id=new.owner,
            created_by=new.created_by,
            created_at=now,
        )
        .returning(deal.c.id)
    ).scalar_one()
    stays.enter(connection, [Stay(int(number), new.stage, now)])
    return int(number)


def change(connection: Connection, number: int, **values: Any) -> None:
    """Set columns of a deal; what moves, closes or opens it is ``move``, ``close``, ``reopen``."""
    if values:
        connection.execute(update(deal).where(deal.c.id == number).values(**values))


def move(connection: Connection, number: int, stage_id: int, now: datetime) -> None:
    """Put an open deal into another stage."""
    change(connection, number, stage_id=stage_id)
    stays.leave(connection, number, now)
    stays.enter(connection, [Stay(number, stage_id, now)])


def close(connection: Connection, number: int, status: str, reason: str | None, now: datetime) -> None:
    """Make an open deal ``won`` or ``lost``, in the stage where it stands."""
    change(connection, number, status=status, closed_at=now, lost_reason=reason)
    stays.leave(connection, number, now)


def reopen(connection: Connection, number: int, stage_id: int, now: datetime) -> None:
    """Make a closed deal open again, in this stage: the one where it ended."""
    change(connection, number, status="open", closed_at=None, lost_reason=None)
    stays.enter(connection, [Stay(number, stage_id, now)])


def ids(
    *,
    status: str | None = None,
    person: int | None = None,
    organization: int | None = None,
    owner: int | None = None,
    stage_id: int | None = None,
    search: str | None = None,
) -> Select[int]:
    """A query for the ids of deals, by id. ``search`` is part of a title, of any case."""
    query = select(deal.c.id).where(deal.c.removed_at.is_(None)).order_by(deal.c.id)
    wanted = {
        deal.c.status: status,
        deal.c.person_id: person,
        deal.c.organization_id: organization,
        deal.c.owner_id: owner,
        deal.c.stage_id: stage_id,
    }
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    return query if search is None else query.where(deal.c.title.icontains(search, autoescape=True))


def rows(connection: Connection, numbers: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the deal's own columns, with ``stage`` and ``pipeline`` by name and ``pipeline_id``."""
    query = (
        select(deal, stage.c.name.label("stage"), pipeline.c.name.label("pipeline"), pipeline.c.id.label("pipeline_id"))
        .join(stage, stage.c.id == deal.c.stage_id)
        .join(pipeline, pipeline.c.id == stage.c.pipeline_id)
    )
    return {row.id: row for piece in slices(numbers) for row in connection.execute(query.where(deal.c.id.in_(piece)))}
