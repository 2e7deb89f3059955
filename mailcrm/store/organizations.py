"""Organizations: domains, addresses, relations to one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, delete, insert, select, update

from mailcrm.errors import Refused
from mailcrm.store.db import insert_new, slices
from mailcrm.store.tables import (
    organization,
    organization_address,
    organization_domain,
    organization_relation,
)

AnyRow = Row[*tuple[Any, ...]]


def add(
    connection: Connection,
    name: str,
    now: datetime,
    *,
    created_by: str,
    domains: Sequence[str] = (),
    emails: Sequence[str] = (),
    industry: str | None = None,
    owner: int | None = None,
) -> int:
    """Store an organization. Domains are case-folded, addresses normalised.

    Raises:
        Refused: a domain or address is another organization's.
    """
    number = connection.execute(
        insert(organization)
        .values(name=name, industry=industry, owner_id=owner, created_by=created_by, created_at=now)
        .returning(organization.c.id)
    ).scalar_one()
    add_domains(connection, number, domains)
    add_addresses(connection, number, emails)
    return int(number)


def add_domains(connection: Connection, number: int, domains: Sequence[str]) -> None:
    """Give an organization more domains. Raises Refused as ``add``."""
    _own(connection, organization_domain, "domain", number, domains)


def add_addresses(connection: Connection, number: int, emails: Sequence[str]) -> None:
    """Give an organization more addresses of its own (DATA-3). Raises Refused as ``add``."""
    _own(connection, organization_address, "address", number, emails)


def drop(connection: Connection, number: int, *, domains: Sequence[str] = (), emails: Sequence[str] = ()) -> None:
    """Take domains and addresses from an organization."""
    for table, column, values in (
        (organization_domain, organization_domain.c.domain, domains),
        (organization_address, organization_address.c.address, emails),
    ):
        if values:
            connection.execute(delete(table).where(table.c.organization_id == number, column.in_(values)))


def relate(connection: Connection, number: int, other: int, kind: str) -> None:
    """Say how an organization is related to another (DATA-6): "parent" makes ``other`` the parent of ``number``.

    Raises:
        Refused: to itself.
    """
    if number == other:
        raise Refused("an organization can't be related to itself")
    connection.execute(
        insert_new(connection, organization_relation).values(organization_id=number, other_id=other, kind=kind)
    )


def unrelate(connection: Connection, number: int, other: int) -> None:
    """Take back every relation between the two."""
    one = (organization_relation.c.organization_id == number) & (organization_relation.c.other_id == other)
    two = (organization_relation.c.organization_id == other) & (organization_relation.c.other_id == number)
    connection.execute(delete(organization_relation).where(one | two))


def relations(connection: Connection, number: int) -> list[AnyRow]:
    """``organization_id``, ``other_id``, ``kind`` of every relation that names the organization."""
    query = select(organization_relation).where(
        (organization_relation.c.organization_id == number) | (organization_relation.c.other_id == number)
    )
    return list(connection.execute(query))


def change(connection: Connection, number: int, **values: Any) -> None:
    """Set columns of an organization."""
    if values:
        connection.execute(update(organization).where(organization.c.id == number).values(**values))


def remove(connection: Connection, number: int, now: datetime) -> None:
    """Take an organization out of every list; its domains and addresses are free again."""
    for table in (organization_domain, organization_address):
        connection.execute(delete(table).where(table.c.organization_id == number))
    change(connection, number, removed_at=now)


def ids(*, search: str | None = None, owner: int | None = None) -> Select[int]:
    """A query for the ids of organizations, by id. ``search`` is part of a name or domain, of any case."""
    query = select(organization.c.id).where(organization.c.removed_at.is_(None)).order_by(organization.c.id)
    if owner is not None:
        query = query.where(organization.c.owner_id == owner)
    if search is not None:
        by_domain = select(organization_domain.c.organization_id).where(
            organization_domain.c.domain.contains(search.casefold(), autoescape=True)
        )
        query = query.where(organization.c.name.icontains(search, autoescape=True) | organization.c.id.in_(by_domain))
    return query


def rows(connection: Connection, numbers: Iterable[int]) -> dict[int, AnyRow]:
    """Id -> the organization's own columns."""
    return {
        row.id: row
        for piece in slices(numbers)
        for row in connection.execute(select(organization).where(organization.c.id.in_(piece)))
    }


def domains(connection: Connection, numbers: Iterable[int]) -> dict[int, list[str]]:
    """Id -> domains."""
    return _lists(connection, organization_domain, "domain", numbers)


def emails(connection: Connection, numbers: Iterable[int]) -> dict[int, list[str]]:
    """Id -> its own addresses."""
    return _lists(connection, organization_address, "address", numbers)


def _own(connection: Connection, table: Table, column: str, number: int, values: Sequence[str]) -> None:
    if not values:
        return
    connection.execute(insert_new(connection, table), [{column: value, "organization_id": number} for value in values])
    query = (
        select(table.c[column], organization.c.id, organization.c.name)
        .join(organization, organization.c.id == table.c.organization_id)
        .where(table.c[column].in_(values), table.c.organization_id != number)
    )
    taken = connection.execute(query).first()
    if taken:
        raise Refused(
            f"{taken[0]} belongs to {taken[2]} (organization {taken[1]}); take it from there or merge the two"
        )


def _lists(connection: Connection, table: Table, column: str, numbers: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for piece in slices(numbers):
        query = (
            select(table.c.organization_id, table.c[column])
            .where(table.c.organization_id.in_(piece))
            .order_by(table.c[column])
        )
        for number, value in connection.execute(query):
            found[number].append(value)
    return found
