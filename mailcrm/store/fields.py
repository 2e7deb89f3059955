"""Custom fields of persons, organizations, deals and leads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, insert, select

from mailcrm.store.db import slices
from mailcrm.store.tables import field_value

Record = Literal["person", "organization", "deal", "lead"]


def put(connection: Connection, record: Record, number: int, name: str, value: Any) -> None:
    """Set a field of a record; None removes it."""
    mine = (field_value.c.record == record, field_value.c.record_id == number, field_value.c.name == name)
    connection.execute(delete(field_value).where(*mine))
    if value is not None:
        connection.execute(insert(field_value).values(record=record, record_id=number, name=name, value=value))


def of(connection: Connection, record: Record, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Id -> its fields, by name."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for piece in slices(numbers):
        query = (
            select(field_value.c.record_id, field_value.c.name, field_value.c.value)
            .where(field_value.c.record == record, field_value.c.record_id.in_(piece))
            .order_by(field_value.c.name)
        )
        for number, name, value in connection.execute(query):
            found[number][name] = value
    return found


def names(connection: Connection) -> list[tuple[str, str, int]]:
    """Every (kind of record, field, how many records have it)."""
    query = (
        select(field_value.c.record, field_value.c.name, func.count())
        .group_by(field_value.c.record, field_value.c.name)
        .order_by(field_value.c.record, field_value.c.name)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]
