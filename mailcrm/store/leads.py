"""Leads: what may become a deal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from mailcrm.store.db import slices
from mailcrm.store.tables import lead

AnyRow = Row[*tuple[Any, ...]]


def add(
    connection: Connection,
    title: str,
    now: datetime,
    *,
    created_by: str,
    person: int | None = None,
    organization: int | None = None,
    owner: int | None = None,
    value: Decimal | None = None,
    currency: str | None = None,
) -> int:
    """Store a lead."""
    number = connection.execute(
        insert(lead)
        .values(
            title=title,
            person_id=person,
            organization_id=organization,
            owner_id=owner,
            value=value,
            currency=currency,
            created_by=created_by,
            created_at=now,
        )
        .returning(lead.c.id)
    ).scalar_one()
    return int(number)


def change(connection: Connection, number: int, **values: Any) -> None:
    """Set columns of a lead."""
    if values:
        connection.execute(update(lead).where(lead.c.id == number).values(**values))


def ids(
    *,
    person: int | None = None,
    organization: int | None = None,
    owner: int | None = None,
    search: str | None = None,
) -> Select[int]:
    """A query for the ids of leads, by id. ``search`` is part of a title, of any case."""
    query = select(lead.c.id).where(lead.c.removed_at.is_(None)).order_by(lead.c.id)
    wanted = {lead.c.person_id: person, lead.c.organization_id: organization, lead.c.owner_id: owner}
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    return query if search is None else query.where(lead.c.title.icontains(search, autoescape=True))


def rows(connection: Connection, numbers: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the lead's own columns."""
    return {
        row.id: row for piece in slices(numbers) for row in connection.execute(select(lead).where(lead.c.id.in_(piece)))
    }
