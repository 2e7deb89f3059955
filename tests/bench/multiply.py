"""Makes a large SQLite database out of a small one: all mail, persons and events again and again, under other ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, String, Table, func, insert, literal, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from mailcrm.store import tables
from mailcrm.store.db import Utc

# Rows that stand alone (users, mailboxes, folders, pipelines) are not multiplied.
_TABLES = (
    tables.organization, tables.organization_domain, tables.person, tables.person_address, tables.thread,
    tables.thread_reference, tables.message, tables.location, tables.participant, tables.attachment, tables.link,
    tables.event,
)  # fmt: skip
_NAMES = frozenset(table.name for table in _TABLES)
# Text that must differ from copy to copy, because it is unique, or is what mail is looked up by.
_DISTINCT = frozenset(
    {
        "organization_domain.domain", "person_address.address", "person_address.canonical",
        "thread_reference.reference", "message.identity", "message.message_id", "message.from_email",
        "participant.address", "event.key",
    }
)  # fmt: skip


_DAYS = 5  # how long a time the originals span


def multiply(connection: Connection, copies: int) -> None:
    """Add ``copies`` copies of what is there."""
    step = 1 + max(
        connection.execute(select(func.max(table.c.id))).scalar() or 0 for table in _TABLES if "id" in table.c
    )
    for number in range(1, copies + 1):
        for table, highest in _sources(connection, step):
            values = [_value(table, column, number, step) for column in table.columns]
            rows = select(*values)
            if highest is not None:
                rows = rows.where(highest < step)
            connection.execute(insert(table).from_select([column.name for column in table.columns], rows))


def _sources(connection: Connection, step: int) -> Iterator[tuple[Table, ColumnElement[int] | None]]:
    """Each table, and the column that tells an original from a copy."""
    for table in _TABLES:
        if "id" in table.c:
            yield table, table.c.id
        else:
            yield table, next(column for column in table.columns if _is_moved(table, column))


def _is_moved(table: Table, column: Column[Any]) -> bool:
    target = next((key.column.table.name for key in column.foreign_keys), None)
    return column.name == "id" or target in _NAMES or (table is tables.link and column.name == "record_id")


def _value(table: Table, column: Column[Any], number: int, step: int) -> ColumnElement[Any]:
    """A column of copy ``number``: as many times five days older, and in every index among the originals."""
    name = f"{table.name}.{column.name}"
    if _is_moved(table, column) or name == "location.uid":
        return column + number * step
    if name == "message.identity":
        return _identity(column, number) + literal(f".{number}")
    if name == "event.key":
        colon = func.instr(column, ":")
        kind, rest = func.substr(column, 1, colon, type_=String), func.substr(column, colon + 1, type_=String)
        return kind + _identity(rest, number) + literal(f".{number}")
    if name in _DISTINCT:
        return column + literal(f".{number}")
    if isinstance(column.type, Utc):
        older = func.strftime("%Y-%m-%dT%H:%M:%f000+00:00", column, f"-{number * _DAYS} days")
        return type_coerce(older, Utc())
    return column


def _identity(column: ColumnElement[str], number: int) -> ColumnElement[str]:
    """An identity begins with the day of the message, six hex digits; SQLite can't read those, but count with them."""
    digits = "0123456789abcdef"
    day = sum(
        ((func.instr(digits, func.substr(column, place, 1)) - 1) * 16 ** (6 - place) for place in range(1, 7)),
        start=literal(0),
    )
    return func.printf("%06x", day - number * _DAYS, type_=String) + func.substr(column, 7, type_=String)
